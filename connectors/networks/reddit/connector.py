"""Reddit, for those whose application it approved. Lists come newest first; what is deleted leaves a mark in them. A
comment has no key of ours, so that a lost answer is looked for among our newest comments. Reddit forbids to match its
people with accounts elsewhere. Limits and the process of approval are unverified."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.authorizing import tokens
from connectors.base import (
    JSON,
    Absent,
    AuthExpired,
    AuthRevoked,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Connector,
    Deleted,
    Done,
    Fault,
    Field,
    Found,
    Gone,
    Grant,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    Post,
    PostState,
    Secrets,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Verb,
    Way,
    Withheld,
)
from connectors.finding import Sought
from connectors.networks.reddit import library
from connectors.networks.reddit.api import MESSAGE, SITE, judged, post_of, refused
from connectors.newest_first import Walk
from connectors.text import lines, normalised

WINDOW, BATCH, SHOWN = timedelta(hours=48), 100, 100
SCOPES = ("identity", "read", "history", "privatemessages", "submit", "edit")
MAPPING = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)
_HELP = "Make it at reddit.com/prefs/apps, kind “web app”, after Reddit has approved it"


class Reddit(Connector):
    name = "reddit"
    label = "Reddit"
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy("What is said to your account, all of your subreddits, searches; answers as the account."),
        apply=gettext_lazy("An application of your organisation under reddit.com/prefs/apps."),
        cost=gettext_lazy("Free for what Reddit approves as not commercial; else by contract."),
        approval=gettext_lazy("Since November 2025 Reddit approves each new application, and refuses most."),
    )
    form = (
        Field("client_id", "Application", _HELP),
        Field("client_secret", "Secret of the application", "Beside it on the same page", secret=True),
        Field("subreddits", "Subreddits", "Read whole; one a line, such as acme", required=False, kind="lines"),
        Field("searches", "Searches", "In posts of all of Reddit; one a line", required=False, kind="lines"),
    )
    sources = (
        Source("inbox", "Messages, mentions and answers", 60, 30, 600),
        Source("comments", "Comments in", 60, 30, 600),
        Source("posts", "Posts in", 120, 60, 900),
        Source("search", "Search", 300, 120, 1800),
    )
    scopes = SCOPES
    text_rule = TextRule(10_000)
    oauth = True
    mergeable = False
    missing = "" if library.prawcore is not None else library.MISSING

    def listening(self) -> tuple[Source, ...]:
        inbox, comments, posts, search = self.sources
        subreddits = [each.removeprefix("/").removeprefix("r/") for each in lines(self.settings.get("subreddits"))]
        found = [_named(source, each) for each in subreddits for source in (comments, posts)]
        found += [_named(search, words) for words in lines(self.settings.get("searches"))]
        return (inbox, *found) if self.secrets.get("refresh_token") else tuple(found)

    @property
    def _me(self) -> str:
        return str(self.facts.get("name") or "").lower()

    @property
    def _library(self) -> library.Library:
        return library.Library(self.seam, str(self.settings.get("base_url") or "").rstrip("/"), judged)

    def _ask(self, method: str, path: str, params: JSON | None = None, data: JSON | None = None) -> Answer:
        token = self.secrets.get("access_token", "")
        if not token:
            raise AuthExpired("There is no session yet.")
        return self._library.ask(token, method, path, params, data)

    def _listing(self, path: str, **params: str) -> tuple[Answer, list[Any], str]:
        answer = self._ask("GET", path, params)
        found = answer.json(dict).get("data")
        if not isinstance(found, dict) or not isinstance(found.get("children"), list):
            raise Unreadable("A page has no list.")
        return answer, found["children"], str(found.get("after") or "")

    # Listening

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Walk.again(since)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=Walk.again(since), newest_first=True, whole=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
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
                bad.append(Bad(_name(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """Messages cannot be asked for by their names, and nobody can change them."""
        standing: list[Post | Deleted | Withheld] = []
        public = [one for one in ids if not one.startswith(MESSAGE)]
        for start in range(0, len(public), BATCH):
            standing += [_standing(post) for post in self._things(public[start : start + BATCH])]
        return standing

    def _things(self, names: Sequence[str]) -> tuple[Post, ...]:
        _, items, _ = self._listing("api/info", id=",".join(names))
        return self._mapped(items, "refresh")[0]

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        above = post.parent_id
        return list(self._things([above])) if above and not above.startswith(MESSAGE) else []

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        if not parent.external_id.startswith(MESSAGE):
            above = next(iter(self._things([parent.external_id])), None)
            if above is None or above.state in (PostState.DELETED, PostState.WITHHELD):
                raise Gone("It was deleted or removed.", what=parent.external_id)
        answer = self._written("api/comment", {"thing_id": parent.external_id, "text": outgoing.text}, parent)
        things = (answer.json(dict)["json"].get("data") or {}).get("things") or [None]
        name = _name(things[0])
        if not name:
            raise answer.unreadable("The answer to a new comment has no name.")
        path = str(things[0]["data"].get("permalink") or "")
        return Sent(name, f"{SITE}{path}" if path else "")

    def _written(self, path: str, given: JSON, post: Post) -> Answer:
        answer = self._ask("POST", path, data=given)
        if fault := refused(answer):
            fault.url = post.url
            raise fault
        return answer

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        parent, wanted = outgoing.parent, normalised(outgoing.text)
        direct = parent.external_id.startswith(MESSAGE)
        path = "message/sent" if direct else f"user/{quote(self._me, safe='')}/comments"
        answer, items, onward = self._listing(path, limit=str(SHOWN), sort="new")
        posts, bad = self._mapped(items, "own")
        sought = Sought(outgoing, lambda post: post.parent_id == parent.external_id and normalised(post.text) == wanted)
        sought.among(posts, answer.skew, bad)
        return sought.verdict(whole=sought.passed or not onward)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb == "edit":
            self._written("api/editusertext", {"thing_id": post.external_id, "text": text}, post)
        elif verb == "delete":
            try:
                self._ask("POST", "api/del", data={"id": post.external_id}).yes()
            except Gone:
                return Done()
        else:
            return super().do(verb, post, text)
        return Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.", hand_off=post.url)}
        if not self.secrets.get("refresh_token"):
            words = "This channel only listens: no account is connected."
            return {"reply": Capability(False, words, hand_off=post.url)}
        able = Capability(True, hand_off=post.url)
        if post.grants.get("locked") or post.grants.get("archived"):
            able = Capability(False, "The thread is locked or too old.", hand_off=post.url)
        own = post.ours and not post.external_id.startswith(MESSAGE)
        changing = Capability(True, hand_off=post.url)
        return {"reply": able, "edit": changing, "delete": changing} if own else {"reply": able}

    # Connecting

    def check(self) -> Check:
        if not self.secrets.get("access_token"):
            self.secrets = self.renew(self.secrets)
        if not self.secrets.get("refresh_token"):
            self._listing("r/announcements/new", limit="1")
            return Check(account_name="Reddit", account_url=SITE, server="Reddit")
        me = self._ask("GET", "api/v1/me").json(dict)
        if not isinstance(me.get("name"), str) or not me["name"]:
            raise Unreadable("It does not say who we are.")
        name = str(me["name"])
        return Check(
            account_id=name.lower(),
            account_name=f"u/{name}",
            account_url=f"{SITE}/user/{name}",
            server="Reddit",
            scopes=self.scopes,
            facts={"name": name},
        )

    def _signer(self, redirect_uri: str | None = None) -> tuple[library.Library, Any]:
        found = self._library
        given = (str(self.settings.get("client_id") or "").strip(), self.secrets.get("client_secret", ""))
        if not all(given):
            raise AuthRevoked("The application or its secret is missing.")
        return found, found.signer(*given, redirect_uri)

    def renew(self, secrets: Secrets) -> Secrets:
        """For the account where one is connected, else for the application alone, which may only read."""
        found, signer = self._signer()
        return _session(secrets, self._token(found, signer, refresh_token=secrets.get("refresh_token", "")))

    def _token(self, found: library.Library, signer: Any, **given: str) -> JSON:
        try:
            answer = found.token(signer, **given)
        except (AuthExpired, NotPermitted, Fault) as fault:
            if isinstance(fault, AuthExpired) or fault.status in (400, 403):
                raise AuthRevoked("Reddit does not accept the application or the sign-in.") from fault
            raise
        told: JSON = dict(tokens(answer, "Reddit"))
        self.seam.hidden = (
            *self.seam.hidden,
            *(str(told[key]) for key in ("access_token", "refresh_token") if told.get(key)),
        )
        return told

    def begin(self, redirect_uri: str, state: str) -> Grant:
        _, signer = self._signer(redirect_uri)
        url = signer.authorize_url(duration="permanent", scopes=list(SCOPES), state=state)
        return Grant(url, self.secrets)

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        found, signer = self._signer(redirect_uri)
        return _session(grant, self._token(found, signer, code=code))


def _session(secrets: Secrets, told: JSON) -> Secrets:
    fresh = {name: str(told[name]) for name in ("access_token", "refresh_token", "expires_in") if told.get(name)}
    return secrets.replace(**fresh)


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


def _name(item: Any) -> str:
    data = item.get("data") if isinstance(item, dict) else None
    return str(data.get("name") or "") if isinstance(data, dict) else ""
