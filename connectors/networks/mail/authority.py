"""Where the owner of a mailbox signs in at its provider (OAuth 2), with an app of the organisation's own. The addresses
of the large providers are data here; another provider's, or a server that stands in for one, stand in the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.faults import Invalid

_MICROSOFT, _RIGHTS = "https://login.microsoftonline.com/common/oauth2/v2.0", "https://outlook.office.com"


@dataclass(frozen=True, slots=True)
class Authority:
    """`asked` goes along with the way to its page: without it Google gives a token for an hour that cannot be renewed,
    as Microsoft does without the right called offline_access."""

    sign_in: str
    token: str
    scopes: tuple[str, ...]
    asked: Mapping[str, str] = field(default_factory=dict)


AUTHORITIES = {
    "google": Authority(
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        ("https://mail.google.com/",),
        {"access_type": "offline", "prompt": "consent"},
    ),
    "microsoft": Authority(
        f"{_MICROSOFT}/authorize",
        f"{_MICROSOFT}/token",
        (f"{_RIGHTS}/IMAP.AccessAsUser.All", f"{_RIGHTS}/SMTP.Send", "offline_access"),
        {"prompt": "select_account"},
    ),
}


def authority_of(settings: Mapping[str, Any]) -> Authority:
    """What is filled in wins over what is known. Invalid where an address is missing."""
    known = AUTHORITIES.get(str(settings.get("provider") or ""), Authority("", "", ()))
    sign_in, token, rights = (str(settings.get(name) or "") for name in ("sign_in_url", "token_url", "rights"))
    found = replace(
        known,
        sign_in=sign_in or known.sign_in,
        token=token or known.token,
        scopes=tuple(rights.split()) or known.scopes,
    )
    for name, address in (("sign_in_url", found.sign_in), ("token_url", found.token)):
        if not address:
            raise Invalid("The provider’s address for signing in, or the one for tokens, is missing.", field=name)
    return found
