"""Reads the comments of a channel's videos: threads from the newest on, the known ones again, the answers below them,
and each request against the quota of the day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.answers import Answer
from connectors.base import (
    JSON,
    AuthRevoked,
    Bad,
    Budget,
    Deleted,
    Gone,
    Invalid,
    Page,
    Past,
    Post,
    RateLimited,
    Visibility,
    Withheld,
)
from connectors.by_number import standing_of
from connectors.google import GoogleAccess, judging
from connectors.networks.youtube.api import AT_ONCE, QUOTA, Reading, comments_of, posts_of
from connectors.rounds import REFUSED

API = "https://www.googleapis.com"
READ = Decimal(1)
"""Units of the quota."""
_STATUS = {"comments": "", "held": "heldForReview", "spam": "likelySpam"}


class Listening(GoogleAccess):
    """Registers no network."""

    at_once = AT_ONCE
    revisits = timedelta(days=7)  # of thirty in which stored comments have to be looked at again

    @property
    def _me(self) -> str:
        return str(self.facts.get("account_id") or "")

    def _ask(
        self,
        method: str,
        path: str,
        asked: Mapping[str, str],
        *,
        now: datetime | None = None,
        post: Post | None = None,
        body: JSON | None = None,
    ) -> Answer:
        if not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this channel yet.")
        url = f"{str(self.settings.get('base_url') or API).rstrip('/')}/youtube/v3/{path}"
        headers = {"Authorization": f"Bearer {self.secrets['access_token']}"}
        judge = judging(now, post, renewable=bool(self.secrets.get("refresh_token")))
        more: JSON = {} if body is None else {"json": body}
        given = {name: value for name, value in asked.items() if value}
        return self.seam.answer(method, url, now=now, params=given, headers=headers, judge=judge, **more)

    def _list(self, path: str, now: datetime | None = None, **asked: str) -> tuple[list[Any], str, Answer]:
        """The items of a page, the token of the next one, and the answer."""
        answer = self._ask("GET", path, asked, now=now)
        told = answer.json(dict)
        items = told.get("items")
        if not isinstance(items, list):
            raise answer.unreadable("A page has no list of items.")
        return items, str(told.get("nextPageToken") or ""), answer

    def _one_unit(self) -> None:
        """Of a request beside the pages of a poll, before it is made: an invalid one costs it too."""
        self.bill({"": READ})

    def _comments(self, now: datetime | None = None, **asked: str) -> tuple[list[Any], str, Answer]:
        return self._list("comments", now, part="snippet", textFormat="plainText", **asked)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        reading = Reading.read(cursor, now)
        gaps, quota = reading.gaps, int(self.settings.get("quota") or QUOTA)
        while not budget.spent:
            if not (rate := reading.rate(source, quota, now)).remaining:
                words = "The units of today that are meant for reading are used up; the rest is for answers."
                raise RateLimited(words, until=rate.reset_at, bucket=rate.bucket)
            budget.spend(1, READ)
            reading.spend(now)
            reading.begin()
            step = self._replies if reading.todo else self._again if reading.walked else self._walk
            posts, bad, repeats = step(reading, source, now)
            posts = [replace(post, history=post.created_at < reading.walk.since
                             and post.visibility is not Visibility.HELD) for post in posts]  # fmt: skip
            if end := reading.over:
                reading.end()
            yield Page(
                posts=tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id))), bad=tuple(bad),
                cursor=reading.kept(), end=end, rate=(reading.rate(source, quota, now),), cost=READ, gaps=gaps,
                repeats=repeats,
            )  # fmt: skip
            if end:
                return
            gaps = ()

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Reading.again(since, now)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=Reading.again(since, now), newest_first=False)

    def _threads(self, now: datetime, **asked: str) -> tuple[list[Any], str, Answer]:
        return self._list("commentThreads", now, part="snippet,replies", textFormat="plainText", **asked)

    def _walk(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        asked = {"allThreadsRelatedToChannelId": self._me, "order": "time", "maxResults": "100",
                 "moderationStatus": _STATUS[source]}  # fmt: skip
        try:
            items, onward, _ = self._threads(now, **asked, pageToken=reading.walk.at)
        except Invalid as fault:
            if fault.field not in ("invalidPageToken", "invalidValue") or not reading.walk.restart():
                raise
            return [], [], 0  # the token ran out: the next request begins at the newest thread, with the same floor
        posts, bad = posts_of(items, source, self._me)
        if source == "comments":  # the other two show what waits, and the threads come with this one
            reading.threads(items)
        repeats = reading.walk.reached(items, [post.created_at for post in posts if not post.parent_id], onward, now)
        if reading.walk.ended:
            reading.walk.ended = False
            reading.walked_to_the_end(now, self.open_roots() if source == "comments" else ())
        return posts, bad, repeats

    def _again(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        asked = reading.rest[: reading.at_once]
        try:
            items, _, _ = self._threads(now, id=",".join(asked))
        except REFUSED as fault:  # for one of them; which one, fewer at once will show
            return [], reading.refused(asked, fault), 0
        reading.looked_at(asked, items)
        posts, bad = posts_of(items, "comments", self._me)
        # Asked by number, YouTube does not tell what is held; what is new are the answers, which never are.
        return [post for post in posts if post.parent_id], bad, 0

    def _replies(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        thread, video, able = reading.todo[0]
        try:
            items, onward, _ = self._comments(now, parentId=thread, maxResults="100", pageToken=reading.at)
        except REFUSED as fault:
            reading.drop()
            return [], [] if isinstance(fault, Gone) else [Bad(thread, fault.words, {"id": thread})], 0
        posts, bad = comments_of(items, source, self._me, {"video": video, "can_reply": bool(able)})
        return posts, bad, reading.listed(onward, [post.created_at for post in posts])

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        return standing_of(ids, AT_ONCE, lambda asked: self._asked_for(asked, now))

    def _asked_for(self, batch: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """What is left out of many is asked for alone before it is called deleted."""
        self._one_unit()
        items, _, _ = self._comments(now, id=",".join(batch))
        found = comments_of(items, "refresh", self._me)[0]
        # Not whether it is held, nor its video.
        standing: list[Post | Deleted | Withheld] = [replace(post, whole=False) for post in found]
        shown = {str(item.get("id")) for item in items if isinstance(item, dict)}
        missing = [one for one in batch if one not in shown]
        if len(batch) == 1:
            return standing + [Deleted(one) for one in missing]
        for one in missing:
            standing += self._asked_for([one], now)
        return standing

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if not post.parent_id:
            return []
        self._one_unit()
        items, _, _ = self._comments(now, id=post.parent_id)
        return comments_of(items, "context", self._me)[0]
