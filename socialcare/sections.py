"""The parts of the configuration file, one class each: which things there are, how each is written, and how it is
kept. Every change goes through the door a person would use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.utils.translation import gettext as _

from connectors import connecting
from connectors.base import Connector
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.topics.exclusions import exclude
from connectors.topics.hiding import Hiding, HidingError
from inbox.models import Agent, Membership, Role, Team
from routing.actions import Action, read_actions
from routing.conditions import Condition
from routing.groups import read_tree
from routing.models import Rule
from socialcare import people
from socialcare.kinds import Kind
from socialcare.models import Organisation
from socialcare.restoring import free_slug

Item = Mapping[str, Any]


class Unfit(Exception):
    """The file cannot be used; the message is for the person who brought it."""


class Section(Kind, scan="socialcare.sections"):
    """`fields`: what an item may hold, each with its type; the first one is the name it is known by."""

    order: ClassVar[int]
    fields: ClassVar[Mapping[str, type | tuple[type, ...]]]

    @classmethod
    def in_order(cls) -> list[type[Section]]:
        """Those that others refer to come first."""
        return sorted(cls.kinds().values(), key=lambda kind: kind.order)

    @classmethod
    def key(cls, item: Item) -> str:
        return str(item[next(iter(cls.fields))])

    @classmethod
    def check(cls, item: Item) -> None:
        """Unfit unless the item holds its name and nothing but known fields of their types."""
        first = next(iter(cls.fields))
        if not isinstance(item.get(first), str) or not item[first]:
            raise Unfit(_("an item has no “%(field)s”.") % {"field": first})
        for name, value in item.items():
            if name not in cls.fields:
                raise Unfit(
                    _("%(item)s has a field that is not known: %(field)s") % {"item": item[first], "field": name}
                )
            if not isinstance(value, cls.fields[name]):
                raise Unfit(_("%(item)s: “%(field)s” is of another type.") % {"item": item[first], "field": name})

    @classmethod
    def words(cls, item: Item) -> str:
        """What is left to do by hand once it is made, or ""."""
        return ""

    def items(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def said(self, item: Item) -> Item:
        """The item as the history puts it in words."""
        return item

    def known(self) -> dict[str, dict[str, Any]]:
        return {self.key(item): item for item in self.items()}

    def keep(self, item: Item, by: Agent | None) -> bool:
        """Makes or changes it; False when it was so already."""
        raise NotImplementedError


class OrganisationSection(Section):
    name, label, order = "organisation", "Organisation", 0
    fields = {"name": str, "zone": str, "brand_words": list}

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        if item.get("zone", "UTC") not in available_timezones():
            raise Unfit(_("There is no time zone %(zone)s.") % {"zone": item["zone"]})
        if not all(isinstance(word, str) for word in item.get("brand_words", [])):
            raise Unfit(_("“brand_words” is a list of words."))

    @classmethod
    def key(cls, item: Item) -> str:
        return ""

    def items(self) -> list[dict[str, Any]]:
        return [Organisation.shown().as_setting()]

    def keep(self, item: Item, by: Agent | None) -> bool:
        if {**Organisation.shown().as_setting(), **item} == Organisation.shown().as_setting():
            return False
        Organisation.change(by, **item)
        return True


class PeopleSection(Section):
    name, label, order = "people", "People", 1
    fields = {"email": str, "name": str, "is_admin": bool, "is_reader": bool}

    @classmethod
    def words(cls, item: Item) -> str:
        return _("Make the link by which the password is set on the page of people.")

    def items(self) -> list[dict[str, Any]]:
        return [
            {name: getattr(agent, name) for name in self.fields}
            for agent in Agent.objects.filter(is_active=True).order_by("email")
        ]

    def keep(self, item: Item, by: Agent | None) -> bool:
        rights = {name: item[name] for name in ("is_admin", "is_reader") if name in item}
        agent = Agent.objects.filter(email=item["email"].lower()).first()
        if agent is None:
            people.invite(item["email"], item.get("name") or item["email"], by, **rights)
            return True
        if not agent.is_active:
            raise Unfit(_("This account is disabled."))
        wanted = {name: value for name, value in rights.items() if value != getattr(agent, name)}
        if wanted and by is None:
            agent.change_rights(None, **wanted)
        elif wanted and by is not None:
            people.change_rights(agent, by, **wanted)
        return bool(wanted)


class TeamSection(Section):
    name, label, order = "teams", "Teams", 2
    fields = {"name": str, "purpose": str, "private": bool, "triage": bool, "members": dict}

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        if not set(item.get("members", {}).values()) <= set(Role.values):
            raise Unfit(_("%(item)s: a member is an agent or a manager.") % {"item": item["name"]})

    def items(self) -> list[dict[str, Any]]:
        return [team.as_setting() | {"members": self._inside_of(team)} for team in Team.objects.order_by("name")]

    @staticmethod
    def _inside_of(team: Team) -> dict[str, str]:
        inside = team.memberships.filter(agent__is_active=True).order_by("agent__email")
        return dict(inside.values_list("agent__email", "role"))

    def keep(self, item: Item, by: Agent | None) -> bool:
        team = Team.objects.filter(name=item["name"]).first() or Team(name=item["name"], slug=free_slug(item["name"]))
        given = {name: item.get(name, value) for name, value in team.as_setting().items()}
        done = team._state.adding or given != team.as_setting()
        if done:
            people.change_team(team, by, given)
        for email, role in item.get("members", {}).items():
            agent = one(Agent.objects.filter(email=email.lower(), is_active=True), email)
            if not Membership.objects.filter(team=team, agent=agent, role=role).exists():
                agent.join(team, role, by)
                done = True
        return done


class ChannelSection(Section):
    name, label, order = "channels", "Channels", 3
    fields = {
        "name": str, "network": str, "settings": dict, "team": (str, type(None)), "monthly_cap": (str, type(None)),
        "answers_beyond_cap": bool,
    }  # fmt: skip

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        if item.get("network") not in Connector.kinds():
            raise Unfit(
                _("%(item)s: there is no network “%(name)s”.") % {"item": item["name"], "name": item.get("network")}
            )
        if not all(isinstance(value, str | int | float | bool | list) for value in item.get("settings", {}).values()):
            raise Unfit(_("%(item)s: a setting is a text, a number, a list, or yes or no.") % {"item": item["name"]})
        try:
            Decimal(item.get("monthly_cap") or 0)
        except InvalidOperation as error:
            raise Unfit(_("%(item)s: “monthly_cap” is no number.") % {"item": item["name"]}) from error

    @classmethod
    def words(cls, item: Item) -> str:
        return _("It is paused: open it, enter its access and let it listen.")

    def items(self) -> list[dict[str, Any]]:
        return [self._item(channel) for channel in Channel.objects.select_related("team").order_by("name")]

    def _item(self, channel: Channel) -> dict[str, Any]:
        said = channel.as_setting() | {"team": channel.team.name if channel.team else None}
        return {name: said[name] for name in self.fields}

    def keep(self, item: Item, by: Agent | None) -> bool:
        team = one(Team.objects.filter(name=item["team"]), item["team"]) if item.get("team") else None
        channel = Channel.objects.select_for_update(of=("self",)).filter(name=item["name"]).first()
        if channel is None:
            settings = item.get("settings", {})
            channel = connecting.connect(item["network"], item["name"], settings, {}, by, team=team, listening=False)
        elif self._item(channel) | dict(item) == self._item(channel):
            return False
        if channel.network != item["network"]:
            raise Unfit(_("It is a channel of another network."))
        if channel.sealed and connecting.is_elsewhere(channel, item.get("settings", {})):
            raise Unfit(_("It leads to another address; secrets stay with the address they were given for."))
        given = {name: item[name] for name in ("settings", "answers_beyond_cap") if name in item}
        if "team" in item:
            given["team"] = team
        if "monthly_cap" in item:
            given["monthly_cap"] = Decimal(item["monthly_cap"]) if item["monthly_cap"] else None
        connecting.change(channel, given, by)
        return True


class TopicSection(Section):
    name, label, order = "topics", "Topics", 4
    fields = {
        "name": str, "query": str, "rival": bool, "queues": bool, "active": bool, "team": (str, type(None)),
        "channels": list,
    }  # fmt: skip

    def items(self) -> list[dict[str, Any]]:
        return [self._item(topic) for topic in Topic.objects.select_related("team").order_by("name")]

    @staticmethod
    def _item(topic: Topic) -> dict[str, Any]:
        names = list(topic.channels.order_by("name").values_list("name", flat=True))
        return topic.as_setting() | {"team": topic.team.name if topic.team else None, "channels": names}

    def keep(self, item: Item, by: Agent | None) -> bool:
        topic = Topic.objects.filter(name=item["name"]).first() or Topic(name=item["name"])
        if topic.pk and self._item(topic) | dict(item) == self._item(topic):
            return False
        said = {**(self._item(topic) if topic.pk else _NEW_TOPIC), **item}
        team = one(Team.objects.filter(name=said["team"]), said["team"]) if said["team"] else None
        channels = [one(Channel.objects.filter(name=name), name) for name in said["channels"]]
        given = {name: said[name] for name in ("name", "query", "rival", "queues", "active")}
        return topic.rewrite(by, channels, team=team, **given)


_NEW_TOPIC = {"query": "", "rival": False, "queues": False, "active": True, "team": None, "channels": []}


class ThemeSection(Section):
    name, label, order = "themes", "Themes", 5
    fields = {"name": str, "topic": str, "query": str, "colour": str}

    @classmethod
    def key(cls, item: Item) -> str:
        return f"{item.get('topic')}: {item['name']}"

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        if not item.get("topic"):
            raise Unfit(_("%(item)s names no topic.") % {"item": item["name"]})
        if item.get("colour", "blue") not in Theme.Colour.values:
            raise Unfit(_("%(item)s: there is no colour “%(name)s”.") % {"item": item["name"], "name": item["colour"]})

    def items(self) -> list[dict[str, Any]]:
        found = Theme.objects.select_related("topic").order_by("topic__name", "name")
        return [theme.as_setting() | {"topic": theme.topic.name} for theme in found]

    def keep(self, item: Item, by: Agent | None) -> bool:
        topic = one(Topic.objects.filter(name=item["topic"]), item["topic"])
        theme = topic.themes.filter(name=item["name"]).first() or Theme(topic=topic, name=item["name"])
        given = {name: item.get(name, getattr(theme, name)) for name in ("name", "query", "colour")}
        if theme.pk and theme.as_setting() | given == theme.as_setting():
            return False
        return theme.rewrite(by, **given)


class ExclusionSection(Section):
    name, label, order = "exclusions", "Exclusions", 5
    fields = {"text": str, "kind": str, "topic": (str, type(None))}

    @classmethod
    def key(cls, item: Item) -> str:
        return f"{item.get('topic') or _('all topics')}: {item.get('kind')} “{item['text']}”"

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        try:
            Hiding.named(item["kind"]).read(item["text"])
        except KeyError as error:
            raise Unfit(_("%(item)s is of no kind that is known.") % {"item": item["text"]}) from error
        except HidingError as error:
            raise Unfit(f"{item['text']}: {error}") from error

    def items(self) -> list[dict[str, Any]]:
        found = Exclusion.objects.select_related("topic").order_by("topic__name", "kind", "text")
        return [one.as_setting() | {"topic": one.topic.name if one.topic else None} for one in found]

    def keep(self, item: Item, by: Agent | None) -> bool:
        topic = one(Topic.objects.filter(name=item["topic"]), item["topic"]) if item.get("topic") else None
        text = Hiding.named(item["kind"]).read(item["text"])
        return bool(exclude(topic, [(item["kind"], text)], by))


class RuleSection(Section):
    """In the file's order. Rules that the file does not name keep theirs, after those it names."""

    name, label, order = "rules", "Rules", 6
    fields = {"name": str, "when": dict, "then": list, "stop": bool, "active": bool}

    def __init__(self) -> None:
        self.place = 0

    def items(self) -> list[dict[str, Any]]:
        named = {kind: _names(kind) for kind in _REFERS}
        return [_renamed(rule.as_setting(), named, strict=False) for rule in Rule.objects.order_by("position", "id")]

    def said(self, item: Item) -> Item:
        return _renamed(item, _ids(), strict=False)

    def keep(self, item: Item, by: Agent | None) -> bool:
        rule = Rule.objects.select_for_update().filter(name=item["name"]).order_by("position", "id").first() or Rule()
        given = _whole({**rule.as_setting(), **_renamed(item, _ids())})
        done = rule._state.adding or given != _whole(rule.as_setting())
        if done:
            rule.rewrite(by, _("From a configuration file"), **given)
        order = list(Rule.objects.order_by("position", "id").values_list("pk", flat=True))
        if order.index(rule.pk) != self.place:
            rule.move_to(self.place, by)
            done = True
        self.place += 1
        return done


_REFERS: Mapping[str, Callable[[], Iterable[tuple[int, str]]]] = {
    "team": lambda: Team.objects.values_list("pk", "name"),
    "agent": lambda: Agent.objects.values_list("pk", "email"),
    "channel": lambda: Channel.objects.values_list("pk", "name"),
    "topic": lambda: Topic.objects.values_list("pk", "name"),
    "theme": lambda: ((each.pk, f"{each.topic.name}: {each.name}") for each in Theme.objects.select_related("topic")),
}


def _names(kind: str) -> dict[Any, Any]:
    return dict(_REFERS[kind]())


def _ids() -> dict[str, dict[Any, Any]]:
    return {kind: {name: key for key, name in _names(kind).items()} for kind in _REFERS}


def _whole(rule: Item) -> dict[str, Any]:
    """As the editor writes it; RuleError when it cannot be read."""
    then = [{"do": action.name, **action.values()} for action in read_actions(rule["then"])]
    return {**rule, "when": read_tree(rule["when"]).data(), "then": then}


def _renamed(rule: Item, named: Mapping[str, Mapping[Any, Any]], *, strict: bool = True) -> dict[str, Any]:
    """The rule with what it refers to under other names: ids become names, or names ids. What has no other name is
    Unfit, or stays when not `strict`."""
    return {**rule, **{part: _walk(rule[part], named, strict) for part in ("when", "then") if part in rule}}


def _walk(data: Any, named: Mapping[str, Mapping[Any, Any]], strict: bool) -> Any:
    if isinstance(data, list):
        return [_walk(each, named, strict) for each in data]
    if not isinstance(data, dict):
        return data
    kinds: Mapping[str, Any] = Condition.kinds() if "is" in data else Action.kinds() if "do" in data else {}
    kind = kinds.get(str(data.get("is", data.get("do"))))
    refers = {each.name: each.kind for each in kind.fields if each.kind in named} if kind else {}
    return {
        name: _other(value, named[refers[name]], refers[name] if strict else "")
        if name in refers
        else _walk(value, named, strict)
        for name, value in data.items()
    }


def _other(value: Any, named: Mapping[Any, Any], missed: str) -> Any:
    if isinstance(value, list):
        return [_other(each, named, missed) for each in value]
    if isinstance(value, str | int):
        for key in (value, int(value) if isinstance(value, str) and value.isdecimal() else value):
            if key in named:
                return named[key]
    if not missed:
        return value
    raise Unfit(_("There is no %(kind)s “%(name)s”.") % {"kind": missed, "name": value})


def one[T](found: Any, name: str) -> Any:
    """The row of that name; Unfit when there is none."""
    if (row := found.first()) is None:
        raise Unfit(_("There is nothing called “%(name)s” here.") % {"name": name})
    return row
