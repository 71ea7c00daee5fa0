"""Whose account a channel is. Its place in the stream, its conversations and its answers are of one account, so that
new keys and names must lead to the same one, and nothing that was got with old keys may speak beside new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from connectors.base import Check, Connector
    from connectors.models import Channel

WHO, LEFT = "signed_in_as", "left_by_somebody"
"""The facts that say who signed in, as the network calls them for this app; and that somebody took access back while
nobody knew whether it was this one. The next look that the network grants ends that."""


def decide(kind: type[Connector], names: Iterable[str]) -> bool:
    """Whether one of these fields says whose account it is."""
    return not {field.name for field in kind.form if field.account}.isdisjoint(names)


def beside[T](kind: type[Connector], held: Mapping[str, T], given: Mapping[str, str]) -> dict[str, T]:
    """What stays of the secrets that a channel holds when these come. Keys of an account replace whatever opened it
    before: a session that was got with the old ones would go on answering for whoever that was."""
    if not decide(kind, (name for name, value in given.items() if value)):
        return dict(held)
    stay = lasting(kind)
    return {name: value for name, value in held.items() if name in stay}


def who(settings: Mapping[str, Any]) -> str:
    """Whose access a channel of these settings lives by, as far as the network said."""
    return str((settings.get("facts") or {}).get(WHO) or "")


def nobodys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same where that is not known."""
    facts = {name: value for name, value in (settings.get("facts") or {}).items() if name not in (WHO, LEFT)}
    return {**settings, "facts": facts}


def left(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same after somebody took access back."""
    return {**settings, "facts": {**(settings.get("facts") or {}), LEFT: True}}


def is_left(channel: Channel) -> bool:
    return LEFT in (channel.settings.get("facts") or {})


def freed(channel: Channel) -> dict[str, Any]:
    """The columns of a channel that holds nothing of an account any more; the keys of its app stay."""
    stay = lasting(channel.kind)
    sealed = {name: value for name, value in channel.sealed.items() if name in stay}
    return {"sealed": sealed, "settings": nobodys(channel.settings), "exchanges": []}


def lasting(kind: type[Connector]) -> set[str]:
    """The fields that are of no account, such as the keys of an app."""
    return {field.name for field in kind.form if not field.account}


def is_renamed(channel: Channel, settings: Mapping[str, Any]) -> bool:
    """Whether these settings name another account than those of a channel that is known to be of one."""
    names = [field.name for field in channel.kind.form if field.account and not field.secret and field.name in settings]
    return bool(account_of(channel)) and any(_said(settings, name) != _said(channel.settings, name) for name in names)


def _said(settings: Mapping[str, Any], name: str) -> str:
    return str(settings.get(name) or "").strip()


def account_of(channel: Channel) -> str:
    """The network's name for the account; "" while nobody knows, and where posts are delivered by who knows none."""
    return "" if channel.kind.pushed else str((channel.settings.get("account") or {}).get("id") or "")


def of_another_account(channel: Channel, check: Check | None, *, keys: bool = False) -> str:
    """Words, when this access is not to the account the channel listens to; else "". `keys`: somebody typed them."""
    known = account_of(channel)
    if check is None or not known or check.account_id == known:
        return ""
    old, new = channel.settings["account"].get("name") or known, check.account_name or check.account_id
    if not check.account_id:
        words = _("The network does not say whose access that is, and this channel is %(old)s. Nothing was changed.")
    elif keys:
        words = _(
            "That is the account %(new)s, but this channel is %(old)s. Nothing was changed. Enter what opens %(old)s, "
            "or connect %(new)s as a channel of its own."
        )
    else:
        words = _(
            "That is the account %(new)s, but this channel is %(old)s. Nothing was changed. Sign in as %(old)s, or "
            "connect %(new)s as a channel of its own."
        )
    return words % {"new": new, "old": old}
