"""The parts of the configuration file, one class each: which things there are, how each is written, and how it is
kept. Every change goes through the door a person would use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from connectors import connecting
from connectors.base import Connector
from connectors.forms import SettingsForm
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.plain_settings import is_covered, taken
from connectors.topics import themes
from connectors.topics.exclusions import exclude
from connectors.topics.forms import ThemeForm
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

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """In the order in which they are kept."""
        return items

    def items(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def merged(self, was: Item, item: Item) -> Item:
        """What becomes of a thing by its item: what the item does not name stays."""
        return {**was, **item}

    def said(self, item: Item) -> Item:
        """The item as the history puts it in words."""
        return item

    @classmethod
    def keys(cls, items: Iterable[Item]) -> list[str]:
        """Of each item what it is known by."""
        return [cls.key(item) for item in items]

    def known(self) -> dict[str, dict[str, Any]]:
        found = self.items()
        return dict(zip(self.keys(found), found, strict=True))

    def keep(self, item: Item, by: Agent | None) -> bool:
        """Makes or changes it; False when it was so already."""
        raise NotImplementedError


class OrganisationSection(Section):
    name, label, order = "organisation", "Organisation", 0
    fields = {"name": str, "zone": str, "brand_words": list}

    @classmethod
    def check(cls, item: Item) -> None:
        super().check({**item, "name": item.get("name") or "–"})  # it may have none yet
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
    def key(cls, item: Item) -> str:
        return super().key(item).lower()

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        try:
            validate_email(item["email"])
        except ValidationError as error:
            raise Unfit(f"{item['email']}: {' '.join(error.messages)}") from error

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """Those who become admins first, so that there is one all the time."""
        return sorted(items, key=lambda item: not item.get("is_admin"))

    def merged(self, was: Item, item: Item) -> Item:
        """Somebody who is here keeps the own name."""
        return {**was, **item, "email": was["email"], "name": was["name"]}

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
        if wanted:
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

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """The one that gets what no rule places first, so that the one before it may give that up."""
        return sorted(items, key=lambda item: not item.get("triage"))

    def merged(self, was: Item, item: Item) -> Item:
        """Members only come."""
        return {**was, **item, "members": {**was["members"], **item.get("members", {})}}

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
        kind = Connector.kinds().get(item.get("network", ""))
        if kind is None:
            raise Unfit(
                _("%(item)s: there is no network “%(name)s”.") % {"item": item["name"], "name": item.get("network")}
            )
        if not all(isinstance(value, str | int | float | bool | list) for value in item.get("settings", {}).values()):
            raise Unfit(_("%(item)s: a setting is a text, a number, a list, or yes or no.") % {"item": item["name"]})
        try:
            SettingsForm.base_fields["monthly_cap"].clean(item.get("monthly_cap"))
        except ValidationError as error:
            words = " ".join(error.messages)
            raise Unfit(_("%(item)s: “monthly_cap”: %(words)s") % {"item": item["name"], "words": words}) from error

    @classmethod
    def words(cls, item: Item) -> str:
        return _("It is paused: open it, enter its access and let it listen.")

    def items(self) -> list[dict[str, Any]]:
        stays = Channel.objects.filter(removing_since=None)
        return [self._item(channel) for channel in stays.select_related("team").order_by("name")]

    def merged(self, was: Item, item: Item) -> Item:
        """Settings one by one; an address whose secret was taken out says nothing."""
        given = {name: value for name, value in item.get("settings", {}).items() if not is_covered(value)}
        money = _money(item) if "monthly_cap" in item else was["monthly_cap"]
        said = {"settings": {**was["settings"], **given}, "monthly_cap": money if money is None else str(money)}
        return {**was, **item, **said}

    def _item(self, channel: Channel) -> dict[str, Any]:
        said = channel.as_setting() | {"team": channel.team.name if channel.team else None}
        return {name: said[name] for name in self.fields}

    def keep(self, item: Item, by: Agent | None) -> bool:
        team = one(Team.objects.filter(name=item["team"]), item["team"]) if item.get("team") else None
        channel = Channel.objects.select_for_update(of=("self",)).filter(name=item["name"]).first()
        if channel is None:
            self._connect(item, team, by)
            return True
        if channel.network != item["network"]:
            raise Unfit(_("It is a channel of another network."))
        if channel.removing_since:
            raise Unfit(_("It is being removed."))
        was = self._item(channel)
        if self.merged(was, item) == was:
            return False
        settings = taken(channel.network, item.get("settings", {}), channel.settings)
        if channel.sealed and connecting.is_elsewhere(channel, settings):
            raise Unfit(_("It leads to another address; secrets stay with the address they were given for."))
        given = {"team": team} if "team" in item else {}
        connecting.change(channel, {**given, **_limits(item), "settings": settings}, by)
        return True

    @staticmethod
    def _connect(item: Item, team: Team | None, by: Agent | None) -> None:
        kind = Connector.named(item["network"])
        if kind.missing:
            raise Unfit(str(kind.missing))
        settings = taken(kind.name, item.get("settings", {}), {})
        settings |= kind.guessed(settings)
        channel = connecting.connect(kind.name, item["name"], settings, {}, by, team=team, listening=False)
        if limits := _limits(item):
            connecting.change(channel, limits, by)


def _limits(item: Item) -> dict[str, Any]:
    """What its month may cost, as far as the item says."""
    money = {"monthly_cap": _money(item)} if "monthly_cap" in item else {}
    return money | {name: item[name] for name in ("answers_beyond_cap",) if name in item}


def _money(item: Item) -> Decimal | None:
    """With cents, as it is stored."""
    found: Decimal | None = SettingsForm.base_fields["monthly_cap"].clean(item["monthly_cap"])
    return found if found is None else found.quantize(Decimal("0.01"))


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
        return _kept(topic.rewrite(by, channels, team=team, **given))


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
        if len(item["name"]) > ThemeForm.base_fields["name"].max_length:  # type: ignore[attr-defined]
            raise Unfit(_("%(item)s is too long a name.") % {"item": item["name"]})
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
        if theme._state.adding and topic.themes.count() >= themes.MOST:
            raise Unfit(_("The topic has %(n)d themes; more there cannot be.") % {"n": themes.MOST})
        return _kept(theme.rewrite(by, **given))


def _kept(done: bool) -> bool:
    if not done:
        raise Unfit(_("Somebody changed it at this moment."))
    return True


class ExclusionSection(Section):
    name, label, order = "exclusions", "Exclusions", 5
    fields = {"text": str, "kind": str, "topic": (str, type(None))}

    @classmethod
    def key(cls, item: Item) -> str:
        text, kind = item["text"], Hiding.kinds().get(str(item.get("kind")))
        with suppress(HidingError):  # `check` says what is wrong with it
            text = kind.read(text) if kind and isinstance(text, str) else text
        return f"{item.get('topic') or _('all topics')}: {item.get('kind')} “{text}”"

    def merged(self, was: Item, item: Item) -> Item:
        return was

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
        if exclude(topic, [(item["kind"], text)], by):
            return True
        if not Exclusion.objects.filter(topic=topic, kind=item["kind"], text=text).exists():
            raise Unfit(_("There are too many exclusions."))
        return False


class RuleSection(Section):
    """In the file's order. Rules that the file does not name keep theirs, after those it names. Several may have one
    name; they are told apart by their order."""

    name, label, order = "rules", "Rules", 6
    fields = {"name": str, "when": dict, "then": list, "stop": bool, "active": bool}

    def __init__(self) -> None:
        self.place = 0
        self.done: set[int] = set()

    @cached_property
    def ids(self) -> dict[str, dict[Any, Any]]:
        """Of what rules refer to, by its name; all of it is kept before the first rule."""
        return {kind: {name: key for key, name in _names(kind).items()} for kind in _REFERS}

    @classmethod
    def keys(cls, items: Iterable[Item]) -> list[str]:
        seen: Counter[str] = Counter()
        found = []
        for key in super().keys(items):
            seen[key] += 1
            found.append(key if seen[key] == 1 else f"{key} ({seen[key]})")
        return found

    def items(self) -> list[dict[str, Any]]:
        named = {kind: _names(kind) for kind in _REFERS}
        return [_renamed(rule.as_setting(), named, strict=False) for rule in Rule.objects.order_by("position", "id")]

    def said(self, item: Item) -> Item:
        return _renamed(item, self.ids, strict=False)

    def keep(self, item: Item, by: Agent | None) -> bool:
        alike = Rule.objects.filter(name=item["name"]).exclude(pk__in=self.done).order_by("position", "id")
        rule = alike.first() or Rule()
        given = _whole({**rule.as_setting(), **_renamed(item, self.ids)})
        done = rule._state.adding or given != _whole(rule.as_setting())
        if done:
            rule.rewrite(by, _("From a configuration file"), **given)
        order = list(Rule.objects.order_by("position", "id").values_list("pk", flat=True))
        if order.index(rule.pk) != self.place:
            rule.move_to(self.place, by)
            done = True
        self.place += 1
        self.done.add(rule.pk)
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
