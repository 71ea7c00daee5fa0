"""What came back from a network's page of signing in, in words for the admin who stands there: no access, a code that
is not taken, or access to another account than the channel's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from connectors.base import Connector, Fault, Invalid, Secrets
from connectors.belonging import account_of, of_another_account
from connectors.connecting import unfinished
from connectors.faults import Outcome
from connectors.opening import connector_of

if TYPE_CHECKING:
    from connectors.models import Channel

NO = {"access_denied", "user_denied", "user_cancelled_login", "user_cancelled_authorize"}
SCOPE = {"invalid_scope", "unauthorized_scope_error"}
APP = {"unauthorized_client", "invalid_client", "invalid_request", "redirect_uri_mismatch", "unsupported_response_type"}
BUSY = {"server_error", "temporarily_unavailable"}
OWN_APP = {"client_id", "app_id"}
SAID = 200  # characters of the network's own words


def without_code(kind: type[Connector], given: Mapping[str, str], callback: str) -> tuple[str, str]:
    """Why no access was given, and the network's own words beside ours where ours do not say it all."""
    error = given.get("error", "")
    said = (given.get("error_description") or given.get("error_message") or "")[:SAID]
    if error in NO or given.get("error_reason") in NO:
        return _("No access was given: whoever signed in said no. Nothing was changed. Sign in again and allow it."), ""
    if error in SCOPE or "scope" in said.casefold():
        words = _(
            "Your app may not ask for all of these rights: %(scopes)s. Add them to the app at the network, or wait "
            "until they are approved, then sign in again."
        )
        return words % {"scopes": ", ".join(kind.scopes)}, said
    if error in APP:
        words = _(
            "The network does not accept your app, or not the address to come back to. Compare the app’s ID in the "
            "settings, and enter this address in the app exactly as it stands here: %(callback)s"
        )
        return words % {"callback": callback}, said
    if error in BUSY:
        return _("The network could not do it just now. Sign in again in some minutes."), said
    return _("The network sent you back without access. Sign in again."), said or error[:SAID]


def by_own_app(kind: type[Connector]) -> bool:
    """Whether who connects has made an app there, which has to be told the address to come back to."""
    return any(field.name in OWN_APP for field in kind.form)


def in_vain(kind: type[Connector], fault: Fault) -> str:
    """What a fault means while somebody signs in: there is no access yet that could have ended."""
    refused = fault.outcome is Outcome.RECONNECT or (isinstance(fault, Invalid) and fault.status)
    if not refused:
        return (fault.detail if fault.outcome is Outcome.PERSON else "") or fault.words
    words = _("The network did not take the sign-in, which is good for some minutes only: sign in again.")
    if by_own_app(kind):
        words += " " + _("If that does not help, compare the ID and the secret of your app in the settings.")
    return words


def looked_at(channel: Channel, fresh: Secrets) -> str:
    """Words, when the access that was just given to a channel that listens is to another account; else "". Asks the
    network."""
    if unfinished(channel) or not account_of(channel):
        return ""
    return of_another_account(channel, connector_of(channel.network, channel.settings, fresh).check())
