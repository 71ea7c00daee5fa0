"""Between a network's page and the inbox: what cannot be stored is set aside, and replies to posts we do not hold
get the root of their thread, and what stands above them, from the network."""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import connection

from connectors.base import Bad, Budget, Connector, Fault, Post
from connectors.models import Channel, Quarantined
from connectors.text import storable
from inbox.models import Mention
from inbox.models.arrays import array

log = structlog.get_logger(__name__)
SOURCE = 40  # characters of a source's name that a mention keeps
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)  # what is older than the networks themselves is a mistake or a joke
MOST_FOLLOWERS = 10**12
STRANGERS = 5  # replies to posts we do not hold whose thread is looked up, per page
Context = dict[str, list[dict[str, object]]]


def sound(posts: Sequence[Post], now: datetime) -> tuple[list[Post], list[Bad]]:
    """Posts that can be stored, and those that cannot with the reason. A time in the future is taken as now."""
    good, bad = [], []
    for post in posts:
        if len(post.text) > 1_000_000:
            bad.append(Bad(post.external_id, "The text is longer than a million characters.", {}))
        else:
            good.append(_possible(post, now))
    return good, bad


def _possible(post: Post, now: datetime) -> Post:
    """The post with times that were, and figures and names that fit."""
    changed: dict[str, Any] = {}
    if not OLDEST <= post.created_at <= now + timedelta(minutes=5):
        changed["created_at"] = OLDEST if post.created_at < OLDEST else now
    if post.edited_at and not OLDEST <= post.edited_at <= now + timedelta(minutes=5):
        changed["edited_at"] = now
    if len(post.source) > SOURCE:
        changed["source"] = post.source[:SOURCE]
    if post.author.followers is not None and not 0 <= post.author.followers <= MOST_FOLLOWERS:
        changed["author"] = replace(post.author, followers=None)
    return replace(post, **changed) if changed else post


def with_threads(
    channel: Channel, connector: Connector, posts: list[Post], budget: Budget, now: datetime
) -> tuple[list[Post], Context]:
    """Replies to posts we do not hold get the root of their thread, and what stands above them, from the network."""
    here = {post.external_id for post in posts}
    tells = type(connector).ancestors is not Connector.ancestors  # others would spend the budget on nothing
    wanted = {post.parent_id for post in posts if post.parent_id and not post.ours} - here if tells else set()
    if not wanted:
        return posts, {}
    strange = wanted - _held(channel, wanted)
    if not strange:
        return posts, {}
    # What is stored already, as in the overlap of each poll, has its thread.
    held = set(Mention.objects.filter(channel=channel, external_id__in=here).values_list("external_id", flat=True))
    context: Context = {}
    known: dict[str, str] = {}
    result = []
    for post in posts:
        parent = post.parent_id
        if parent in strange and post.external_id not in held:
            if parent not in known and len(known) < STRANGERS and not budget.spent:
                known[parent], context[post.external_id] = _above(connector, post, now)
                budget.spend()
            if known.get(parent or "") and not post.root_id:
                post = replace(post, root_id=known[parent or ""])
        result.append(post)
    return result, context


def _held(channel: Channel, wanted: set[str]) -> set[str]:
    """Which of these posts are stored, or were written by us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT post FROM inbox_known(%s, %s::text[])", (channel.pk, array(wanted)))
        return {external_id for (external_id,) in cursor.fetchall()}


def _above(connector: Connector, post: Post, now: datetime) -> tuple[str, list[dict[str, object]]]:
    """Root key of the post's thread, "" when the network does not say, and the posts above it for the reader."""
    try:
        above = connector.ancestors(post, now)
    except Fault as fault:  # without it the post still arrives, in a thread of its own
        log.info("the thread above a post could not be read", fault=fault.name)
        return "", []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        log.exception("a defect in reading the thread above a post")
        return "", []
    shown = [
        {
            "id": each.external_id,
            "author": each.author.name or each.author.handle,
            "handle": each.author.handle,
            "text": each.text[:2000],
            "at": each.created_at.isoformat(),
            "url": each.url,
            "ours": each.ours,
            "state": str(each.state),
        }
        for each in above[-10:]
    ]
    return (above[0].root_id or above[0].external_id) if above else "", shown


def quarantine(channel: Channel, source: str, bad: Sequence[Bad]) -> None:
    """Keeps items that could not be understood, each once."""
    rows = []
    for item in bad:
        raw, said = _kept(item.raw)
        digest = hashlib.sha256(f"{source} {item.external_id} {said}".encode()).hexdigest()
        rows.append(
            Quarantined(
                channel=channel,
                source=source[:120],
                external_id=item.external_id or "",
                digest=digest,
                reason=item.reason[:300],
                raw=raw,
            )
        )
    Quarantined.objects.bulk_create(rows, ignore_conflicts=True)


def _kept(raw: Any) -> tuple[dict[str, Any] | list[Any], str]:
    """What is shown of an item, and the same as JSON; of one that is no JSON a short text, because an item that is
    set aside must not stop those behind it."""
    try:
        shown = raw if isinstance(raw, dict | list) else {"raw": str(raw)[:20_000]}
        return shown, json.dumps(shown, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        shown = {"raw": _in_short(raw)}
        return shown, json.dumps(shown)


def _in_short(raw: Any) -> str:
    try:
        return storable(reprlib.repr(raw))
    except ValueError:  # a number with more digits than Python writes
        return f"{type(raw).__name__} that cannot be written down"
