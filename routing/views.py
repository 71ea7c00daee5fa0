"""Rules: the list in the order in which they are tried, the editor with its bench, and their versions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from inbox.models import Agent, Team
from inbox.once import once
from inbox.rights import managers_too
from inbox.views.answering import shown
from routing import access, bench, editor
from routing.actions import Action, read_actions
from routing.conditions import Condition
from routing.fields import RuleError
from routing.groups import read_tree
from routing.models import Rule
from routing.naming import broken, choices_for, names_for, strange
from socialcare.pages import Request, is_number


@managers_too
def rules(request: Request) -> HttpResponse:
    """The list, and below it the bench for the rules as they are now."""
    names = names_for(request.user)
    everything = list(Rule.objects.order_by("position", "id").values_list("pk", flat=True))
    teams = list(Team.objects.order_by("name"))
    rows = [_row(rule, names, everything.index(rule.pk), request.user, teams) for rule in access.seen_by(request.user)]
    text, trace = request.POST.get("text", "").strip(), None
    if request.method == "POST" and text:
        trace = bench.trace(text, request.POST.get("network", ""), access.hidden_teams(request.user))
    context = {
        "rules": rows,
        "broken": sum(1 for row in rows if row["broken"]),
        "last": len(everything) - 1,
        "text": text,
        "trace": trace,
        "networks": choices_for(request.user).by_kind["network"],
        "triage": next((team for team in teams if team.triage), None),
    }
    return shown(request, "routing/rules.html", context)


def _row(rule: Rule, names: dict[str, str], place: int, agent: Agent, teams: list[Team]) -> dict[str, Any]:
    """One line of the list. Its teams need no further right: a rule for a team that is hidden is not listed at all."""
    wrong, touched = broken(rule, names), access.touched(rule)
    return {
        "rule": rule,
        "place": place,
        "number": place + 1,
        "broken": wrong,
        "sentence": "" if wrong else rule.sentence(names),
        "teams": [team for team in teams if team.pk in touched],
        "mine": access.may_change(agent, rule),
    }


@managers_too
@once
def rule(request: Request, pk: int | None = None) -> HttpResponse:
    """The editor. Every button posts the whole form; only “save” keeps anything."""
    gone = request.method == "POST" and pk is not None and not Rule.objects.filter(pk=pk).exists()
    one = _seen(request.user, pk) if pk and not gone else Rule()
    if request.method != "POST":
        return _editor(request, one, _draft(one) if pk else _new())
    draft, verb = editor.posted(request.POST), request.POST.get("do", "look")
    if verb != "save":
        draft.edit(verb, request.POST.dict())
        return _editor(request, one, draft, request.POST)
    if one.pk and not access.may_change(request.user, one):
        raise Http404
    words, status = _save(one, draft, request.user, pk)
    if words:
        draft.version = one.version if status == 409 else draft.version
        return _editor(request, one, draft, request.POST, words, status)
    messages.info(request, _("“%(name)s” is kept as version %(n)d.") % {"name": one.name, "n": one.version})
    return HttpResponseRedirect("/set-up/rules/", status=303)


def _new() -> editor.Draft:
    return editor.Draft(when=editor.Group("all", [editor.Leaf("text_any")]), then=[editor.Step("team")])


def _draft(one: Rule) -> editor.Draft:
    return editor.stored(one.name, one.when, one.then, stop=one.stop, active=one.active, version=one.version)


def _seen(agent: Agent, pk: int) -> Rule:
    one = get_object_or_404(Rule, pk=pk)
    if not access.hidden_teams(agent).isdisjoint(access.touched(one)):
        raise Http404
    return one


@transaction.atomic
def _save(one: Rule, draft: editor.Draft, agent: Agent, pk: int | None) -> tuple[str, int]:
    """("", 0), or why nothing was kept and the status that says so."""
    if pk and (words := _overtaken(one, draft, pk)):
        return words, 409
    try:
        if not draft.name:
            raise RuleError(_("A rule needs a name."))
        tree, actions = read_tree(draft.when.data()), read_actions([step.data() for step in draft.then])
        if words := access.refusal(agent, actions):
            raise RuleError(words)
        if strange(tree, one, agent):
            raise RuleError(_("It names a topic or theme that is gone, or that you may not read."))
        then = [{"do": action.name, **action.values()} for action in actions]
        given = {"name": draft.name, "when": tree.data(), "then": then, "stop": draft.stop, "active": draft.active}
        one.rewrite(agent, draft.why, **given)
    except RuleError as error:
        return str(error), 422
    return "", 0


def _overtaken(one: Rule, draft: editor.Draft, pk: int) -> str:
    """What somebody else did to the rule since its page was made. One that was removed is a new one from here on."""
    current = Rule.objects.select_for_update().filter(pk=pk).first()
    one.version = current.version if current else 0
    if current is None:
        one.pk = None
    if one.version == draft.version:
        return ""
    if current is None:
        return _("Somebody removed this rule meanwhile. Keep yours to make it anew.")
    words = _("Somebody kept version %(n)d meanwhile. Keep yours to put it in its place, or reload to see theirs.")
    return words % {"n": one.version}


def _editor(
    request: Request, one: Rule, draft: editor.Draft, form: QueryDict | None = None, words: str = "", status: int = 200
) -> HttpResponse:
    choices = choices_for(request.user)
    text = form.get("text", "") if form else ""
    mine = not one.pk or access.may_change(request.user, one)
    context = {
        "rule": one,
        "draft": draft,
        "root": editor.shown_group(draft.when, choices),
        "steps": editor.shown_steps(draft.then, choices),
        "conditions": sorted(
            ((kind.name, kind.label) for kind in Condition.kinds().values()), key=lambda pair: pair[1]
        ),
        "actions": sorted(((kind.name, kind.label) for kind in Action.kinds().values()), key=lambda pair: pair[1]),
        "words": words,
        "mine": mine,
        "text": text,
        "versions": one.versions.select_related("by").order_by("-number")[:20] if one.pk else (),
        **_preview(draft, text, request.user),
    }
    return shown(request, "routing/rule.html", context, status=status)


def _preview(draft: editor.Draft, text: str, agent: Agent) -> dict[str, Any]:
    """The sentence, and what the rule would match; or what is missing yet."""
    names = names_for(agent)
    try:
        tree = read_tree(draft.when.data())
        sentence = f"{_('When')} {tree.sentence(names)}"
        done = ", ".join(action.sentence(names) for action in read_actions([step.data() for step in draft.then]))
        end = _("then stop") if draft.stop else _("then go on")
    except RuleError as error:
        return {"missing": str(error)}
    checks = bench.checks(tree, text) if text else None
    return {"sentence": f"{sentence}, {done}, {end}.", "matches": bench.matches(tree, agent), "checks": checks}


@require_POST
@managers_too
def place(request: Request, pk: int) -> HttpResponse:
    """Moves the rule to a place of the whole list."""
    one = _changeable(request.user, pk)
    to = request.POST.get("to", "")
    if not is_number(to):
        messages.info(request, _("A place is a whole number."))
    elif not access.may_move(request.user, one, int(to)):
        messages.info(request, _("A rule above is not yours to change: it keeps its place before yours."))
    else:
        one.move_to(int(to), request.user)
    return HttpResponseRedirect("/set-up/rules/", status=303)


@require_POST
@managers_too
def removal(request: Request, pk: int) -> HttpResponse:
    _changeable(request.user, pk).remove(request.user)
    return HttpResponseRedirect("/set-up/rules/", status=303)


@require_POST
@managers_too
def restoration(request: Request, pk: int, number: int) -> HttpResponse:
    """An older version becomes the newest one."""
    one = _changeable(request.user, pk)
    old = get_object_or_404(one.versions, number=number)
    draft = editor.stored(old.name, old.when, old.then, stop=old.stop, active=old.active, version=one.version)
    draft.why = _("Version %(n)d again") % {"n": number}
    words, _status = _save(one, draft, request.user, pk)
    messages.info(request, words or draft.why)
    return HttpResponseRedirect(f"/set-up/rules/{pk}/" if one.pk else "/set-up/rules/", status=303)


def _changeable(agent: Agent, pk: int) -> Rule:
    one = _seen(agent, pk)
    if not access.may_change(agent, one):
        raise Http404
    return one
