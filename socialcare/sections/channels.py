"""Channels in the configuration file: their settings, and never a secret."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from connectors import belonging, connecting
from connectors.base import Connector
from connectors.forms import SettingsForm
from connectors.listening_first import may_listen_first, moment
from connectors.models import Channel
from connectors.plain_settings import is_covered, taken
from inbox.models import Agent, Team
from socialcare.sections import Item, Section, Unfit, one


class ChannelSection(Section):
    name, label, order = "channels", "Channels", 3
    fields = {
        "name": str, "network": str, "settings": dict, "team": (str, type(None)), "monthly_cap": (str, type(None)),
        "answers_beyond_cap": bool, "listens_until": (str, type(None)),
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
        cls._check_listening(item)

    @classmethod
    def _check_listening(cls, item: Item) -> None:
        """A time with its zone, and only where there is anything to hold back."""
        if (until := item.get("listens_until")) is None:
            return
        if (time := moment(until)) is None:
            words = _("%(item)s: “listens_until” is no time such as 2026-11-29T14:00:00+00:00.")
            raise Unfit(words % {"item": item["name"]})
        if time > timezone.now() and not may_listen_first(item["network"]):
            raise Unfit(_("%(item)s is not answered, or invented, so it never listens first.") % {"item": item["name"]})

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
        if until := moment(item.get("listens_until")):
            said["listens_until"] = until.isoformat()
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
        if belonging.is_renamed(channel, settings):
            raise Unfit(_("It names another account; a channel stays with the account it listens to."))
        given = {"team": team} if "team" in item else {}
        connecting.change(channel, {**given, **_limits(item), **_listening(item), "settings": settings}, by)
        return True

    @staticmethod
    def _connect(item: Item, team: Team | None, by: Agent | None) -> None:
        kind = Connector.named(item["network"])
        if kind.missing:
            raise Unfit(str(kind.missing))
        settings = taken(kind.name, item.get("settings", {}), {})
        settings |= kind.guessed(settings)
        channel = connecting.connect(kind.name, item["name"], settings, {}, by, team=team, listening=False)
        if limits := _limits(item) | _listening(item):
            connecting.change(channel, limits, by)


def _limits(item: Item) -> dict[str, Any]:
    """What its month may cost, as far as the item says."""
    money = {"monthly_cap": _money(item)} if "monthly_cap" in item else {}
    return money | {name: item[name] for name in ("answers_beyond_cap",) if name in item}


def _listening(item: Item) -> dict[str, Any]:
    """Until when it only listens, as far as the item says."""
    return {"listens_until": moment(item["listens_until"])} if "listens_until" in item else {}


def _money(item: Item) -> Decimal | None:
    """With cents, as it is stored."""
    found: Decimal | None = SettingsForm.base_fields["monthly_cap"].clean(item["monthly_cap"])
    return found if found is None else found.quantize(Decimal("0.01"))
