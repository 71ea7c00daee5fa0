"""Putting a setting back as it was before a change: through the same doors by which a person changes it, so that what
must never happen does not happen here either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from connectors import belonging, connecting
from connectors.listening_first import moment
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.plain_settings import NotTaken, is_covered, taken
from connectors.topics import themes
from connectors.topics.exclusions import exclude
from connectors.topics.query import QueryError
from inbox.models import Agent, Event, Team
from inbox.models.event import recorded_together
from routing.fields import RuleError
from routing.models import Rule
from socialcare import people
from socialcare.models import Organisation
from socialcare.people import Refused

Before = Mapping[str, Any]
NEVER = {"secrets", "is_active", "email"}
"""Not put back: no event holds secrets, and an account comes back only by a new link."""


@dataclass(frozen=True)
class Past:
    """How the thing `key` of this kind was before an event; `part`: of that what the event changed."""

    kind: str
    key: int
    was: Before
    part: Before


def before(event: Event) -> Past | None:
    """None when there is nothing to put back."""
    payload = event.payload
    was, now = payload.get("was"), payload.get("now")
    kind = "agent" if event.happening == "rights_changed" else str(payload.get("kind"))
    if event.stream != "admin" or not isinstance(was, dict) or kind not in _DOORS:
        return None
    part = {name: one for name, one in _differing(was, now or {}).items() if name not in NEVER}
    key = int(payload["agent"] if event.happening == "rights_changed" else payload["key"])
    return Past(kind, key, was, part) if part else None


def _differing(was: Before, now: Before) -> dict[str, Any]:
    """What was otherwise; of a channel's settings each one for itself, because the others may have changed since."""
    part = {name: one for name, one in was.items() if name not in now or one != now[name]}
    before, after = part.get("settings"), now.get("settings")
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        part["settings"] = {name: before.get(name, "") for name in names}
    return part


def restore(event: Event, by: Agent) -> None:
    """Refused with the reason when it cannot be put back. What the event did not change stays as it is now."""
    past = before(event)
    if past is None:
        raise Refused(_("Nothing was there before."))
    try:
        with transaction.atomic(), recorded_together():
            # Two clicks are one after the other: the second sees what the first brought back.
            Event.objects.select_for_update().get(pk=event.pk)
            _DOORS[past.kind](past, by)
    except IntegrityError:
        raise Refused(_("Something else has its name now.")) from None
    except (RuleError, QueryError, NotTaken) as error:
        raise Refused(str(error)) from None


def gives_admin(event: Event) -> bool:
    """Whether putting it back makes somebody an admin."""
    past = before(event)
    return bool(past and past.kind == "agent" and past.part.get("is_admin"))


def _organisation(past: Past, by: Agent) -> None:
    Organisation.change(by, **past.part)


def _team(past: Past, by: Agent) -> None:
    team = Team.objects.select_for_update().filter(pk=past.key).first()
    if team is None:
        people.change_team(Team(slug=free_slug(str(past.was["name"]))), by, dict(past.was))
    else:
        people.change_team(team, by, {**team.as_setting(), **past.part})


def free_slug(name: str) -> str:
    """A short name for a new team that no other has."""
    wanted = slugify(name)[:50] or "team"
    taken = set(Team.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    return next(slug for slug in (wanted, *(f"{wanted}-{n}" for n in range(2, 1000))) if slug not in taken)


def _agent(past: Past, by: Agent) -> None:
    agent = _there(Agent.objects.filter(pk=past.key).first())
    if not agent.is_active:
        raise Refused(_("This account is disabled."))
    wanted = {name: past.part[name] for name in ("is_admin", "is_reader") if name in past.part}
    if any(value != getattr(agent, name) for name, value in wanted.items()):
        people.change_rights(agent, by, **wanted)


def _rule(past: Past, by: Agent) -> None:
    rule = Rule.objects.select_for_update().filter(pk=past.key).first()
    if rule is None and Rule.objects.filter(name=past.was["name"]).exists():  # two rules may have one name
        raise Refused(_("Something else has its name now."))
    given = past.part if rule else past.was
    (rule or Rule()).rewrite(by, _("As it was before"), **given)


def _channel(past: Past, by: Agent) -> None:
    channel = Channel.objects.select_for_update().filter(pk=past.key).first()
    given = dict(past.part if channel else past.was)
    settings = given.pop("settings", {})
    if any(is_covered(value) for value in settings.values()):
        raise Refused(_("A secret stood in its address, which nothing keeps: enter it on the page of the channel."))
    if channel is None:
        settings, network = taken(past.was["network"], settings, {}), past.was["network"]
        channel = connecting.connect(network, past.was["name"], settings, {}, by, listening=False)
        given.pop("paused")  # it has no access yet
    elif channel.sealed and connecting.is_elsewhere(channel, settings):
        raise Refused(_("It led to another address then, and secrets stay with the address they were given for."))
    elif belonging.is_renamed(channel, settings):
        raise Refused(_("It named another account then: change that on the page of the channel, where it is tried."))
    if given.pop("paused", channel.paused) != channel.paused:
        (channel.resume if channel.paused else channel.pause)(by)
    if "team" in given:
        given["team"] = _team_of(past.was)
    if given.get("monthly_cap") is not None:
        given["monthly_cap"] = Decimal(given["monthly_cap"])
    if "listens_until" in given:
        given["listens_until"] = moment(given["listens_until"])
    plain: dict[str, Any] = {
        name: given[name]
        for name in ("name", "team", "monthly_cap", "answers_beyond_cap", "listens_until")
        if name in given
    }
    if plain or settings:
        connecting.change(channel, {**plain, "settings": settings}, by)


def _team_of(was: Before) -> Team | None:
    """Work and searches of a team that is gone are not for everybody."""
    return None if was["team"] is None else _there(Team.objects.filter(pk=was["team"]).first(), _("Its team is gone."))


def _topic(past: Past, by: Agent) -> None:
    topic = Topic.objects.filter(pk=past.key).first() or Topic()
    part = past.part if topic.pk else past.was
    given = {name: part[name] for name in ("name", "query", "rival", "queues", "active") if name in part}
    if "team" in part:
        given["team"] = _team_of(past.was)
    channels = list(topic.channels.all()) if topic.pk else []
    if "channels" in part:
        channels = list(Channel.objects.filter(pk__in=part["channels"]))
    # None would be all of them: it must not come to listen everywhere.
    if past.was["channels"] and not channels and ("channels" in part or part.get("active")):
        raise Refused(_("The channels it listened on are gone."))
    is_new = topic.pk is None
    if not topic.rewrite(by, channels, **given):
        raise Refused(_("Somebody changed it at this moment."))
    if is_new:
        _tell_apart(topic, past.was, by)


def _tell_apart(topic: Topic, was: Before, by: Agent) -> None:
    """The themes and exclusions that went with the topic."""
    for theme in was.get("themes", ()):
        Theme(topic=topic).rewrite(by, **theme)
    exclude(topic, [(one["kind"], one["text"]) for one in was.get("exclusions", ())], by)


def _theme(past: Past, by: Agent) -> None:
    topic = _there(Topic.objects.filter(pk=past.was["topic"]).first())
    theme = Theme.objects.filter(pk=past.key).first()
    if theme is None and topic.themes.count() >= themes.MOST:
        raise Refused(_("The topic has %(n)d themes; more there cannot be.") % {"n": themes.MOST})
    part = past.part if theme else past.was
    theme = theme or Theme(topic=topic)
    given = {name: part.get(name, getattr(theme, name)) for name in ("name", "query", "colour")}
    if not theme.rewrite(by, **given):
        raise Refused(_("Somebody changed it at this moment."))


def _exclusion(past: Past, by: Agent) -> None:
    was = past.was
    topic = _there(Topic.objects.filter(pk=was["topic"]).first()) if was["topic"] else None
    if not exclude(topic, [(was["kind"], was["text"])], by):
        there = Exclusion.objects.filter(topic=topic, kind=was["kind"], text=was["text"]).exists()
        raise Refused(_("It is excluded already.") if there else _("There are too many exclusions."))


def _there[T](found: T | None, words: str = "") -> T:
    if found is None:
        raise Refused(words or _("It is not there any more."))
    return found


_DOORS: dict[str, Callable[[Past, Agent], None]] = {
    "organisation": _organisation,
    "team": _team,
    "agent": _agent,
    "rule": _rule,
    "channel": _channel,
    "topic": _topic,
    "theme": _theme,
    "exclusion": _exclusion,
}
