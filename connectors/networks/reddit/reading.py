"""Reads the lists of Reddit, newest first, and how known comments and posts stand now."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from connectors.base import JSON, MAPPING, Bad, Budget, Deleted, Page, Past, Post, PostState, Source, Withheld
from connectors.networks.reddit.api import MESSAGE, post_of
from connectors.networks.reddit.modmail import NAME, SOURCE, Modmail
from connectors.newest_first import Walk
from connectors.rounds import Round
from connectors.text import lines

WINDOW, BATCH = timedelta(hours=48), 100


class Reading(Modmail):
    """Registers no network."""

    at_once = BATCH

    def listening(self) -> tuple[Source, ...]:
        inbox, comments, posts, modmail, search = self.sources
        subreddits = _subreddits(self.settings.get("subreddits"))
        found = [_named(source, each) for each in subreddits for source in (comments, posts)]
        found += [_named(search, words) for words in lines(self.settings.get("searches"))]
        if not self.secrets.get("refresh_token"):
            return tuple(found)
        return (inbox, *found, *(_named(modmail, each) for each in _subreddits(self.settings.get("modmail"))))

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Round.again(since, now) if source.startswith(SOURCE) else Walk.again(since)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source.startswith(SOURCE):
            return self._modmail_past(since, now)
        return Past(cursor=Walk.again(since), newest_first=True, whole=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        read = self._modmail if source.startswith(SOURCE) else self._lists
        return read(source, cursor, budget, now)

    def _lists(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk = Walk.read(cursor, now, WINDOW)
        while not budget.spent:
            budget.spend()
            path, params = _place(source)
            onward = {"after": walk.at} if walk.at else {}
            answer, items, after = self._listing(path, limit=str(BATCH), **params, **onward)
            posts, bad = self._mapped(items, source, walk.since)
            repeats = walk.reached(items, [post.created_at for post in posts], after, now)
            heard = tuple(post for post in posts if not post.ours or post.parent_id)
            yield Page(
                posts=heard, bad=bad, cursor=walk.kept(), end=walk.ended, rate=answer.rates, gaps=walk.gaps,
                repeats=repeats,
            )  # fmt: skip
            if walk.ended:
                return
            walk.gaps = ()

    def _mapped(
        self, items: Sequence[Any], source: str, history_before: datetime | None = None
    ) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for place, item in enumerate(items):
            try:
                post = post_of(item, source, self._me, history_before)
            except MAPPING as error:
                bad.append(Bad(name_of(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """Messages cannot be asked for by their names, and nobody can change them."""
        standing: list[Post | Deleted | Withheld] = []
        public = [one for one in ids if not one.startswith((MESSAGE, NAME))]
        for start in range(0, len(public), BATCH):
            standing += [_standing(post) for post in self._things(public[start : start + BATCH])]
        return standing

    def _things(self, names: Sequence[str]) -> tuple[Post, ...]:
        _, items, _ = self._listing("api/info", id=",".join(names))
        return self._mapped(items, "refresh")[0]

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        above = post.parent_id
        return list(self._things([above])) if above and not above.startswith((MESSAGE, NAME)) else []


def _subreddits(given: Any) -> list[str]:
    return [each.removeprefix("/").removeprefix("r/") for each in lines(given)]


def _named(source: Source, what: str) -> Source:
    return Source(f"{source.name}:{what}", f"{source.label} {what}", source.interval, source.least, source.most)


def _place(source: str) -> tuple[str, dict[str, str]]:
    kind, _, what = source.partition(":")
    if kind == "comments":
        return f"r/{quote(what, safe='')}/comments", {}
    if kind == "posts":
        return f"r/{quote(what, safe='')}/new", {}
    if kind == "search":
        return "search", {"q": what, "sort": "new", "type": "link"}
    return "message/inbox", {"mark": "false"}


def _standing(post: Post) -> Post | Deleted | Withheld:
    if post.state is PostState.DELETED:
        return Deleted(post.external_id)
    if post.state is PostState.WITHHELD:
        return Withheld(post.external_id, "It was removed by moderators.")
    return post


def name_of(item: Any) -> str:
    data = item.get("data") if isinstance(item, dict) else None
    return str(data.get("name") or "") if isinstance(data, dict) else ""
