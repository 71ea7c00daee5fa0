"""Putting a setting back as it was before a change: through the same doors by which a person changes it, so that what
must never happen does not happen here either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from connectors import connecting
from connectors.models import Channel, Theme, Topic
from connectors.topics.exclusions import exclude
from connectors.topics.query import QueryError
from inbox.models import Agent, Event, Team
from routing.fields import RuleError
from routing.models import Rule
from socialcare import people
from socialcare.models import Organisation
from socialcare.people import Refused

Before = Mapping[str, Any]


def before(event: Event) -> tuple[str, int, Before] | None:
    """What the event changed and how that was; None when there is nothing to put back."""
    payload = event.payload
    was = payload.get("was")
    if event.stream != "admin" or not isinstance(was, dict):
        return None
    if event.happening == "rights_changed":
        return "agent", int(payload["agent"]), was
    kind = str(payload.get("kind"))
    return (kind, int(payload["key"]), was) if kind in _DOORS else None


def restore(event: Event, by: Agent) -> None:
    """Refused with the reason when it cannot be put back."""
    found = before(event)
    if found is None:
        raise Refused(_("Nothing was there before."))
    kind, key, was = found
    try:
        with transaction.atomic():
            _DOORS[kind](key, was, by)
    except IntegrityError:
        raise Refused(_("Something else has its name now.")) from None
    except (RuleError, QueryError) as error:
        raise Refused(str(error)) from None


def gives_admin(event: Event) -> bool:
    """Whether putting it back makes somebody an admin."""
    found = before(event)
    return bool(found and found[0] == "agent" and found[2].get("is_admin"))


def _organisation(_key: int, was: Before, by: Agent) -> None:
    Organisation.change(by, **was)


def _team(key: int, was: Before, by: Agent) -> None:
    team = Team.objects.filter(pk=key).first() or Team(slug=free_slug(str(was["name"])))
    people.change_team(team, by, dict(was))


def free_slug(name: str) -> str:
    """A short name for a new team that no other has."""
    wanted = slugify(name)[:50] or "team"
    taken = set(Team.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    return next(slug for slug in (wanted, *(f"{wanted}-{n}" for n in range(2, 1000))) if slug not in taken)


def _agent(key: int, was: Before, by: Agent) -> None:
    agent = _there(Agent.objects.filter(pk=key).first())
    if was["is_active"] != agent.is_active:
        raise Refused(_("Disable or enable the account on the page of people; enabling needs a new link."))
    wanted = {name: was[name] for name in ("is_admin", "is_reader") if was[name] != getattr(agent, name)}
    if wanted:
        people.change_rights(agent, by, **wanted)


def _rule(key: int, was: Before, by: Agent) -> None:
    rule = Rule.objects.select_for_update().filter(pk=key).first() or Rule()
    rule.rewrite(by, _("As it was before"), **was)


def _channel(key: int, was: Before, by: Agent) -> None:
    channel = _there(Channel.objects.select_for_update().filter(pk=key).first())
    if connecting.is_elsewhere(channel, was["settings"]):
        raise Refused(_("It led to another address then, and secrets stay with the address they were given for."))
    given = {name: was[name] for name in ("name", "settings", "answers_beyond_cap")}
    money = was["monthly_cap"]
    team = Team.objects.filter(pk=was["team"]).first()
    if was["paused"] != channel.paused:
        (channel.pause if was["paused"] else channel.resume)(by)
    else:
        connecting.change(channel, {**given, "team": team, "monthly_cap": money and Decimal(money)}, by)


def _topic(key: int, was: Before, by: Agent) -> None:
    topic = Topic.objects.filter(pk=key).first() or Topic()
    given = {name: was[name] for name in ("name", "query", "rival", "queues", "active")}
    channels = list(Channel.objects.filter(pk__in=was["channels"]))
    if was["channels"] and not channels:
        raise Refused(_("The channels it listened on are gone."))
    team = Team.objects.filter(pk=was["team"]).first()
    if not topic.rewrite(by, channels, team=team, **given):
        raise Refused(_("Somebody changed it at this moment."))


def _theme(key: int, was: Before, by: Agent) -> None:
    topic = _there(Topic.objects.filter(pk=was["topic"]).first())
    theme = Theme.objects.filter(pk=key).first() or Theme(topic=topic)
    if not theme.rewrite(by, **{name: was[name] for name in ("name", "query", "colour")}):
        raise Refused(_("Somebody changed it at this moment."))


def _exclusion(_key: int, was: Before, by: Agent) -> None:
    topic = _there(Topic.objects.filter(pk=was["topic"]).first()) if was["topic"] else None
    if not exclude(topic, [(was["kind"], was["text"])], by):
        raise Refused(_("It is excluded already."))


def _there[T](found: T | None) -> T:
    if found is None:
        raise Refused(_("It is not there any more."))
    return found


_DOORS: dict[str, Callable[[int, Before, Agent], None]] = {
    "organisation": _organisation,
    "team": _team,
    "agent": _agent,
    "rule": _rule,
    "channel": _channel,
    "topic": _topic,
    "theme": _theme,
    "exclusion": _exclusion,
}
