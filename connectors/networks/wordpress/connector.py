"""Comments of a WordPress site, with those that wait to be approved. Without a user name the public ones are read. The
site takes replies to comments that do not exist, so the parent is read before; the same text twice under one comment
is refused, which is taken as a reason to look."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Connector,
    Deleted,
    Done,
    Duplicate,
    Fault,
    Field,
    Found,
    Gone,
    Measure,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostState,
    RateLimited,
    Sent,
    Source,
    TextRule,
    Verb,
    Visibility,
    Way,
    Withheld,
)
from connectors.finding import Sought
from connectors.networks.wordpress.api import (
    COMMENTS,
    PER_PAGE,
    Forward,
    host_of,
    id_of,
    post_of,
    root_of,
    zulu,
)
from connectors.text import normalised, plain

LONGEST = 65_525
"""Bytes the database of a site holds of one comment (unverified)."""
_STATES = {"approve": "approved", "unhide": "approved", "hide": "hold", "spam": "spam"}
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


class WordPress(Connector):
    name = "wordpress"
    label = "WordPress comments"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Comments of a WordPress site, also those that wait for approval; answers, approving, holding back, spam."
        ),
        apply=gettext_lazy(
            "An application password of a user who may moderate comments. Public comments are read without one."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("site", "Site", "The address of the blog", kind="url"),
        Field("user", "User name", "Somebody who may moderate comments; empty to read public ones", required=False),
        Field(
            "app_password",
            "Application password",
            "Made on the site under Users, Profile; not the user's own password",
            secret=True,
            required=False,
        ),
    )
    sources = (Source("comments", "Comments", 60, 30, 600),)
    text_rule = TextRule(LONGEST, "bytes")
    lag = 5.0

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

    # Listening

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=Forward.again(since), newest_first=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        place, gaps = Forward.read(cursor, now)
        while not budget.spent:
            budget.spend()
            asked = {"after": zulu(place.after), "orderby": "date_gmt", "order": "asc", "page": str(place.page)}
            answer = self._list(now, **asked)
            items = answer.json(list)
            posts, bad = self._mapped(items, place.since)
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
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
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

    def _missing(self, one: str, now: datetime) -> Deleted | Withheld:
        """What was taken for spam or thrown away is in no list; without the right to moderate it is not shown."""
        answer = self._ask("GET", f"{COMMENTS}/{one}", now=now, params=self._context, accept=(401, 403, 404))
        if answer.status == 404:
            return Deleted(one)
        return Withheld(one, "It was taken for spam, thrown away or is not approved.")

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

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        state = self._state(parent.external_id)
        if state != "approved":
            words = "It is not approved, so nobody could see the answer."
            raise PolicyRefused(words, rule="held", url=parent.url)
        body = {
            "post": parent.grants.get("post"),
            "parent": int(parent.external_id),
            "content": escape(outgoing.text, quote=False),
        }
        answer = self._ask("POST", COMMENTS, self._refusing(parent), json=body)
        made = answer.json(dict)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new comment has no id.")
        return Sent(id_of(made), str(made.get("link") or ""))

    def _state(self, one: str) -> str:
        """How it stands now. What was thrown away is still told, to who may see it."""
        found = self._ask("GET", f"{COMMENTS}/{one}", params=self._context).json(dict)
        state = str(found.get("status") or "")
        if state in ("trash", "spam"):
            raise Gone("It was thrown away on the site.", what=one)
        return state

    def _refusing(self, post: Post) -> Callable[[Any], Fault | None]:
        def judge(answer: Any) -> Fault | None:
            fault = self._judged(answer)
            if isinstance(fault, PolicyRefused):
                return PolicyRefused(fault.detail, rule=fault.what, url=post.url, status=fault.status)
            return fault

        return judge

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        parent = outgoing.parent
        asked = {"post": str(parent.grants.get("post") or ""), "parent": parent.external_id, "author": self._me}
        answer = self._list(None, orderby="date_gmt", order="desc", **asked)
        wanted, items = normalised(outgoing.text), answer.json(list)

        def same(post: Post) -> bool:
            said = str((post.raw.get("content") or {}).get("raw") or "")
            return wanted in (normalised(said), normalised(plain(said)))

        sought = Sought(outgoing, same)
        posts, bad = self._mapped(items, None)
        sought.among(posts, answer.skew, bad)
        return sought.verdict(whole=sought.passed or len(items) < PER_PAGE)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        path = f"{COMMENTS}/{post.external_id}"
        if verb == "delete":
            self._ask("DELETE", path, accept=(404, 410)).yes()
            return Done()
        if verb == "edit":
            body: JSON = {"content": escape(text, quote=False)}
        elif verb in _STATES:
            found = self._ask("GET", path, params=self._context).json(dict)
            if found.get("status") == _STATES[verb]:  # the site calls it a failure to set what is set
                return Done(self._one(found))
            body = {"status": _STATES[verb]}
        else:
            return super().do(verb, post, text)
        return Done(self._one(self._ask("POST", path, params=self._context, json=body).json(dict)))

    def _one(self, item: Mapping[str, Any]) -> Post | None:
        posts, _ = self._mapped([item], None)
        return posts[0] if posts else None

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The comment is no longer there.")}
        if not self._moderates:
            words = "This user may not moderate comments." if self._signed else "This channel only listens."
            return {"reply": Capability(False, words, hand_off=post.url)}
        able = Capability(True, hand_off=post.url)
        # What was told of it last counts: an approval on the site changes no stored visibility.
        if post.visibility is Visibility.HELD and post.raw.get("status", "hold") == "hold":
            first = Capability(False, "It waits to be approved. Approve it first.", hand_off=post.url)
            return {"reply": first, "approve": able, "spam": able, "delete": able}
        if post.ours:
            return {"reply": able, "edit": able, "delete": able}
        return {"reply": able, "hide": able, "spam": able, "delete": able}

    def measure(self, text: str, post: Post | None = None) -> Measure:
        used = len(escape(text, quote=False).encode("utf-8", "replace"))
        problems = (f"{used - LONGEST} bytes too long.",) if used > LONGEST else ()
        return Measure(used, LONGEST, "bytes", problems)

    # Connecting

    def check(self) -> Check:
        self.facts = {**self.facts, "root": root_of(self.seam, self._site)}
        about = self._ask("GET", "/").json(dict)
        name, host = plain(str(about.get("name") or "")) or host_of(self._site), host_of(self._site)
        facts: JSON = {"root": self.facts["root"]}
        if not self._signed:
            return Check(account_name=name, account_url=self._site, server=host, facts=facts)
        me = self._ask("GET", "/wp/v2/users/me", params={"context": "edit"}).json(dict)
        moderates = bool((me.get("capabilities") or {}).get("moderate_comments"))
        self.facts = {**facts, "user_id": str(me["id"]), "moderates": moderates}
        warning = "This user may not moderate comments: only public ones are read, and none can be answered."
        return Check(
            account_id=f"{host}/user/{me['id']}",
            account_name=f"{me.get('name') or self.settings.get('user')} ({name})",
            account_url=self._site,
            server=host,
            scopes=("moderate_comments",) if moderates else (),
            facts=dict(self.facts),
            warnings=() if moderates else (warning,),
        )
