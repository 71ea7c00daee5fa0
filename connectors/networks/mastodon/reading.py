"""What Mastodon shows us, as posts: forward from the newest that was read, back through what was there before, and
again for posts we hold. Servers other than Mastodon: features are tried, never told from a version number."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Deleted,
    Fault,
    NotPermitted,
    Page,
    Past,
    Post,
    PostKind,
    PostState,
    Source,
    Unreadable,
    Visibility,
    Withheld,
)
from connectors.networks.mastodon.api import SHOWN, author_of, id_of, is_old, media_of, required, time_of
from connectors.networks.mastodon.forward import Place, rank
from connectors.networks.mastodon.streams import HEARD, Streaming
from connectors.text import lines, plain

WINDOW = timedelta(hours=48)
BATCH = 20


class Reading(Streaming):
    """Registers no network."""

    at_once = BATCH

    def listening(self) -> tuple[Source, ...]:
        notifications, hashtag, search = self.sources
        found = [_named(hashtag, tag.lstrip("#")) for tag in lines(self.settings.get("hashtags"))]
        if self._token:
            found = [notifications, *found, *(_named(search, words) for words in lines(self.settings.get("searches")))]
        return tuple(found)

    @property
    def can_search(self) -> bool:
        return bool(self._token) and self.facts.get("search") is not False

    @property
    def _token(self) -> str:
        return self.secrets.get("access_token", "")

    @property
    def _base(self) -> str:
        server = str(self.settings.get("server", "")).strip().rstrip("/")
        return server if "://" in server else f"https://{server}"

    @property
    def _home(self) -> str:
        """The server as it stands in the names of its accounts, which need not be its address."""
        return str(self.facts.get("domain") or urlsplit(self._base).hostname or "")

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self.seam.answer(method, f"{self._base}{path}", headers=headers, bucket="mastodon", **request)

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if cursor is not None and "below" in cursor:
            yield from self._back(source, cursor, budget, now)
            return
        place, gaps = Place.read(cursor, now)
        position, history = place.start(now), cursor is None or bool(gaps)
        while not budget.spent:
            budget.spend()
            answer, items = self._page(source, ("min_id", position), now)
            posts, bad = self._mapped(items, source, now - WINDOW if history else None)
            newest = max((id_of(item) for item in items), key=rank, default="")
            if items and not position:
                place.begin(min((id_of(item) for item in items), key=rank), now)
            forward = rank(newest) > rank(position)
            # Without a position the server gave its newest page: there is nothing above it.
            ended = not items or not forward or not position
            position = newest if forward else position
            place.reached(position, now, ended)
            repeats = int(bool(items) and not forward)
            yield Page(
                posts=posts, bad=bad, cursor=place.kept(), end=ended, rate=answer.rates, gaps=gaps, repeats=repeats
            )
            gaps = ()
            if ended:
                return

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor={"below": "", "since": since.isoformat()}, whole=not source.startswith("search"))

    def _back(self, source: str, cursor: JSON, budget: Budget, now: datetime) -> Iterator[Page]:
        """What was there before, page by page back in time."""
        below, since = str(cursor["below"]), datetime.fromisoformat(cursor["since"])
        while not budget.spent:
            budget.spend()
            answer, items = self._page(source, ("max_id", below), now)
            posts, bad = self._mapped(items, source, None)
            oldest = min((id_of(item) for item in items), key=rank, default="")
            onward = bool(oldest) and (not below or rank(oldest) < rank(below))
            ended = not onward or any(post.created_at < since for post in posts)
            below, repeats = oldest if onward else below, int(bool(items) and not onward)
            kept = {"below": below, "since": since.isoformat()}
            yield Page(posts=posts, bad=bad, cursor=kept, end=ended, rate=answer.rates, repeats=repeats)
            if ended:
                return

    def _page(self, source: str, place: tuple[str, str], now: datetime) -> tuple[Any, list[Any]]:
        kind, _, what = source.partition(":")
        above = [place] if place[1] else []
        if kind == "notifications":
            types = [("types[]", name) for name in HEARD]
            common = [("include_filtered", "true"), ("limit", "80"), *above]
            answer = self._ask("GET", "/api/v1/notifications", now=now, params=[*types, *common], accept=(422,))
            if answer.status == 422:  # a server that does not know quotes
                types.remove(("types[]", "quote"))
                answer = self._ask("GET", "/api/v1/notifications", now=now, params=[*types, *common])
            return answer, answer.json(list)
        if kind == "hashtag":
            path = f"/api/v1/timelines/tag/{quote(what, safe='')}"
            answer = self._ask("GET", path, now=now, params=[("limit", "40"), *above], judge=self._closed)
            return answer, answer.json(list)
        answer = self._ask(
            "GET", "/api/v2/search", now=now, params=[("type", "statuses"), ("q", what), ("limit", "40"), *above]
        )
        found = answer.json(dict).get("statuses")
        if not isinstance(found, list):
            raise Unreadable("A search answered without a list of posts.")
        return answer, found

    def _closed(self, answer: Any) -> Fault | None:
        if answer.status in (401, 422) and not self._token:
            return NotPermitted(
                "This server shows hashtags to signed-in accounts only.", what="hashtag", status=answer.status
            )
        return None

    def _mapped(
        self, items: Sequence[Any], source: str, history_before: datetime | None
    ) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for place, item in enumerate(items):
            try:
                post = self._heard(item, source, history_before)
            except MAPPING as error:
                bad.append(Bad(id_of(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            if post is not None:
                posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def _heard(self, item: Any, source: str, history_before: datetime | None) -> Post | None:
        """The post of a notification or of a timeline; None for what is no mention: boosts, follows, our own new
        threads."""
        status, kind = item, None
        if source == "notifications":
            status = item["status"] if item.get("type") in HEARD else None
            kind = PostKind.QUOTE if item.get("type") == "quote" else None
            if status and item["type"] == "update" and not self._is_to_us(status):
                return None
        if status is None or status.get("reblog"):
            return None
        post = self._post(status, source, kind, history_before)
        return None if post.ours and post.parent_id is None and source != "context" else post

    def _kind(self, status: Mapping[str, Any], source: str) -> PostKind:
        """What a search or a hashtag brings among strangers is no answer to us."""
        parent, found = status.get("in_reply_to_id"), source.startswith(("hashtag", "search"))
        if parent and not (found and str(status.get("in_reply_to_account_id")) != str(self.facts.get("local_id"))):
            return PostKind.REPLY
        return PostKind.MENTION if source == "notifications" else PostKind.RESULT

    def _is_to_us(self, status: Mapping[str, Any]) -> bool:
        """We are told of changes to whatever we boosted as well, which is no reason to answer."""
        me, quoted = self.facts.get("local_id"), status.get("quote")
        quoted = quoted.get("quoted_status") if isinstance(quoted, dict) else None
        named = [*(status.get("mentions") or ()), quoted.get("account") if isinstance(quoted, dict) else None]
        return not me or me in (str(status.get("in_reply_to_account_id")), *(id_of(each) for each in named))

    def _post(
        self,
        status: Mapping[str, Any],
        source: str,
        kind: PostKind | None = None,
        history_before: datetime | None = None,
    ) -> Post:
        created_at, visibility = (
            time_of(status["created_at"]),
            SHOWN.get(str(status.get("visibility")), Visibility.PUBLIC),
        )
        edited_at = time_of(status["edited_at"]) if status.get("edited_at") else None
        parent, html = status.get("in_reply_to_id"), str(status.get("content") or "")
        if visibility is Visibility.DIRECT:
            kind = PostKind.DIRECT
        elif kind is None:
            kind = self._kind(status, source)
        author = author_of(status["account"], self._home)
        uri = str(status.get("uri") or status.get("url") or "")
        return Post(
            external_id=required(status["id"]),
            kind=kind,
            source=source,
            author=author,
            text=plain(html),
            html=html,
            created_at=created_at,
            edited_at=edited_at,
            lang=str(status.get("language") or ""),
            parent_id=str(parent) if parent else None,
            root_id=uri if uri and not parent else None,
            url=str(status.get("url") or uri),
            media=tuple(media_of(each) for each in status.get("media_attachments") or ()),
            visibility=visibility,
            state=PostState.EDITED if edited_at else PostState.LIVE,
            ours=bool(self.facts.get("account_id")) and author.external_id == self.facts["account_id"],
            subject=str(status.get("spoiler_text") or ""),
            history=history_before is not None and created_at < history_before,
            grants={"favourited": bool(status.get("favourited")), "muted": bool(status.get("muted"))},
            raw=dict(status),
        )

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            answer = self._ask(
                "GET", "/api/v1/statuses", now=now, params=[("id[]", one) for one in batch], accept=(404, 405)
            )
            if answer.status >= 400:  # a server without the batch
                standing += filter(None, (self._one(wanted, now) for wanted in batch))
                continue
            items = answer.json(list)
            posts = {post.external_id: post for post in self._mapped(items, "refresh", None)[0]}
            shown = {id_of(item) for item in items}  # what is there but cannot be read is not deleted
            standing += [posts[wanted] for wanted in batch if wanted in posts]
            # Left out by a server that lags is not deleted: asked for alone it is found, or plainly not.
            missing = [one for one in batch if one not in shown and not _may_be_dropped(one, standing, now)]
            standing += filter(None, (self._one(wanted, now) for wanted in missing))
        return [
            one for one in standing
            if not (isinstance(one, Deleted) and _may_be_dropped(one.external_id, standing, now))
        ]  # fmt: skip

    def _one(self, wanted: str, now: datetime) -> Post | Deleted | None:
        answer = self._ask("GET", f"/api/v1/statuses/{quote(wanted, safe='')}", now=now, accept=(404, 410))
        if answer.status >= 400:
            return Deleted(wanted)
        posts, _ = self._mapped([answer.json(dict)], "refresh", None)
        return posts[0] if posts else None

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        path = f"/api/v1/statuses/{quote(post.external_id, safe='')}/context"
        above = self._ask("GET", path, now=now).json(dict).get("ancestors") or []
        return list(self._mapped(above, "context", None)[0])


def _may_be_dropped(identity: str, standing: Sequence[Post | Deleted | Withheld], now: datetime) -> bool:
    """Some servers drop all that is of other servers and older than so many days; one that still shows something older
    from elsewhere does not."""
    shown = [one for one in standing if isinstance(one, Post) and "@" in str(one.raw["account"].get("acct"))]
    return is_old(identity, now) and not any(rank(one.external_id) < rank(identity) for one in shown)


def _named(source: Source, what: str) -> Source:
    return Source(f"{source.name}:{what}", f"{source.label} {what}", source.interval, source.least, source.most)
