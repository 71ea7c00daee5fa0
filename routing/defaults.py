"""What a new installation starts with: teams and their rules, in English, German, French, Spanish and Portuguese.
Words are chosen for precision: what no rule is sure of goes to triage, where a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from inbox.models import Team
from routing.models import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inbox.models import Agent


@dataclass(frozen=True)
class OfferedRule:
    name: str
    when: dict[str, Any]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class OfferedTeam:
    slug: str
    name: str
    purpose: str
    private: bool = False
    triage: bool = False
    member: bool = True
    """Whether the first admin is proposed as a member."""


TEAMS = (
    OfferedTeam("support", "Support", "Complaints, questions, orders and money"),
    OfferedTeam("product", "Product", "Faults of what we make, and ideas for it"),
    OfferedTeam("hr", "HR", "Praise for employees, and people who look for a job", private=True, member=False),
    OfferedTeam("marketing", "Marketing", "Everything else; passes on what belongs elsewhere", triage=True),
)


def _any(text: str) -> dict[str, Any]:
    return {"is": "text_any", "words": [word.strip() for word in text.split(",") if word.strip()]}


_GREETINGS = "great job, good job, nice job, amazing job, awesome job, job done, inside job"
_JOBS = """
    hiring, job opening*, job offer*, a job at, job at, jobs at, any jobs, open position*, open role*, vacancy,
    vacancies, internship*, apprenticeship*, traineeship*, careers, apply for, my application, my cv, my resume,
    bewerbung*, bewerben, stellenangebot*, stellenanzeige*, offene stelle*, freie stelle*, ausbildungsplatz*,
    praktikum, praktikumsplatz, werkstudent*, offre d'emploi, offres d'emploi, recrutez, recrutement, candidature*,
    postuler, un stage, en alternance, empleo, vacante*, ofertas de trabajo, trabajar con ustedes,
    trabajar con vosotros, mi currículum, prácticas en, vaga de, vagas, emprego, estágio, candidatar*, recrutamento,
    recruiting, apprentice*, trainee*, job interview*, job ad, job ads, job advert*, i applied, position open,
    position still open, position available, positions available, assistant position*, auszubildende*, azubi*,
    ausbildung bei, ausbildung als, ausbildungsstelle*, lehrstelle*, lehrling*, nebenjob*, ferienjob*, minijob*,
    quereinsteiger*, stellenausschreibung*, vorstellungsgespräch*, bei euch arbeiten, bei ihnen arbeiten,
    mein lebenslauf, meinen lebenslauf, embauchez, embaucher, d'embauche, apprentie, apprentis, apprenties,
    en apprentissage, d'apprentissage, alternant*, poste à pourvoir, postes à pourvoir, mon cv, contratáis,
    contratando, buscáis personal, buscan personal, puesto de trabajo, entrevista de trabajo, aprendiz, aprendices,
    becario*, becaria*, mi cv, a recrutar, a contratar, estagiári*, meu currículo, entrevista de emprego"""
_SERVICE = """
    stayed late, stayed longer, extra mile, so friendly, so helpful, very friendly, incredibly helpful, super friendly,
    so freundlich*, sehr freundlich*, super freundlich*, so hilfsbereit, sehr hilfsbereit, si gentil, si gentille,
    très gentil, très gentille, très aimable, restée tard, resté tard, tan amable, muy amable, muy amables,
    tão simpática, tão simpático, muito simpática, muito simpático, muito atenciosa, muito atencioso"""
_THANKS = """
    thank*, thx, kudos, grateful, shout out, shoutout, compliment*, praise, brilliant, wonderful, fantastic, amazing,
    danke*, lob, toll, großartig*, merci, bravo, remercie*, félicitations, gracias, agradec*, felicit*, obrigad*,
    parabéns"""
_STAFF = """
    employee*, staff, colleague*, cashier, assistant, technician*, driver, in your store, in your shop, in your branch,
    at the counter, at the desk, on the phone, mitarbeiter*, kollege, kollegin, verkäufer*, kassierer*, filiale,
    employé*, vendeur, vendeuse, caissière, votre équipe, conseiller, conseillère, du magasin, en magasin,
    à l'accueil, en caisse, merci à elle, merci à lui, elle a été, il a été, elle m'a, il m'a, elle nous a, il nous a,
    elle s'est, il s'est, thank her, thank him, tell her, tell him, bei ihr bedanken, bei ihm bedanken, empleado*,
    empleada*, dependient*, cajera, su equipo, funcionári*, empregad*, atendente, vossa equipa, sua equipe"""
_ANGER = """
    rude, unfriendly, useless, never, worst, terrible, refund, complaint, disappointed, unfreundlich, nie wieder,
    frechheit, enttäuscht, impoli*, jamais, déçu*, remboursement, maleducad*, nunca, pésim*, reembolso, grosseir*"""
_MONEY = """
    refund*, money back, reimburse*, invoice*, overcharged, charged twice, double charged, billing, bill is wrong,
    payment failed, my parcel, parcel, my package, delivery, delivered, undelivered, shipping, shipment, my order,
    order number, tracking, return label, cancel my, warranty, voucher, gift card, rückerstattung, erstattung,
    geld zurück, rechnung*, doppelt abgebucht, abgebucht, paket*, lieferung*, bestellung*, sendungsnummer,
    retoure*, kündigen, kündigung, gutschein*, garantie, remboursement*, rembours*, facture*, colis, livraison,
    commande, résilier, devolución*, reembolso*, factura*, paquete, mi pedido, entrega, envío, fatura*, encomenda*,
    devolução, meu pedido, cobrad*, not arrived, hasn't arrived, never arrived, lieferadresse*, versandkosten*,
    gratis versand, kostenloser versand, kostenlosen versand, nicht angekommen, pas arrivé*, frais de port,
    el pedido, del pedido, no ha llegado, me devuelven, devolver el dinero, gastos de envío, não chegou,
    portes de envio"""
_FAULTS = """
    bug, bugs, buggy, crash, crashes, crashed, crashing, blank page, page is blank, white screen, black screen,
    error message, error code, freezes, frozen, latest update, new version, after the update, since the update,
    the app, your app, website is down, site is down, feature, features, feature request, would love to see,
    please add, dark mode, it would be nice, fehlermeldung, absturz, abgestürzt, stürzt ab, stürzt, leere seite,
    weiße seite, die app, eure app, ihre app, neue version, seit dem update, funktion wünsch*, wäre schön wenn,
    plante, page blanche, page vide, message d'erreur, l'application, votre appli, mise à jour, fonctionnalité*,
    se cierra, página en blanco, mensaje de error, la aplicación, la app, actualización, funcionalidad*,
    tela branca, página em branco, mensagem de erro, o aplicativo, a aplicação, atualização, trava,
    leaks, leaking, leaky, idea for, suggestion for, suggestions for, undicht*, tropft, vorschlag,
    verbesserungsvorschlag*, idee für, qui fuit, une idée pour, suggestion pour, gotea, idea para,
    sugerencia*, ideia para, sugestão, sugestões"""
_HELP = """
    help, help me, need help, not working, doesn't work, does not work, don't work, isn't working, stopped working,
    broken, can't log in, cannot log in, can't login, locked out, forgot my password, no answer, no reply, no response,
    still waiting, how do i, how can i, customer service, customer support, complaint, disappointed, terrible service,
    worst, scam, damaged, defective, missing, wrong item, hilfe, geht nicht, funktioniert nicht, kaputt, defekt,
    keine antwort, warte seit, warte immer noch, kundenservice, kundendienst, beschwerde, enttäuscht, aide,
    à l'aide, ne marche pas, ne fonctionne pas, en panne, cassé*, pas de réponse, service client, réclamation,
    déçu*, arnaque, ayuda, no funciona, no me funciona, roto, rota, sin respuesta, atención al cliente, queja,
    estafa, ajuda, não funciona, quebrado, quebrada, sem resposta, atendimento ao cliente, reclamação,
    does not say, doesn't say, compatible with, nobody picks up, nobody answers,
    no one answers, niemand antwortet, niemand geht ran, niemanden erreiche*, kompatibel,
    comment joindre, vous joindre, personne ne répond, injoignable*, compatible avec, nadie responde, nadie contesta,
    compatible con, ninguém responde, ninguém atende, compatível com"""

_HELPED = """
    happy to help, glad to help, thanks for the help, thanks for your help, thank you for your help,
    danke für die hilfe, danke für eure hilfe, merci pour votre aide, merci pour l'aide, gracias por la ayuda,
    gracias por su ayuda, obrigado pela ajuda, obrigada pela ajuda"""

RULES: tuple[tuple[str, OfferedRule], ...] = (
    (
        "hr",
        OfferedRule("Looking for a job", {"all": [_any(_JOBS), {"none": [_any(_GREETINGS)]}]}, ("job",)),
    ),
    (
        "hr",
        OfferedRule(
            "Praise for an employee",
            {"all": [_any(f"{_THANKS}, {_SERVICE}"), _any(f"{_STAFF}, {_SERVICE}"), {"none": [_any(_ANGER)]}]},
            ("praise",),
        ),
    ),
    ("support", OfferedRule("Orders and money", {"all": [_any(_MONEY)]}, ("order",))),
    ("product", OfferedRule("Faults and ideas", {"all": [_any(_FAULTS)]}, ("product",))),
    (
        "support",
        OfferedRule("Somebody needs help", {"all": [_any(_HELP), {"none": [_any(_HELPED)]}]}, ("help",)),
    ),
)


def offered(slug: str) -> OfferedTeam:
    return next(team for team in TEAMS if team.slug == slug)


def rules_of(slug: str) -> list[OfferedRule]:
    return [rule for team, rule in RULES if team == slug]


@transaction.atomic
def set_up(chosen: Iterable[str], by: Agent | None) -> None:
    """Makes the chosen teams with their rules, and takes away those not chosen that nobody uses yet. Doing it twice
    changes nothing; teams and rules that exist stay as people made them."""
    wanted = {*chosen, *(team.slug for team in TEAMS if team.triage)}
    _take_away({team.slug for team in TEAMS} - wanted, by)
    teams = {team.slug: _make(team, position) for position, team in enumerate(TEAMS, 1) if team.slug in wanted}
    for slug, rule in RULES:
        if slug in teams and not Rule.objects.filter(name=rule.name).exists():
            then = [{"do": "team", "team": teams[slug].pk}, {"do": "tag", "tags": list(rule.tags)}]
            Rule(name=rule.name, when=rule.when, then=then).rewrite(by, "the start of this installation")


def _make(offer: OfferedTeam, position: int) -> Team:
    team, _ = Team.objects.get_or_create(
        slug=offer.slug,
        defaults={
            "name": offer.name,
            "purpose": offer.purpose,
            "private": offer.private,
            "triage": offer.triage and not Team.objects.filter(triage=True).exists(),
            "position": position,
        },
    )
    return team


def _take_away(slugs: set[str], by: Agent | None) -> None:
    unused = Team.objects.filter(slug__in=slugs, conversations=None, channels=None)
    ids = set(unused.values_list("pk", flat=True))
    for rule in Rule.objects.all():
        if rule.touches() and rule.touches() <= ids:
            rule.remove(by)
    Team.objects.filter(pk__in=ids).delete()
