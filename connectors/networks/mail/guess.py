"""Where a mailbox lies, guessed from its address, so that address and password are enough for most people. A guess
is only a proposal: nothing is sent anywhere but to the host it names, and the test of the connection tries it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider has its servers. `files`: it keeps a copy of what is sent by itself."""

    imap: str
    smtp: str
    files: bool = False
    port: int | None = None
    security: str = "tls"


_GMAIL = Provider("imap.gmail.com", "smtp.gmail.com", files=True)
_MICROSOFT = Provider("outlook.office365.com", "smtp.office365.com", True, 587, "starttls")
_APPLE = Provider("imap.mail.me.com", "smtp.mail.me.com", False, 587, "starttls")
_YAHOO = Provider("imap.mail.yahoo.com", "smtp.mail.yahoo.com")
_GMX, _GMX_DE = Provider("imap.gmx.com", "mail.gmx.com"), Provider("imap.gmx.net", "mail.gmx.net")
PROVIDERS = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), _GMAIL),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "onmicrosoft.com"), _MICROSOFT),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), _APPLE),
    **dict.fromkeys(("yahoo.com", "yahoo.de", "yahoo.fr", "yahoo.co.uk", "ymail.com"), _YAHOO),
    **dict.fromkeys(("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), _GMX_DE),
    "gmx.com": _GMX,
    "web.de": Provider("imap.web.de", "smtp.web.de", port=587, security="starttls"),
    "t-online.de": Provider("secureimap.t-online.de", "securesmtp.t-online.de"),
    "posteo.de": Provider("posteo.de", "posteo.de"),
    "fastmail.com": Provider("imap.fastmail.com", "smtp.fastmail.com"),
    "aol.com": Provider("imap.aol.com", "smtp.aol.com"),
    "zoho.com": Provider("imap.zoho.com", "smtp.zoho.com"),
    "yandex.com": Provider("imap.yandex.com", "smtp.yandex.com"),
    "mail.ru": Provider("imap.mail.ru", "smtp.mail.ru"),
    "orange.fr": Provider("imap.orange.fr", "smtp.orange.fr"),
}
"""By the domain of the address; an organisation of its own domain most often has imap. and smtp. before it."""

_SIGNED_IN = {"google": _GMAIL, "microsoft": _MICROSOFT}
"""Where whoever signs in there has the mailbox, whatever the domain of its address."""


def servers(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is not filled in, as far as the address tells it. A host that is given keeps its own port and encryption."""
    domain = str(settings.get("address") or "").strip().lower().rpartition("@")[2]
    if not domain:
        return {}
    known = _SIGNED_IN.get(str(settings.get("provider") or ""))
    known = known or PROVIDERS.get(domain) or PROVIDERS.get(_organisation(domain))
    provider = known or Provider(f"imap.{domain}", f"smtp.{domain}")
    found: dict[str, Any] = {}
    if not settings.get("imap_host"):
        found["imap_host"] = provider.imap
    if not settings.get("smtp_host"):
        found["smtp_host"] = provider.smtp
        if provider.port and not settings.get("smtp_port"):
            found |= {"smtp_port": provider.port, "smtp_security": provider.security}
    files = known or next((each for each in PROVIDERS.values() if each.imap == settings.get("imap_host")), None)
    if not settings.get("filed_by"):
        found["filed_by"] = "provider" if files and files.files else "us"
    return found


def _organisation(domain: str) -> str:
    """acme.onmicrosoft.com is Microsoft's, whoever acme is."""
    return ".".join(domain.split(".")[-2:]) if domain.endswith(".onmicrosoft.com") else domain
