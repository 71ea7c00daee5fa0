"""Topics with their themes and exclusions in the configuration file."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _

from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.topics import themes
from connectors.topics.exclusions import exclude
from connectors.topics.forms import ThemeForm
from connectors.topics.hiding import Hiding, HidingError
from inbox.models import Agent, Team
from socialcare.sections import Item, Section, Unfit, kept, one


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
        return kept(topic.rewrite(by, channels, team=team, **given))


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
        return kept(theme.rewrite(by, **given))


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
