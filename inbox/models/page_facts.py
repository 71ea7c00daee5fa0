"""What is already known of a page of posts: read in five statements, before any lock is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from inbox.arrival import Facts, Place, Stands
from inbox.language import language_of
from inbox.models.arrays import array


class Known(NamedTuple):
    """A stored post: its mention (None when it is a reply of our outbox) and the thread and conversation it stands
    in."""

    mention_id: int | None
    conversation_id: int
    thread_key: str
    identity_id: int
    team_id: int
    version: str
    state: str
    edited_at: Any
    inbound: bool
    visibility: str
    grants: dict[str, Any]
    kind: str


class KnownIdentity(NamedTuple):
    id: int
    facts: tuple[Any, ...]


class Pending(NamedTuple):
    """A reply that left or may have left, and is not yet bound to a post. One that is to be tried again is among
    them: when its first try shows up late after all, there must be no second. So is one of which a person said that
    it was `sent`. One that is `private` is no post that everybody can read. `stands`: how the network shows it, where
    that is not as an answer to its parent."""

    id: int
    parent: str
    text: str
    created_at: datetime
    sent: bool
    private: bool
    stands: Stands | None = None


@dataclass
class PageFacts:
    posts: dict[str, Known]
    identities: dict[str, KnownIdentity]
    conversations: dict[tuple[str, int], int]
    pending: list[Pending]
    replied: set[str]
    """Ids of our replies that left through another channel of the account: this one sees them too."""


_POSTS = "SELECT * FROM inbox_known(%s, %s::text[])"  # in the order of Known
_IDENTITIES = "SELECT * FROM inbox_authors(%s, %s::text[])"
CONVERSATIONS = "SELECT * FROM inbox_threads(%s::text[], %s::bigint[])"
_PENDING = """
    SELECT r.id, m.external_id, r.text, r.created_at, r.state = 'sent', r.kind = 'direct', r.external_id
      FROM inbox_mention m
      JOIN inbox_reply r ON r.conversation_id = m.conversation_id
      JOIN inbox_mention p ON p.id = r.parent_id AND p.external_id = m.external_id
     WHERE m.channel_id = %s AND m.external_id = ANY(%s::text[])
       AND (r.external_id IS NULL
            AND (r.state IN ('sending', 'in_doubt', 'sent') OR r.state = 'queued' AND r.takes > 0)
            OR r.external_id = ANY(%s::text[]))
     ORDER BY r.state = 'sent', r.sending_at"""
# Where answers hang elsewhere than from what they answer: the replies in the threads that ours came to.
_PENDING_IN_THREADS = """
    SELECT r.id, p.external_id, r.text, r.created_at, r.state = 'sent', r.kind = 'direct', r.external_id
      FROM inbox_conversation c
      JOIN inbox_reply r ON r.conversation_id = c.id
      JOIN inbox_mention p ON p.id = r.parent_id
     WHERE c.thread_key = ANY(%s::text[])
       AND (r.external_id IS NULL
            AND (r.state IN ('sending', 'in_doubt', 'sent') OR r.state = 'queued' AND r.takes > 0)
            OR r.external_id = ANY(%s::text[]))
     ORDER BY r.state = 'sent', r.sending_at"""


def read_facts(place: Place, posts: Sequence[Any]) -> PageFacts:
    """Facts of the posts, of the posts they answer, of their authors and threads."""
    ids = array({post.external_id for post in posts} | {post.parent_id for post in posts if post.parent_id})
    authors = array({post.author.external_id for post in posts})
    with connection.cursor() as cursor:
        cursor.execute(_POSTS, (place.channel_id, ids))
        known = {row[0]: Known(*row[1:]) for row in cursor.fetchall()}
        cursor.execute(_IDENTITIES, (place.network, authors))
        identities = {row[0]: KnownIdentity(row[1], tuple(row[2:])) for row in cursor.fetchall()}
        keys = thread_keys(place, posts, known)
        met = {keys[post.external_id] for post in posts if post.author.external_id in identities}
        cursor.execute(CONVERSATIONS, (array(met), array(identity.id for identity in identities.values())))
        conversations = {(key, identity): pk for key, identity, pk in cursor.fetchall()}
    pending, replied = _pending(place, [post for post in posts if post.ours and post.parent_id], keys)
    return PageFacts(known, identities, conversations, pending, replied)


def _pending(place: Place, ours: Sequence[Any], keys: dict[str, str]) -> tuple[list[Pending], set[str]]:
    """Replies that these posts of ours may be, and the ids of those among them that are known to be replies."""
    if not ours:
        return [], set()
    ids = array({post.external_id for post in ours})
    with connection.cursor() as cursor:
        if place.stands is None:
            cursor.execute(_PENDING, (place.channel_id, array({post.parent_id for post in ours}), ids))
        else:
            cursor.execute(_PENDING_IN_THREADS, (array({keys[post.external_id] for post in ours}), ids))
        rows = cursor.fetchall()
    open_rows = [row[:-1] for row in rows if row[-1] is None]
    stands = place.stands([row[0] for row in open_rows]) if place.stands and open_rows else {}
    pending = [Pending(*row)._replace(stands=stands.get(row[0])) for row in open_rows]
    return pending, {row[-1] for row in rows if row[-1] is not None}


def thread_keys(place: Place, posts: Sequence[Any], known: dict[str, Known]) -> dict[str, str]:
    """{external_id: thread key}. A post stands in the thread of the post it answers, if that is stored or on this
    page; else in the thread the network names; else it, or the unknown post it answers, begins one."""
    page = {post.external_id: post for post in posts}
    keys: dict[str, str] = {}

    def key_of(external_id: str, depth: int = 0) -> str:
        if external_id in known:
            return known[external_id].thread_key
        post = page.get(external_id)
        if external_id not in keys:
            if post is None or depth > len(page):
                return f"{place.space}:{external_id}"
            if post.parent_id and (post.parent_id in known or post.parent_id in page):
                keys[external_id] = key_of(post.parent_id, depth + 1)
            else:
                keys[external_id] = f"{place.space}:{post.root_id or post.parent_id or external_id}"
        return keys[external_id]

    for post in posts:
        keys[post.external_id] = key_of(post.external_id)
    return keys


def facts_of(place: Place, posts: Sequence[Any]) -> Facts:
    """What rules may ask about the first post of a conversation that begins with these."""
    post = posts[0]
    author, asked = post.author, place.asked.get(post.external_id)
    return Facts(
        text=f"{post.subject}\n{post.text}" if post.subject else post.text,
        network=place.network,
        channel_id=place.channel_id,
        source=post.source,
        kind=post.kind,
        language=language_of(post.text, post.lang),
        visibility=post.visibility,
        author_handle=author.handle,
        author_name=author.name,
        followers=author.followers,
        rating=post.rating,
        media=bool(post.media),
        team_id=asked.team_id if asked else None,
        listen_only=bool(place.asked) and all(place.only_listens(each) for each in posts if not each.ours),
        hidden=bool(place.asked) and all(place.hides(each) for each in posts if not each.ours),
        topics=asked.shown if asked else (),
        themes=asked.themes if asked else (),
    )
