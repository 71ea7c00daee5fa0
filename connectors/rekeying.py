"""New keys, or another name of the account, for a channel that listens: tried first, outside of any transaction, and
kept only where they lead to the same account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _

from connectors import belonging, connecting, trying
from connectors.faults import AuthExpired, AuthRevoked
from inbox.overtaking import refuse_overtaken

if TYPE_CHECKING:
    from connectors.models import Channel
    from connectors.trying import Trial
    from inbox.models import Agent

NOT_TAKEN = (AuthRevoked.__name__, AuthExpired.__name__)


@dataclass(frozen=True)
class Refusal:
    """Why nothing was changed, and where to go instead."""

    words: str
    url: str = ""
    text: str = ""


def change(
    channel: Channel, given: Mapping[str, Any], fresh: Mapping[str, str], by: Agent, *, seen: str | None = None
) -> Refusal | None:
    """`connecting.change`, after a test where the account could become another. None when it was done."""
    refuse_overtaken(channel, seen)  # before the network is asked; what counts is asked again under the lock
    trial = _tried(channel, given["settings"], fresh)
    if trial is None:
        connecting.change(channel, given, by, fresh, seen=seen)
        return None
    if refusal := refused(channel, trial, keys=bool(fresh)):
        return refusal
    if not connecting.change_access(channel, given, {**fresh, **trial.renewed}, by, trial.check, seen=seen):
        return Refusal(_("Somebody changed this channel meanwhile. Look at it as it is now, and enter this again."))
    return None


def _tried(channel: Channel, settings: Mapping[str, Any], fresh: Mapping[str, str]) -> Trial | None:
    """None where nothing says anew whose account it is, or nothing is read yet: then the test comes next anyway."""
    if connecting.unfinished(channel):
        return None
    if belonging.decide(channel.kind, fresh):
        return trying.try_new_secrets(channel, fresh, settings, look=False)
    return trying.try_settings(channel, settings) if belonging.is_renamed(channel, settings) else None


def refused(channel: Channel, trial: Trial, *, keys: bool = True) -> Refusal | None:
    """What a test says against keeping what was tried; None when nothing does."""
    if not trial.ok:
        return Refusal(_in_vain(trial, keys=keys))
    words = belonging.of_another_account(channel, trial.check, keys=True)
    if not words or not trial.check or not trial.check.account_id:
        return Refusal(words) if words else None
    same = connecting.channels_of(channel.network, trial.check.account_id).first()
    if same:
        return Refusal(words, reverse("connectors:channel", args=[same.pk]), _("Open its channel, %s") % same.name)
    return Refusal(words, reverse("connectors:keys", args=[channel.network]), _("Connect it as a channel of its own"))


def _in_vain(trial: Trial, *, keys: bool) -> str:
    """The old keys stay also where the network cannot say: nobody knows whose the new ones are."""
    if trial.fault in NOT_TAKEN and keys:
        words = _("The network does not accept what you entered. %(why)s The channel goes on with its old keys.")
        return words % {"why": trial.detail}
    if keys:
        return _("It could not be tried. %(why)s The channel goes on with its old keys.") % {"why": trial.words}
    return _("It could not be tried. %(why)s Nothing was changed.") % {"why": trial.words}
