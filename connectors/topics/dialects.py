"""How the searches of networks are written. A network names its own as `Connector.dialect`."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext_lazy

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


def _on_reddit(field: Field) -> str:
    handle = _handle(field)
    return f"author:{handle}" if handle.replace("_", "").replace("-", "").isalnum() else ""


def _on_discourse(field: Field) -> str:
    handle = _handle(field)
    return f"@{handle}" if handle.replace("_", "").replace("-", "").replace(".", "").isalnum() else ""


# Mastodon finds other forms of a word too, and has no OR. Bluesky's search is not documented as exact. Of the 512
# characters X takes, what we add ourselves (no reposts, not by us) needs some.
FEDIVERSE = Dialect(field=_on_mastodon, loose=True)
BLUESKY = Dialect(field=_on_bluesky, loose=True)
X = Dialect(field=_on_x, joined=" OR ", minus="-", longest=450, price=Decimal("0.015"))
# Of these three it is not known how they read an OR, nor that they find exactly what was typed: they are asked for
# plain words, alternatives one by one. Threads knows no phrases. A forum takes #word for a category and @name for an
# author, and looks for no word of less than three letters unless its set-up says so.
THREADS = Dialect(
    loose=True,
    longest=100,
    quotes=False,
    signs=False,
    covers=gettext_lazy(
        "As long as Meta has not approved searching for your app, it looks through your own posts only"
    ),
)
REDDIT = Dialect(
    field=_on_reddit, loose=True, signs=False, covers=gettext_lazy("It looks through posts, not through comments")
)
FORUM = Dialect(field=_on_discourse, loose=True, longest=400, signs=False, shortest=3)
