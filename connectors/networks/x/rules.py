"""What X allows for a post, how a reply counts and what it costs. Prices are dollars of the pay-per-use plan."""

from collections.abc import Collection
from decimal import Decimal

from connectors.base import Capability, Measure, Post, PostKind, PostState, Verb
from connectors.networks.x.weighted import LIMIT, cashtags, has_link, weighted_length

LONG, DIRECT_LONG = 25_000, 10_000
UNIT = "weighted characters"
COST_SUMMONED, COST_REPLY, COST_LINK = Decimal("0.010"), Decimal("0.015"), Decimal("0.20")
COST_MESSAGE = Decimal("0.015")
COST_DELETE, COST_HIDE = Decimal("0.010"), Decimal("0.005")
COST_MUTE = Decimal("0.015")
"""Our reading of “interaction: create”; taking it back counts as one that is deleted."""

_GONE = "The post is no longer there."
_ONLY_SUMMONED = "X lets programs answer only posts whose author named or quoted us. Answer it on X."
_MAY_REFUSE = "The author answers us without naming us: X may refuse it."
_MAY_BE_CLOSED = "It arrives only if the author takes messages from everybody."
_CLOSED = "The author takes no messages from us."
_NOT_TOLD = "X does not tell whether it is hidden."
_MUTE = "X does not tell whether its author is muted; of muted ones we may hear nothing more."


def able(post: Post, lacking: Collection[str]) -> dict[Verb, Capability]:
    """`lacking`: the scopes that our sign-in does not have."""
    if post.state in (PostState.DELETED, PostState.WITHHELD):
        return {"reply": Capability(False, _GONE)}
    if post.kind is PostKind.DIRECT:
        return {"reply": _with_scope("dm.write", lacking, Capability(True, cost=COST_MESSAGE, hand_off=post.url))}
    reply = _with_scope("tweet.write", lacking, _reply(post))
    if post.ours:
        remove = Capability(True, cost=COST_DELETE, hand_off=post.url)
        return {"reply": reply, "delete": _with_scope("tweet.write", lacking, remove)}
    can: dict[Verb, Capability] = {"reply": reply, "private_reply": _with_scope("dm.write", lacking, _private(post))}
    if post.parent_id and post.grants.get("root_ours"):
        hide = Capability(True, _NOT_TOLD, cost=COST_HIDE, hand_off=post.url)
        hide = _with_scope("tweet.moderate.write", lacking, hide)
        can |= {"hide": hide, "unhide": hide}
    prices: dict[Verb, Decimal] = {"mute": COST_MUTE, "unmute": COST_DELETE}
    muting = {verb: Capability(True, _MUTE, cost=cost, hand_off=post.url) for verb, cost in prices.items()}
    return can | {verb: _with_scope("mute.write", lacking, each) for verb, each in muting.items()}


def _reply(post: Post) -> Capability:
    if post.grants.get("summoned"):
        return Capability(True, cost=COST_SUMMONED, hand_off=post.url)
    if post.ours:
        return Capability(True, cost=COST_REPLY, hand_off=post.url)
    if post.grants.get("to_us"):
        return Capability(True, _MAY_REFUSE, cost=COST_REPLY, hand_off=post.url)
    return Capability(False, _ONLY_SUMMONED, hand_off=post.url)


def _private(post: Post) -> Capability:
    opens = post.grants.get("direct")
    if opens is False:
        return Capability(False, _CLOSED, hand_off=post.author.url)
    return Capability(True, "" if opens else _MAY_BE_CLOSED, cost=COST_MESSAGE, hand_off=post.author.url)


def _with_scope(scope: str, lacking: Collection[str], capability: Capability) -> Capability:
    if scope not in lacking or not capability.allowed:
        return capability
    return Capability(False, "The sign-in of this channel does not include it.", hand_off=capability.hand_off)


def measured(text: str, post: Post | None, longest: int, *, private: bool = False) -> Measure:
    """As X counts: names that X itself puts before a reply are not part of the text and so not counted."""
    if private or (post is not None and post.kind is PostKind.DIRECT):
        return _measure(len(text), DIRECT_LONG, "characters", [], COST_MESSAGE)
    tags = cashtags(text)
    problems = ["X takes one cashtag a post."] if tags > 1 else []
    return _measure(weighted_length(text), longest, UNIT, problems, _price(text, post))


def _price(text: str, post: Post | None) -> Decimal:
    """An answer to who named or quoted us costs less than one in a thread of our own; a link costs most."""
    if has_link(text):
        return COST_LINK
    return COST_SUMMONED if post is None or post.grants.get("summoned") else COST_REPLY


def _measure(used: int, limit: int, unit: str, problems: list[str], cost: Decimal) -> Measure:
    if used > limit:
        problems.append(f"{used - limit} {unit} too long.")
    return Measure(used, limit, unit, tuple(problems), cost)


def longest_of(subscription: object) -> int:
    return LONG if str(subscription) in ("Premium", "PremiumPlus") else LIMIT
