"""What is asked of X for each source, and how what comes back becomes posts: lists, lookups by id, pages."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectors.base import MAPPING, Bad, Deleted, Gap, Page, Post, PostKind, Withheld
from connectors.networks.x.api import DIRECT, Includes, Reader, id_at, newer_version, newest_of_each
from connectors.networks.x.calls import DIRECT_WANTED, PER_POST, WANTED, Bill, Caller, Walk, items_of, next_of, problems

if TYPE_CHECKING:
    from connectors.answers import Answer

type Standing = dict[str, Post | Deleted | Withheld]
PAGE = 100
LEAST = {"mentions": 5, "search": 10, "direct": 1}


def request_of(reader: Reader, source: str, walk: Walk, few: int | None = None) -> tuple[str, dict[str, Any]]:
    """Route and parameters of the next page, of no more than a `few` items as far as X lets us choose."""
    kind, _, words = source.partition(":")
    size = PAGE if few is None else max(LEAST[kind], few)
    common = {"max_results": size, "pagination_token": walk.token}
    if kind == "direct":
        return "/2/dm_events", DIRECT_WANTED | common
    common["since_id"] = id_at(walk.since)
    if kind == "mentions":
        return f"/2/users/{reader.me}/mentions", WANTED | common
    return "/2/tweets/search/recent", WANTED | common | {"query": query_of(words, reader.name)}


def query_of(words: str, name: str) -> str:
    """A search without reposts and without what we say ourselves."""
    ours = f" -from:{name}" if name else ""
    return f"({words}) -is:retweet{ours}"


def page_of(
    answer: "Answer", reader: Reader, source: str, walk: Walk, bill: Bill, gaps: tuple[Gap, ...]
) -> tuple[Page, Walk]:
    """A page as the contract wants it, and where the walk stands after it."""
    body = answer.json(dict)
    items, includes = items_of(answer, body), Includes.of(body)
    posts, bad = mapped(items, includes, reader, source)
    cost = bill.of_page(items, includes.users, includes.posts, source)
    token = next_of(body)
    arrived = source == "direct" and bool(posts) and min(post.created_at for post in posts) < walk.since
    repeats = int(bool(token) and token == walk.token)
    walk = walk.onward(token, arrived)
    # Our own posts that answer nobody are no news to us.
    posts = tuple(post for post in posts if not post.ours or post.parent_id or post.kind is PostKind.DIRECT)
    cursor = walk.kept() | {"bill": bill.kept()}
    return Page(
        posts=posts, bad=bad, cursor=cursor, end=walk.ended, rate=answer.rates, cost=cost, gaps=gaps, repeats=repeats
    ), walk


def mapped(
    items: Sequence[Any], includes: Includes, reader: Reader, source: str
) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
    posts, bad = [], []
    read = reader.direct if source == "direct" else reader.post
    for place, item in enumerate(items):
        try:
            post = read(item, includes, source)
        except MAPPING as error:
            named = str(item["id"]) if isinstance(item, dict) and item.get("id") else None
            bad.append(Bad(named, f"{type(error).__name__}: {error}", item, place))
            continue
        if post is not None:
            posts.append(post)
    return newest_of_each(posts), tuple(bad)


def look_up(caller: Caller, reader: Reader, ids: Sequence[str]) -> Standing:
    """How posts stand now. An edit has an id of its own, so that whatever was edited is asked for once more."""
    asked = [one for one in ids if not one.startswith(DIRECT)]
    standing: Standing = {}
    newer: list[str] = []
    for start in range(0, len(asked), PAGE):
        newer += stand(caller, reader, asked[start : start + PAGE], standing)
    for start in range(0, len(newer), PAGE):
        stand(caller, reader, newer[start : start + PAGE], standing)
    return {one: standing[one] for one in asked if one in standing}


def stand(caller: Caller, reader: Reader, ids: Sequence[str], standing: Standing) -> list[str]:
    """Puts down how at most a hundred posts stand; returns the ids of versions that came after them."""
    body: Mapping[str, Any] = caller.read("/2/tweets", WANTED | {"ids": ",".join(ids)}, "x:lookup").json(dict)
    caller.charge(body, PER_POST)
    items = [item for item in body.get("data") or () if isinstance(item, dict)]
    posts, _ = mapped(items, Includes.of(body), reader, "refresh")
    standing |= {post.external_id: post for post in posts}
    for problem in problems(body):
        if problem.kind == "resource-not-found":
            standing[problem.resource] = Deleted(problem.resource)
        elif problem.kind == "not-authorized-for-resource":
            standing[problem.resource] = Withheld(problem.resource, "It is shown to followers only.")
    return [newer for item in items if (newer := newer_version(item))]
