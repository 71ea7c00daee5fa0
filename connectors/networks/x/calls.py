"""Asks the API of X: through tweepy on the seam, with the fields we need, its problems as faults, the walk back from
the newest post, and what each page costs. Reading calls use the library's plain `request`: X has announced other names
for fields, and the library's methods know only the old ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.base import (
    JSON,
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Fault,
    Gap,
    Gone,
    Invalid,
    NotPermitted,
    PolicyRefused,
    Post,
    QuotaSpent,
    Secrets,
    Unreadable,
)
from connectors.networks.x.api import Includes
from connectors.networks.x.names import names_fields, renamed
from connectors.newest_first import overlap
from connectors.text import read_json

if TYPE_CHECKING:
    import tweepy

    from connectors.answers import Answer
    from connectors.http import Seam

PUBLIC = "https://api.x.com"
_LIBRARY = "https://api.twitter.com"
"""Where tweepy sends everything, whatever it is told."""
WINDOW = timedelta(hours=48)
PER_POST, PER_OWN, PER_USER, PER_MESSAGE = Decimal("0.005"), Decimal("0.001"), Decimal("0.010"), Decimal("0.010")
"""Dollars for one thing read. Mentions and our own posts are cheaper, if the app belongs to the account."""
PER_COUNT = Decimal("0.005")
KEPT_READ = 1_000

POST_FIELDS = (
    "created_at,conversation_id,in_reply_to_user_id,referenced_tweets,author_id,lang,entities,attachments,"
    "edit_history_tweet_ids,note_tweet,possibly_sensitive,reply_settings,withheld"
)
USER_FIELDS = "username,name,verified,protected,profile_image_url,created_at,public_metrics,receives_your_dm"
MEDIA_FIELDS = "type,url,preview_image_url,alt_text,variants"
WANTED: dict[str, str] = {
    "tweet.fields": POST_FIELDS,
    "expansions": "author_id,referenced_tweets.id,attachments.media_keys",
    "user.fields": USER_FIELDS,
    "media.fields": MEDIA_FIELDS,
}
DIRECT_WANTED: dict[str, str] = {
    "event_types": "MessageCreate",
    "dm_event.fields": "created_at,dm_conversation_id,sender_id,attachments,referenced_tweets,participant_ids",
    "expansions": "sender_id,attachments.media_keys",
    "user.fields": USER_FIELDS,
    "media.fields": MEDIA_FIELDS,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What X says went wrong; `kind` is the end of its type, "" for about:blank."""

    kind: str = ""
    detail: str = ""
    parameters: tuple[str, ...] = ()
    resource: str = ""


def problems(body: Any) -> list[Problem]:
    """The problems of a body: the body itself where it is one, and those under `errors`."""
    if not isinstance(body, dict):
        return []
    errors = body.get("errors")
    given = [body, *(errors if isinstance(errors, list) else ())]
    return [_problem(each) for each in given if isinstance(each, dict) and ("type" in each or each is not body)]


def _problem(item: Mapping[str, Any]) -> Problem:
    kind = str(item.get("type") or "").rpartition("/problems/")[2].removeprefix("about:blank")
    named = item.get("parameters")
    resource = item.get("resource_id") or item.get("value") or ""
    return Problem(kind, str(item.get("detail") or ""), tuple(named) if isinstance(named, dict) else (), str(resource))


_OFF = frozenset({"client-forbidden", "not-authorized-for-resource", "unsupported-authentication"})
TOKENS = frozenset({"pagination_token", "next_token"})


def fault_of(answer: "Answer", renewable: bool, post: Post | None = None) -> Fault | None:
    """What a refusal of X means, by its problem type first; None where the status says all."""
    try:
        found = problems(read_json(answer.content))
    except (ValueError, RecursionError):
        found = []
    first, status = found[0] if found else Problem(), answer.status
    if status == 401:
        return (AuthExpired if renewable else AuthRevoked)("X does not accept the token.", status=status)
    if status == 402 or first.kind == "usage-capped":
        return QuotaSpent("The credit or the monthly amount at X is used up.", status=status)
    if status == 403:
        return _refused(first, answer.write, post)
    if status == 400:
        named = next((name for problem in found for name in problem.parameters), "")
        return Invalid(f"X did not accept {named or 'the request'}.", field=named, status=status)
    return None


def _refused(problem: Problem, write: bool, post: Post | None) -> Fault:
    if problem.kind in _OFF or not write:
        return NotPermitted("The app or the account lacks the right for it.", what=problem.kind, status=403)
    # One status and one type for three refusals; taking a refusal for a duplicate costs only a look back.
    if "duplicate" in problem.detail.lower():
        return Duplicate("X has a post with this text already.", status=403)
    url = post.url if post else ""
    return PolicyRefused("X lets programs answer only who named or quoted us.", rule="summoned", url=url, status=403)


def _several(data: Any) -> Sequence[Any]:
    return data if isinstance(data, list) else [data]


class Caller:
    """Calls of one channel. `renamed`: the server wants the new names of fields; `switched` is told when that turns
    out to be otherwise."""

    def __init__(self, seam: "Seam", secrets: Secrets, base: str, renamed: bool = False) -> None:
        self.seam, self.secrets, self.renamed = seam, secrets, renamed
        self.bill: Callable[[Mapping[str, Decimal]], None] = lambda prices: None
        self.switched: Callable[[bool], None] = lambda renamed: None
        seam.rewrite[_LIBRARY] = seam.rewrite.get(base, base)

    def read(self, route: str, params: Mapping[str, Any], bucket: str) -> "Answer":
        """One reading request; a second one only when the names of fields turn out to have changed, or not to have:
        only what the other names bring tells."""
        names = (dict(params), renamed(params))
        try:
            return self._get(route, names[self.renamed], bucket)
        except Invalid as fault:
            if names[0] == names[1] or not names_fields(fault.field):
                raise
        answer = self._get(route, names[not self.renamed], bucket)
        self.renamed = not self.renamed
        self.switched(self.renamed)
        return answer

    def charge(self, body: Mapping[str, Any], each: Decimal) -> None:
        """What an answer that is no page of a poll costs: its items, and the accounts and posts that came with them."""
        items, includes = body.get("data"), Includes.of(body)
        prices = {str(item["id"]): each for item in _several(items) if isinstance(item, dict) and item.get("id")}
        prices |= {f"u{user}": PER_USER for user in includes.users}
        self.bill(dict.fromkeys(includes.posts, PER_POST) | prices)

    def _get(self, route: str, params: Mapping[str, Any], bucket: str) -> "Answer":
        given = {name: value for name, value in params.items() if value not in (None, "")}
        return self.call(lambda client: client.request("GET", route, params=given), bucket)

    def upload(self, route: str, method: str = "POST", **request: Any) -> "Answer":
        """One step of bringing a file, which the library can only do by an older way in."""
        return self.seam.answer(
            method,
            f"{_LIBRARY}{route}",
            write=False,
            headers={"Authorization": f"Bearer {self._token()}"},
            bucket="x:media",
            judge=lambda answer: fault_of(answer, "refresh_token" in self.secrets),
            **request,
        )

    def job(self, route: str, body: JSON) -> "Answer":
        """Something X is to do for the app, which a second time changes nothing that people see."""
        return self.seam.answer(
            "POST",
            f"{_LIBRARY}{route}",
            write=False,
            headers={"Authorization": f"Bearer {self._token()}"},
            bucket="x:compliance",
            judge=lambda answer: fault_of(answer, renewable=False),
            json=body,
        )

    def call(self, act: Callable[["tweepy.Client"], Any], bucket: str, post: Post | None = None) -> "Answer":
        """One call of the library. Its result and its exceptions are not used: it loses bodies and breaks on odd
        ones."""
        import tweepy

        client = tweepy.Client(self._token(), return_type=dict, wait_on_rate_limit=False)
        client.session, client.user_agent = self.seam, str(self.seam.headers["User-Agent"])
        calls = self.seam.count
        try:
            act(client)
        except (tweepy.TweepyException, AttributeError, TypeError, KeyError, ValueError):
            if self.seam.count == calls:  # refused by ourselves before anything was sent
                raise
        return self.seam.outcome(bucket, lambda answer: fault_of(answer, "refresh_token" in self.secrets, post))

    def _token(self) -> str:
        if token := self.secrets.get("access_token"):
            return token
        raise AuthRevoked("Nobody has signed in with this channel yet.")


@dataclass(frozen=True, slots=True)
class Walk:
    """X gives its newest first: a walk goes from there back to `since`. Cut by its budget it goes on at `token` with
    the same `since`. Only when it has ended, what follows starts an `overlap` before it `began`."""

    since: datetime
    began: datetime
    token: str = ""
    ended: bool = False

    @classmethod
    def of(cls, cursor: JSON | None, now: datetime) -> tuple["Walk", tuple[Gap, ...]]:
        """The first reading goes back for 48 hours and no further: every post that is read is paid."""
        if cursor is None:
            return cls(now - WINDOW, now), ()
        try:
            if "walk" in cursor:
                kept = cursor["walk"]
                return cls(_moment(kept["since"]), _moment(kept["began"]), str(kept["token"])), ()
            read = min(_moment(cursor["read"]), now)
            return cls(read - overlap(now - read), now), ()
        except (KeyError, TypeError, ValueError):
            why = "The place where reading stopped could not be used."
            return cls(now - WINDOW, now), (Gap(None, now - WINDOW, why),)

    def no_further_than(self, most: timedelta, now: datetime, words: str) -> tuple["Walk", tuple[Gap, ...]]:
        """What is older than the network keeps is a gap."""
        oldest = now - most
        if self.since >= oldest:
            return self, ()
        return replace(self, since=oldest), (Gap(self.since, oldest, words),)

    def onward(self, token: str, arrived: bool) -> "Walk":
        """After a page; a token that does not change would lead round for ever."""
        return replace(self, token=token, ended=arrived or not token or token == self.token)

    def again(self) -> "Walk":
        return replace(self, token="")

    def kept(self) -> JSON:
        if self.ended:
            return {"read": self.began.isoformat()}
        return {"walk": {"since": self.since.isoformat(), "began": self.began.isoformat(), "token": self.token}}


def _moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=time.tzinfo or UTC)


class Bill:
    """What reading costs. X bills a thing once in a UTC day, so what was read today is remembered, as far as a cursor
    has room: the figure may be too high, never too low."""

    def __init__(self, day: str, known: Iterable[str]) -> None:
        self.day, self.known = day, dict.fromkeys(known)

    @classmethod
    def of(cls, cursor: JSON | None, now: datetime) -> "Bill":
        day, kept = now.astimezone(UTC).date().isoformat(), (cursor or {}).get("bill")
        if not isinstance(kept, dict) or kept.get("day") != day or not isinstance(kept.get("known"), list):
            return cls(day, ())
        return cls(day, map(str, kept["known"]))

    def charge(self, things: Iterable[str], each: Decimal) -> Decimal:
        fresh = [thing for thing in dict.fromkeys(things) if thing not in self.known]
        self.known |= dict.fromkeys(fresh)
        return each * len(fresh)

    def kept(self) -> JSON:
        return {"day": self.day, "known": list(self.known)[-KEPT_READ:]}

    def of_page(self, items: Sequence[Any], users: Iterable[str], posts: Iterable[str], source: str) -> Decimal:
        """Items of a page, the accounts that came with them, and the posts they refer to."""
        ids = [str(item["id"]) for item in items if isinstance(item, dict) and item.get("id")]
        each = {"direct": PER_MESSAGE, "mentions": PER_OWN}.get(source, PER_POST)
        cost = self.charge(ids, each) + self.charge((f"u{user}" for user in users), PER_USER)
        return cost + self.charge(posts, PER_POST)


def next_of(body: Mapping[str, Any]) -> str:
    """The token of the page behind this one; "" when there is none."""
    meta = body.get("meta")
    return str((meta if isinstance(meta, dict) else {}).get("next_token") or "")


def items_of(answer: "Answer", body: Mapping[str, Any]) -> list[Any]:
    """The items of a list; none is no `data`. A body that is no list at all says why, or cannot be read."""
    items = body.get("data")
    if isinstance(items, list):
        return items
    if isinstance(body.get("meta"), dict) and items is None:
        return []
    found = problems(body)
    if found and found[0].kind == "resource-not-found":
        raise Gone("X does not know the account.", status=answer.status)
    if found and found[0].kind in _OFF:
        raise NotPermitted("The app or the account lacks the right for it.", what=found[0].kind, status=answer.status)
    raise Unreadable("A page of X has no list.", body=answer.content[:2048].decode("utf-8", "replace"))
