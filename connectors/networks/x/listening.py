"""What X shows us, as posts: mentions, messages and searches onward and back, and again for posts we hold."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.base import (
    JSON,
    Budget,
    Connector,
    Deleted,
    Fault,
    Gap,
    Invalid,
    Page,
    Past,
    Post,
    PostKind,
    Source,
    Unreadable,
    Withheld,
)
from connectors.networks.x import access, compliance, project
from connectors.networks.x.api import Reader
from connectors.networks.x.calls import (
    PER_COUNT,
    PER_USER,
    PUBLIC,
    TOKENS,
    Bill,
    Caller,
    Walk,
)
from connectors.networks.x.reading import Standing, look_up, page_of, query_of, request_of, stand
from connectors.text import lines

if TYPE_CHECKING:
    from connectors.answers import Answer

SEARCHED, KEPT = timedelta(days=7), timedelta(days=30)
AUDITED = 2_000
"""Posts of one look for what has to go; X takes many more."""
AT_EDGE, AT_ONCE = timedelta(minutes=30), timedelta(minutes=1)
"""How far inside of what X searches a walk begins, so that it may take a while, and how far inside every page stays."""


class Listening(Connector):
    """Registers no network."""

    def listening(self) -> tuple[Source, ...]:
        if not self.secrets.get("access_token"):
            return ()
        mentions, direct, _ = self.sources
        messages = () if "dm.read" in access.lacking(self.secrets) else (direct,)
        words = lines(self.settings.get("searches"))
        return (mentions, *messages, *(Source(f"search:{each}", f"Search {each}", 300, 120, 1800) for each in words))

    @property
    def can_search(self) -> bool:
        return bool(self.secrets.get("access_token"))

    @property
    def _base(self) -> str:
        return str(self.settings.get("base_url") or PUBLIC).rstrip("/")

    def _caller(self) -> Caller:
        caller = Caller(self.seam, self.secrets, self._base, bool(self.facts.get("renamed")))
        caller.bill, caller.switched = self.bill, self._switched
        return caller

    def _switched(self, renamed: bool) -> None:
        """Whatever this channel asks from now on goes by these names."""
        self.facts = {**self.facts, "renamed": renamed}
        self.learned({"renamed": renamed})

    def _reader(self) -> Reader:
        if not self.facts.get("account_id"):
            me = self._me(self._caller())
            return Reader(str(me["id"]), str(me.get("username") or ""))
        return Reader(str(self.facts["account_id"]), str(self.facts.get("username") or ""))

    # What X tells the app

    def counted(self, text: str, now: datetime) -> int:
        caller = project.caller_of(self._caller(), self._base)
        found = project.counted(caller, query_of(text, str(self.facts.get("username") or "")))
        self.bill({"": PER_COUNT})
        return found

    def _project(self) -> tuple[JSON, tuple[str, ...]]:
        """What of the project's month is used up, where the app's own token is given; a warning where it is no good."""
        if not self.secrets.get(project.TOKEN):
            return {}, ()
        try:
            quota = project.used(project.caller_of(self._caller(), self._base))
        except Fault as fault:
            return {}, (f"X does not tell what the app's project has used up: {fault.detail or fault.words}",)
        return {"quota": quota} if quota else {}, project.warnings(quota)

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if budget.spent:
            return
        (walk, gaps), bill, caller = Walk.of(cursor, now), Bill.of(cursor, now), self._caller()
        walk, beyond = _reachable(source, walk, now)
        gaps = (*gaps, *beyond)
        reader = self._reader()
        while not (walk.ended or budget.spent):
            budget.spend()
            answer, walk = self._page(caller, reader, source, walk, budget.few)
            page, walk = page_of(answer, reader, source, walk, bill, gaps)
            budget.spend(0, page.cost)
            yield page
            gaps = ()

    def _page(self, caller: Caller, reader: Reader, source: str, walk: Walk, few: int | None) -> tuple["Answer", Walk]:
        bucket = f"x:{source.partition(':')[0]}"
        try:
            return caller.read(*request_of(reader, source, walk, few), bucket), walk
        except Invalid as fault:
            if not walk.token or fault.field not in TOKENS:
                raise
            walk = walk.again()  # a token that ran out: the walk begins anew, with the same end
            return caller.read(*request_of(reader, source, walk, few), bucket), walk

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        """Mentions alone: a post that a search found costs five times as much, a message ten times. What was paid
        today is remembered."""
        if source != "mentions":
            return None
        kept: JSON = {"bill": cursor["bill"]} if "bill" in cursor else {}
        return {"walk": _from(since, now), **kept}

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        """Every post is paid, so that somebody has to want it."""
        back = since
        if source.startswith("search"):
            back, words = now - SEARCHED + AT_EDGE, "X lets us look back 7 days only."
        elif source == "direct":
            back, words = now - KEPT, "X lets us look back 30 days only."
        else:
            words = "X gives the newest 800 mentions."
        start = max(since, back)
        return Past(cursor={"walk": _from(start, now)}, since=start, words=words, whole=source != "mentions", paid=True)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        return list(look_up(self._caller(), self._reader(), ids).values())

    @property
    def audits(self) -> int:
        return AUDITED if self.secrets.get(project.TOKEN) else 0

    def audit(self, ids: Sequence[str], place: str, now: datetime) -> list[Deleted | Withheld] | None:
        posts = [one for one in ids if one.isdecimal()]  # messages have other numbers
        if not posts:
            return []
        with project.of_the_app():
            return compliance.look(project.caller_of(self._caller(), self._base), posts, place)

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        """The beginning of the thread and the post answered; what lies between would cost a search."""
        wanted = [one for one in dict.fromkeys((post.root_id, post.parent_id)) if one and one != post.external_id]
        if not wanted or post.kind is PostKind.DIRECT:
            return []
        standing: Standing = {}
        stand(self._caller(), self._reader(), wanted, standing)
        return [found for one in wanted if isinstance(found := standing.get(one), Post)]

    def _me(self, caller: Caller) -> Mapping[str, Any]:
        fields = {"user.fields": "username,name,verified,subscription_type"}
        me = caller.read("/2/users/me", fields, "x:me").json(dict).get("data")
        if not isinstance(me, dict) or not me.get("id"):
            raise Unreadable("X did not say who we are.")
        self.bill({f"u{me['id']}": PER_USER})
        return me


def _reachable(source: str, walk: Walk, now: datetime) -> tuple[Walk, tuple[Gap, ...]]:
    """The walk with its end inside of what X still gives; it refuses a search that asks for older posts."""
    if source.startswith("search"):
        if walk.token and walk.since >= now - SEARCHED + AT_ONCE:
            return walk, ()
        return walk.no_further_than(SEARCHED - AT_EDGE, now, "X searches back for seven days only.")
    if source == "direct" and not walk.token:
        return walk.no_further_than(KEPT, now, "X keeps messages for thirty days only.")
    return walk, ()


def _from(since: datetime, now: datetime) -> JSON:
    """A walk that has not begun."""
    return {"since": since.isoformat(), "began": now.isoformat(), "token": ""}
