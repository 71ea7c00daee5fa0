"""Who changed what of the set-up, as it is told to admins: the events of their stream, with the difference between
before and after in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connectors.listening_first import moment
from connectors.models import Channel, Topic
from inbox.happenings import Happening
from inbox.models import Agent, Event, Team
from inbox.models.event import ABOUT, OF_SET_UP
from inbox.views.answering import zone_of
from routing.actions import read_actions
from routing.fields import RuleError
from routing.groups import read_tree
from routing.naming import names_for
from socialcare import restoring

PAGE = 50
KINDS = {
    "organisation": gettext_lazy("Organisation"),
    "channel": gettext_lazy("Channels"),
    "topic": gettext_lazy("Topics"),
    "theme": gettext_lazy("Themes"),
    "exclusion": gettext_lazy("Exclusions"),
    "rule": gettext_lazy("Rules"),
    "team": gettext_lazy("Teams"),
    "agent": gettext_lazy("People"),
}
LABELS = {
    "name": gettext_lazy("Name"),
    "purpose": gettext_lazy("Purpose"),
    "private": gettext_lazy("Private"),
    "triage": gettext_lazy("Gets what no rule places"),
    "email": gettext_lazy("E-mail"),
    "is_admin": gettext_lazy("Admin"),
    "is_reader": gettext_lazy("Reader"),
    "is_active": gettext_lazy("May sign in"),
    "when": gettext_lazy("When"),
    "then": gettext_lazy("Then"),
    "stop": gettext_lazy("Stops after it"),
    "active": gettext_lazy("In force"),
    "network": gettext_lazy("Network"),
    "team": gettext_lazy("Team"),
    "paused": gettext_lazy("Paused"),
    "monthly_cap": gettext_lazy("At most in a month"),
    "answers_beyond_cap": gettext_lazy("Answers beyond the limit"),
    "listens_until": gettext_lazy("Listens first until"),
    "secrets": gettext_lazy("Secrets"),
    "topic": gettext_lazy("Topic"),
    "query": gettext_lazy("Query"),
    "colour": gettext_lazy("Colour"),
    "kind": gettext_lazy("Kind"),
    "text": gettext_lazy("Text"),
    "rival": gettext_lazy("Rival"),
    "queues": gettext_lazy("What it finds becomes work"),
    "channels": gettext_lazy("Channels"),
    "zone": gettext_lazy("Time zone"),
    "brand_words": gettext_lazy("Names people use"),
    "members": gettext_lazy("Members"),
}


@dataclass(frozen=True)
class Difference:
    label: str
    was: str
    now: str


@dataclass
class Change:
    """One line of the history. `restorable`: what was before can be put back."""

    id: int
    number: int
    at: datetime
    icon: str
    sentence: str
    differences: list[Difference]
    kind: str
    restorable: bool


def changes(reader: Agent, kind: str = "", before: int | None = None) -> list[Change]:
    """The newest of them, below the number `before`; one more than PAGE when there are older ones still."""
    events = Event.objects.filter(OF_SET_UP).select_related("actor").order_by("-number")
    # A membership changes rights as well; that is told by its own line.
    events = events.exclude(Q(payload__was=None) | Q(payload__was__isnull=True), happening="rights_changed")
    if kind:
        events = events.alias(about=ABOUT).filter(about=kind)
    if before is not None:
        events = events.filter(number__lt=before)
    found, names = list(events[: PAGE + 1]), Names(reader)
    return [_change(event, names) for event in found]


def _change(event: Event, names: Names) -> Change:
    kind, payload = Happening.named(event.happening), dict(event.payload)
    for name, called in (("agent", names.agents), ("team", names.teams)):
        if isinstance(payload.get(name), int):
            payload[name] = called.get(payload[name], _("(gone)"))
    was, now = payload.get("was"), payload.get("now")
    about = str(payload.get("kind") or "agent")
    found = list(differences(was, now, names)) if was and now else []
    sentence = kind.says(event.actor.name if event.actor else _("The command line"), payload)
    restorable = restoring.before(event) is not None
    return Change(event.pk, event.number, event.at, kind.icon, sentence, found, about, restorable)


class Names:
    """Names by id of what settings refer to, and rules in words, as this reader may know them."""

    def __init__(self, reader: Agent) -> None:
        self.zone = zone_of(reader)
        self.teams = dict(Team.objects.values_list("pk", "name"))
        self.topics = dict(Topic.objects.values_list("pk", "name"))
        self.channels = dict(Channel.objects.values_list("pk", "name"))
        self.agents = dict(Agent.objects.values_list("pk", "name"))
        self.rules = names_for(reader)

    def said(self, field: str, value: Any) -> str:
        """A value in words."""
        if field == "team" and value is not None:
            return self.teams.get(value, _("(gone)")) if isinstance(value, int) else str(value)
        if field == "topic" and isinstance(value, int):
            return self.topics.get(value, _("(gone)"))
        if field == "channels":
            return ", ".join(self.channels.get(one, _("(gone)")) if isinstance(one, int) else str(one) for one in value)
        if field in ("when", "then"):
            return self._rule(field, value)
        if field == "listens_until" and (until := moment(value)):
            return date_format(timezone.localtime(until, self.zone), "j F Y, H:i")
        return _plain(value)

    def _rule(self, field: str, value: Any) -> str:
        try:
            if field == "when":
                return read_tree(value).sentence(self.rules)
            return ", ".join(action.sentence(self.rules) for action in read_actions(value))
        except RuleError:
            return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def differences(was: Mapping[str, Any], now: Mapping[str, Any], names: Names) -> Iterator[Difference]:
    """What differs, in the order of the fields; a channel's own settings one by one."""
    for field in dict.fromkeys([*was, *now]):
        before, after = was.get(field), now.get(field)
        if before == after:
            continue
        if field == "settings" and isinstance(before, Mapping) and isinstance(after, Mapping):
            for name in dict.fromkeys([*before, *after]):
                if before.get(name) != after.get(name):
                    yield Difference(name, _plain(before.get(name)), _plain(after.get(name)))
        else:
            yield Difference(str(LABELS.get(field, field)), names.said(field, before), names.said(field, after))
