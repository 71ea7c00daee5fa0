"""Between a network's page and the inbox: what cannot be stored is set aside, and replies to posts we do not hold
get the root of their thread, and what stands above them, from the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connectors.base import Bad, Budget, Connector, Fault, Post
from connectors.models import Channel, Quarantined
from inbox.models import Mention, Reply

log = structlog.get_logger(__name__)
STRANGERS = 5  # replies to posts we do not hold whose thread is looked up, per page
Context = dict[str, list[dict[str, object]]]


def sound(posts: Sequence[Post], now: datetime) -> tuple[list[Post], list[Bad]]:
    """Posts that can be stored, and those that cannot with the reason. A time in the future is taken as now."""
    good, bad = [], []
    for post in posts:
        if len(post.text) > 1_000_000:
            bad.append(Bad(post.external_id, "The text is longer than a million characters.", {}))
        elif post.created_at > now + timedelta(minutes=5):
            good.append(replace(post, created_at=now))
        else:
            good.append(post)
    return good, bad


def with_threads(
    channel: Channel, connector: Connector, posts: list[Post], budget: Budget, now: datetime
) -> tuple[list[Post], Context]:
    """Replies to posts we do not hold get the root of their thread, and what stands above them, from the network."""
    here = {post.external_id for post in posts}
    wanted = {post.parent_id for post in posts if post.parent_id and not post.root_id and not post.ours} - here
    if not wanted:
        return posts, {}
    held = set(Mention.objects.filter(channel=channel, external_id__in=wanted).values_list("external_id", flat=True))
    replies = Reply.objects.filter(channel=channel, external_id__in=wanted)
    held |= {external_id for external_id in replies.values_list("external_id", flat=True) if external_id}
    context: Context = {}
    known: dict[str, str] = {}
    result = []
    for post in posts:
        parent = post.parent_id
        if parent in wanted - held and not post.root_id:
            if parent not in known and len(known) < STRANGERS and not budget.spent:
                known[parent], context[post.external_id] = _above(connector, post, now)
                budget.spend()
            if known.get(parent or ""):
                post = replace(post, root_id=known[parent or ""])
        result.append(post)
    return result, context


def _above(connector: Connector, post: Post, now: datetime) -> tuple[str, list[dict[str, object]]]:
    """Root key of the post's thread, "" when the network does not say, and the posts above it for the reader."""
    try:
        above = connector.ancestors(post, now)
    except Fault as fault:  # without it the post still arrives, in a thread of its own
        log.info("the thread above a post could not be read", fault=fault.name)
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
        raw = item.raw if isinstance(item.raw, dict | list) else {"raw": str(item.raw)[:20_000]}
        digest = hashlib.sha256(f"{source} {item.external_id} {json.dumps(raw, sort_keys=True)}".encode()).hexdigest()
        rows.append(
            Quarantined(
                channel=channel,
                source=source,
                external_id=item.external_id or "",
                digest=digest,
                reason=item.reason[:300],
                raw=raw,
            )
        )
    Quarantined.objects.bulk_create(rows, ignore_conflicts=True)
