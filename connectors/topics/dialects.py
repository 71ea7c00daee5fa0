"""How the searches of networks are written. A network names its own as `Connector.dialect`."""

from __future__ import annotations

from decimal import Decimal

from connectors.topics.compile import WILD, Dialect
from connectors.topics.tree import Field

_MEDIA = {"image": "has:images", "video": "has:videos"}


def _handle(field: Field) -> str:
    """The handle of `author:@carla`; "" for names, and for what has wildcards."""
    value = str(field.value)
    is_handle = value.startswith("@") and WILD.isdisjoint(value) and not any(map(str.isspace, value))
    return value[1:] if field.name == "author" and is_handle else ""


def _on_mastodon(field: Field) -> str:
    handle = _handle(field)
    if handle:  # without a server it would be the one who is called so on the searching account's own server
        return f"from:@{handle}" if "@" in handle else ""
    return f"language:{field.value}" if field.name == "lang" else ""


def _on_x(field: Field) -> str:
    handle = _handle(field)
    if handle.replace("_", "").isalnum():
        return f"from:{handle}"
    if field.name == "lang" and len(str(field.value)) == 2:
        return f"lang:{field.value}"
    return _MEDIA.get(str(field.value), "") if field.name == "has" else ""


def _on_bluesky(field: Field) -> str:
    handle = _handle(field)
    return f"from:{handle}" if "." in handle else ""


# Mastodon finds other forms of a word too, and has no OR. Bluesky's search is not documented as exact. Of the 512
# characters X takes, what we add ourselves (no reposts, not by us) needs some.
FEDIVERSE = Dialect(field=_on_mastodon, loose=True)
BLUESKY = Dialect(field=_on_bluesky, loose=True)
X = Dialect(field=_on_x, joined=" OR ", minus="-", longest=450, price=Decimal("0.015"))
