"""Reads the comments of a site: forward from the oldest that was not read, what we hold again, and what stands above
one. The site's own words say what went wrong."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Connector,
    Deleted,
    Duplicate,
    Fault,
    Gone,
    NotPermitted,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    RateLimited,
    Source,
    Withheld,
)
from connectors.networks.wordpress.api import AWAY, COMMENTS, HISTORY, PER_PAGE, Forward, id_of, post_of, zulu

_FAULTS: dict[str, type[Fault]] = {
    "comment_duplicate": Duplicate,
    "comment_flood": RateLimited,
    "rest_comment_invalid_id": Gone,
    "rest_comment_invalid_post_id": Gone,
    "rest_post_invalid_id": Gone,
    "rest_comment_closed": PolicyRefused,
    "rest_comment_draft_post": PolicyRefused,
    "rest_comment_trash_post": PolicyRefused,
    "rest_no_route": NotPermitted,
}


class Reading(Connector):
    """Registers no network."""

    at_once = PER_PAGE

    @property
    def _site(self) -> str:
        given = str(self.settings.get("site", "")).strip().rstrip("/")
        return given if "://" in given else f"https://{given}"

    @property
    def _signed(self) -> bool:
        return bool(self.secrets.get("app_password"))

    @property
    def _moderates(self) -> bool:
        """Whether we see and do all. Until a check has told, a signed-in user is taken at the form's word."""
        return self._signed and bool(self.facts.get("moderates", True))

    def _ask(self, method: str, path: str, judge: Any = None, **request: Any) -> Any:
        headers = {}
        if self._signed:
            pair = f"{self.settings.get('user', '')}:{self.secrets['app_password']}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        # This form of the address works with and without pretty links.
        root = str(self.facts.get("root") or f"{self._site}/?rest_route=/").rstrip("/")
        return self.seam.answer(
            method, f"{root}{path}", headers=headers, bucket="wordpress", judge=judge or self._judged, **request
        )

    @staticmethod
    def _judged(answer: Any) -> Fault | None:
        """Its own word for what went wrong; plugins add others, which are left to the status."""
        try:
            word = answer.json(dict).get("code")
        except Fault:
            return None
        kind = _FAULTS.get(word) if isinstance(word, str) else None
        return kind(f"The answer was {answer.status} {word}.", what=str(word), status=answer.status) if kind else None

    def listening(self) -> tuple[Source, ...]:
        """Only who moderates sees what was put away."""
        wanted = self._moderates and self.settings.get("away") != "no"
        return tuple(each for each in self.sources if wanted or each.name not in AWAY)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source not in AWAY:
            return Past(cursor=Forward.again(since), newest_first=False)
        reach = max(since, now - HISTORY)
        return Past(cursor=Forward.again(reach), since=reach, newest_first=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        away = source in AWAY
        place, gaps = (Forward.lately if away else Forward.read)(cursor, now)
        where = {"status": source} if away else {}
        while not budget.spent:
            budget.spend()
            asked = {"after": zulu(place.after), "orderby": "date_gmt", "order": "asc", "page": str(place.page)}
            answer = self._list(now, **where, **asked)
            items = answer.json(list)
            posts, bad = self._mapped(items, place.since)
            posts = tuple(_put_away(post, source) for post in posts if not post.ours) if away else posts
            repeats = place.reached(items, answer.headers, now)
            yield Page(
                posts=posts, bad=bad, cursor=place.kept(), end=place.ended, rate=answer.rates, gaps=gaps,
                repeats=repeats,
            )  # fmt: skip
            if place.ended:
                return
            gaps = ()

    def _list(self, now: datetime | None, **asked: str) -> Any:
        seen = {"context": "edit", "status": "all"} if self._moderates else {}
        return self._ask("GET", COMMENTS, now=now, params={**seen, "per_page": str(PER_PAGE), **asked})

    def _mapped(self, items: Sequence[Any], since: datetime | None) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for place, item in enumerate(items):
            try:
                post = post_of(item, self._site, self._me, since)
            except MAPPING as error:
                bad.append(Bad(id_of(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, int(post.external_id)))), tuple(bad)

    @property
    def _me(self) -> str:
        return str(self.facts.get("user_id") or "")

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), PER_PAGE):
            batch = ids[start : start + PER_PAGE]
            items = self._list(now, include=",".join(batch)).json(list)
            standing += self._mapped(items, None)[0]
            shown = {id_of(item) for item in items}  # what is there but cannot be read is not deleted
            standing += [self._missing(one, now) for one in batch if one not in shown]
        return standing

    def _missing(self, one: str, now: datetime) -> Post | Deleted | Withheld:
        """What was put away is in no list of all; without the right to moderate it is not shown."""
        answer = self._ask("GET", f"{COMMENTS}/{one}", now=now, params=self._context, accept=(401, 403, 404))
        if answer.status == 404:
            return Deleted(one)
        shown = self._mapped([answer.json(dict)], None)[0] if answer.status == 200 else ()
        return shown[0] if shown else Withheld(one, "It was taken for spam, thrown away or is not approved.")

    @property
    def _context(self) -> dict[str, str]:
        return {"context": "edit"} if self._moderates else {}

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        """The newest comments of the same article before this one; a thread is told as far as they reach."""
        asked = {"post": str(post.grants.get("post") or ""), "before": zulu(post.created_at + timedelta(seconds=1))}
        items = self._list(now, orderby="date_gmt", order="desc", **asked).json(list)
        posts = {each.external_id: each for each in self._mapped(items, None)[0]}
        above, parent = list[Post](), post.parent_id
        while parent in posts and posts[parent] not in above:
            above.append(posts[parent])
            parent = posts[parent].parent_id
        return above[::-1]


def _put_away(post: Post, source: str) -> Post:
    """It is heard and makes no work, until the site shows it after all: then it comes as a comment, which lifts it into
    the queue."""
    return replace(post, kind=PostKind.RESULT, source=source, history=True)
