"""Filters of the queue as query parameters: the same name again is “any of”, different names are “all of”. One class a
filter says how it is read, what it means and which choices there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import get_language_info, gettext
from django.utils.translation import gettext_lazy as _

from inbox.composer import network_label
from inbox.models import Agent, Conversation, State
from socialcare.kinds import Kind
from socialcare.pages import is_number

if TYPE_CHECKING:
    from django.http import QueryDict

    from inbox.models import Team

STATES = {
    "new": State.NEW,
    "waiting": State.WAITING_CUSTOMER,
    "waiting_cause": State.WAITING_CAUSE,
    "snoozed": State.SNOOZED,
    "done": State.DONE,
    "spam": State.SPAM,
    "heard": State.HEARD,
}
STATE_NAMES = {int(state): name for name, state in STATES.items()}
RECENT = 1_000  # conversations of a team, open and put away, whose tags and channels are offered
LIMIT = 20  # values of one filter; more is nobody's choice
Choices = list[tuple[str, str]]


class Filter(Kind, scan="inbox.filters"):
    label: ClassVar[Any]

    @classmethod
    def read(cls, values: Sequence[str]) -> list[Any]:
        """The values that can mean something; others are left out."""
        return [value for value in values[:LIMIT] if value and len(value) <= 80]

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        raise NotImplementedError

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        """What may be chosen, as (value, words), with nothing that these teams may not know."""
        raise NotImplementedError


class ByState(Filter):
    name, label = "state", _("State")

    @classmethod
    def read(cls, values: Sequence[str]) -> list[Any]:
        return [value for value in values if value in STATES][:LIMIT]

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        return Q(state__in=[int(STATES[value]) for value in values])

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        return [(name, str(State(value).label)) for name, value in STATES.items() if value <= State.WAITING_CAUSE]


class _ByNumber(Filter):
    label: ClassVar[Any]

    @classmethod
    def read(cls, values: Sequence[str]) -> list[Any]:
        return [int(value) for value in values if is_number(value)][:LIMIT]


class ByChannel(_ByNumber):
    name, label = "channel", _("Channel")

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        return Q(channel_id__in=values)

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        return [(str(pk), name) for pk, name in _channels(teams).values_list("pk", "name")]


class ByNetwork(Filter):
    name, label = "network", _("Network")

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        return Q(channel__network__in=values)

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        names = _channels(teams).order_by("network").values_list("network", flat=True)
        return [(name, network_label(name)) for name in names.distinct()]


class ByTag(Filter):
    name, label = "tag", _("Tag")

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        return Q(tags__overlap=values)

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        used = set(chain.from_iterable(_recent(teams, "tags")))
        return [(name, name) for name in sorted(used)[:200]]


class ByTheme(_ByNumber):
    """What a post of the conversation is about, as a topic tells it apart. Topics belong to the layer above: asked for
    by name. What a private team tells apart means nothing outside of its own conversations."""

    name, label = "theme", _("Theme")

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        findings = apps.get_model("connectors", "TopicMention").objects.filter(hidden_by=None, themes__overlap=values)
        open_to_all = Q(topic__team=None) | Q(topic__team__private=False)
        here = findings.filter(open_to_all | Q(topic__team=OuterRef("team")), mention__conversation=OuterRef("pk"))
        return Q(Exists(here))

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        themes = apps.get_model("connectors", "Theme").objects.filter(topic__team__in=teams)
        rows = themes.order_by("topic__name", "name").values_list("pk", "topic__name", "name")
        return [(str(pk), f"{topic}: {name}") for pk, topic, name in rows]


class ByAgent(Filter):
    name, label = "agent", _("Owner")

    @classmethod
    def read(cls, values: Sequence[str]) -> list[Any]:
        return ["none" if value == "none" else int(value) for value in values if value == "none" or is_number(value)]

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        people = Q(agent_id__in=[value for value in values if value != "none"])
        return people | Q(agent=None) if "none" in values else people

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        members = Agent.objects.filter(is_active=True, memberships__team__in=teams).distinct()
        named = sorted((agent.name, str(agent.pk)) for agent in members)
        return [("none", gettext("Nobody")), *((pk, name) for name, pk in named)]


class ByLanguage(Filter):
    name, label = "language", _("Language")

    @classmethod
    def meaning(cls, values: list[Any]) -> Q:
        return Q(language__in=values)

    @classmethod
    def choices(cls, teams: Sequence[Team]) -> Choices:
        spoken = Conversation.objects.filter(team__in=teams).open().exclude(language="")
        codes = set(spoken.values_list("language", flat=True)[:2000])
        return sorted(((code, _language(code)) for code in codes), key=lambda choice: choice[1])


def _language(code: str) -> str:
    """The language in words; its code when Django has no name for it."""
    try:
        return str(get_language_info(code)["name_translated"]).capitalize()
    except KeyError:
        return code


def _recent(teams: Sequence[Team], column: str) -> set[Any]:
    """What the newest conversations of each team have in that column, in one statement that reads only the ends of
    the queue's indexes."""
    kinds = (Q(state__lte=State.WAITING_CAUSE), Q(state__gt=State.WAITING_CAUSE))
    parts = [
        Conversation.objects.filter(kind, team=team).order_by("-newest_at", "-id").values_list(column)[:RECENT]
        for team in teams
        for kind in kinds
    ]
    values = (value for part in parts[:1] for (value,) in part.union(*parts[1:]))
    return {tuple(value) if isinstance(value, list) else value for value in values}


def _channels(teams: Sequence[Team]) -> Any:
    """Channels that give to one of these teams, or gave to one of them lately."""
    channels = apps.get_model("connectors", "Channel").objects
    return channels.filter(Q(team__in=teams) | Q(pk__in=_recent(teams, "channel_id")))


def read(query: QueryDict) -> dict[str, list[Any]]:
    """The filters that are set, by name."""
    wanted = {name: kind.read(query.getlist(name)) for name, kind in Filter.kinds().items()}
    return {name: values for name, values in wanted.items() if values}


def meaning(filters: dict[str, list[Any]]) -> Q:
    together = Q()
    for name, values in filters.items():
        together &= Filter.named(name).meaning(values)
    return together
