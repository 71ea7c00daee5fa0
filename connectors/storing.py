"""A claimed channel and what it may write: each page with its cursor in one transaction, fenced against a twin that
claimed the channel since. What the database refuses is set aside alone, so that no post can hold up the others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import DataError, InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.utils import IntegrityError

from connectors import paying
from connectors.arriving import SOURCE, quarantine, sound, with_threads
from connectors.base import Bad, Budget, Connector, Page, Post, Undelivered
from connectors.http import no_transaction_open
from connectors.models import Channel, Gap, Quarantined, Source
from connectors.posts import BELOW
from connectors.stored import standings
from connectors.text import normalised
from connectors.topics.arrival import Topics, bind_topics
from inbox.arrival import Decision, Facts, Place
from inbox.failpoints import failpoint
from inbox.models import Reply
from inbox.models.receive import receive
from inbox.models.reply import Clock
from routing import engine
from routing.fields import RuleError

log = structlog.get_logger(__name__)
CLAIM = timedelta(seconds=20)  # longer than any one call to a network (15 s), before each of which it is renewed
HOLD = 4.0  # seconds after which the claim is renewed before the next call
LATE = timedelta(seconds=60)
PAGE = 500  # posts stored in one transaction; what people work in is locked for the last tenth of it
PATIENCE = 5  # polls that may fail by a defect of ours before its post is set aside
UNFIT = (DataError, ValueError, TypeError, OverflowError, RecursionError)


# What every page begins with; the ORM would take longer to write it than the server to run it.
_RENEW = """
    UPDATE connectors_channel
       SET polling_until = clock_timestamp() + make_interval(secs => %s),
           last_post_at = greatest(last_post_at, %s::timestamptz)
     WHERE id = %s AND cursor_version = %s RETURNING id"""
_ADVANCE = f"""
    WITH mine AS ({_RENEW}),
    moved AS (UPDATE connectors_source SET cursor = %s::jsonb, newest_at = %s, rate = %s::jsonb,
                     begun_at = coalesce(begun_at, %s)
               WHERE id = %s AND EXISTS (SELECT FROM mine))
    SELECT id FROM mine"""  # noqa: S608  a constant of ours


class Overtaken(Exception):
    """Another worker claimed the channel since; this one must not write any more."""


def claim(channel_id: int) -> Channel | None:
    """One conditional update: due, unclaimed, not paused. The raised cursor_version fences out a slow twin."""
    due = Channel.objects.due().filter(pk=channel_id)
    if not due.update(polling_until=Clock() + CLAIM, cursor_version=F("cursor_version") + 1):
        return None
    return Channel.objects.filter(pk=channel_id).first()


def seize(channel: Channel) -> None:
    """The same for work that somebody asked for, due or not. A poll under way is overtaken: it stores nothing more and
    reads it again."""
    mine = Channel.objects.filter(pk=channel.pk)
    mine.update(polling_until=Clock() + CLAIM, cursor_version=F("cursor_version") + 1)
    channel.refresh_from_db()


def release(channel: Channel) -> None:
    """Ends a claim that moved no cursor; whoever has overtaken it is not disturbed."""
    Channel.objects.filter(pk=channel.pk, cursor_version=channel.cursor_version).update(polling_until=None)


def space_of(channel: Channel, connector: Connector) -> str:
    """Within which a post's root is one thread. What a private team's channel hears is a conversation of its own: in
    one with what other channels hear, others would read it, or it would take theirs from them."""
    is_closed = channel.team is not None and channel.team.private
    return f"{connector.space}@{channel.pk}" if is_closed else connector.space


class Claim:
    """The right to write for one channel, as long as nobody else claims it."""

    def __init__(self, channel: Channel, now: datetime, budget: Budget) -> None:
        self.channel, self.now, self.budget = channel, now, budget
        self.held_at = time.monotonic()
        self.requests = 0
        self.topics = Topics.of(channel)

    def hold(self) -> None:
        """Before each request: the claim is renewed before it can run out, and whoever lost it stops here."""
        no_transaction_open()
        self.requests += 1
        if time.monotonic() - self.held_at > HOLD:
            self.fence()

    def fence(self) -> None:
        """Renews the claim, and locks the channel for the rest of the transaction there may be."""
        self._renew(_RENEW, None)

    def _renew(self, statement: str, newest: datetime | None, *more: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                statement, (CLAIM.total_seconds(), newest, self.channel.pk, self.channel.cursor_version, *more)
            )
            if not cursor.fetchone():
                raise Overtaken
        self.held_at = time.monotonic()

    def store(self, connector: Connector, source: Source, page: Page, started_at: datetime | None) -> int:
        """One page and its cursor in one transaction, in pieces of 500 posts of which the last moves the cursor;
        how many were new."""
        posts, bad = sound(self._delivered(page), self.now)
        bad = [*page.bad, *bad]
        posts, asked = self.topics.look_at(posts, page.found_by or source.name)
        posts, context = with_threads(self.channel, connector, posts, self.budget, self.now)
        late = {source.name[:SOURCE]: started_at - LATE} if started_at else {}
        place = replace(self.place(connector), late_before=late, context=context, asked=asked)
        newest = max((post.created_at for post in posts), default=None)
        pieces = [posts[start : start + PAGE] for start in range(0, len(posts), PAGE)] or [[]]
        new = sum(self._keep(place, piece, self.fence, bad) for piece in pieces[:-1])
        new += self._keep(place, pieces[-1], partial(self._advance, source, page, bad, newest), bad)
        source.cursor, source.suggested = page.cursor, page.interval
        return new

    def _delivered(self, page: Page) -> list[Post]:
        """The page without what only says that a reply of ours reached nobody: that reply has failed. Before the page
        is stored, so that whoever dies between the two says it again, and that changes nothing."""
        settled = {each.told_by for each in page.undelivered if self._returned(each)}
        return [post for post in page.posts if post.external_id not in settled]

    def _returned(self, told: Undelivered) -> bool:
        reply = Reply.objects.filter(channel=self.channel, external_id=told.external_id).first()
        return reply is not None and (reply.fault == "Returned" or reply.returned(told.reason))

    def place(self, connector: Connector) -> Place:
        elsewhere = type(connector).standing is not Connector.standing
        stands = partial(standings, connector) if elsewhere else None
        space = space_of(self.channel, connector)
        return Place(self.channel.pk, self.channel.network, space, self.now, normalised, stands=stands)

    def follow(self, connector: Connector, posts: Sequence[Post], advance: Callable[[], None] | None = None) -> None:
        """Stores how known posts stand now; one that cannot be kept waits for the next look. `advance` takes the place
        of the fence, and is written with them."""
        good, bad = sound(posts, self.now)
        place = replace(self.place(connector), asked=self.topics.asked_of(good))
        self._keep(place, good, advance or self.fence, bad)
        for each in bad:
            log.warning("a post as it is now cannot be kept", channel=self.channel.pk, reason=each.reason)

    def _keep(self, place: Place, posts: Sequence[Post], fence: Callable[[], None], bad: list[Bad]) -> int:
        try:
            return self._receive(place, posts, fence)
        except Exception as error:
            if not posts or not self._is_unfit(error):
                raise
            log.warning("a page is stored post by post", channel=self.channel.pk, error=type(error).__name__)
        new = sum(self._keep_one(place, post, bad) for post in posts)
        self._receive(place, [], fence)
        return new

    def _keep_one(self, place: Place, post: Post, bad: list[Bad]) -> int:
        try:
            return self._receive(place, [post], self.fence)
        except Exception as error:
            if not self._is_unfit(error):
                raise
            bad.append(Bad(post.external_id, f"{type(error).__name__}: {error}", dict(post.raw)))
            return 0

    def _is_unfit(self, error: Exception) -> bool:
        """Whether the post is to blame: what cannot be written at once, a defect of ours when it stays."""
        if isinstance(error, RuleError | Overtaken | OperationalError | InterfaceError):
            return False
        return isinstance(error, UNFIT) or self.channel.failures >= PATIENCE

    def _receive(self, place: Place, posts: Sequence[Post], fence: Callable[[], None]) -> int:
        stored = receive(place, posts, self._decide, fence, partial(bind_topics, place, posts))
        failpoint("poll.after_commit")
        bind(stored.bound)
        return stored.new

    def _decide(self, batch: Sequence[Facts]) -> list[Decision]:
        names = {f"channel:{self.channel.pk}": self.channel.name, **self.topics.names}
        return engine.decide(batch, self.channel.team_id, names)

    def _advance(self, source: Source, page: Page, bad: Sequence[Bad], newest: datetime | None) -> None:
        """First in the transaction of the last piece: stops a twin that was overtaken, and writes the cursor."""
        latest = max(filter(None, (newest, source.newest_at)), default=None)
        rate = [{**asdict(each), "reset_at": each.reset_at and each.reset_at.isoformat()} for each in page.rate]
        moved = (json.dumps(page.cursor), latest, json.dumps(rate), self.now, source.pk)
        self._renew(_ADVANCE, newest, *moved)
        failpoint("poll.after_fence")
        quarantine(self.channel, source.name, bad)
        if page.reopened:
            closed = Quarantined.objects.filter(channel=self.channel, source=source.name[:120], raw__has_key=BELOW)
            closed.filter(external_id__in=page.reopened).delete()
        Gap.objects.bulk_create(
            Gap(channel=self.channel, source=source.name[:120], since=gap.since, until=gap.until, why=gap.reason[:300])
            for gap in page.gaps
        )


def bind(bound: Sequence[tuple[int, str, str]]) -> None:
    """Our own posts that came back by a poll settle the replies they are; if this dies, the settler
    finds them, or the next sender before it posts."""
    for reply_id, external_id, url in bound:
        reply = Reply.objects.filter(pk=reply_id).first()
        try:
            if reply is not None:
                paying.found(reply, external_id, url)
        except IntegrityError:  # the settler gave this post to its twin of the same words a moment ago
            log.info("a post of ours settles another reply", reply=reply_id)
