"""Comments of a WordPress site, with those that wait to be approved. Without a user name the public ones are read. The
site takes replies to comments that do not exist, so the parent is read before; the same text twice under one comment
is refused, which is taken as a reason to look."""

from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    CannotKnow,
    Capability,
    Check,
    Done,
    Fault,
    Field,
    Found,
    Gone,
    Measure,
    Needs,
    Outgoing,
    PolicyRefused,
    Post,
    PostState,
    Sent,
    Source,
    TextRule,
    Verb,
    Visibility,
    Way,
)
from connectors.finding import Sought
from connectors.networks.wordpress.api import AWAY, COMMENTS, PER_PAGE, host_of, id_of, root_of
from connectors.networks.wordpress.reading import Reading
from connectors.text import normalised, plain

LONGEST = 65_525
"""Bytes the database of a site holds of one comment (unverified)."""
_STATES = {"approve": "approved", "unhide": "approved", "hide": "hold", "spam": "spam", "trash": "trash"}
_BACK = {"unspam": ("spam", "unspam"), "restore": ("trash", "untrash")}
"""From where a verb brings a comment back, and the word with which the site makes it what it was before."""
_AWAY_WORDS = {
    "spam": gettext_lazy("The site took it for spam, so nobody could see the answer."),
    "trash": gettext_lazy("It lies in the trash of the site, so nobody could see the answer."),
}


class WordPress(Reading):
    name = "wordpress"
    label = "WordPress comments"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Comments of a WordPress site, also those that wait for approval or were taken for spam; answers, "
            "approving, holding back, spam and trash, there and back."
        ),
        apply=gettext_lazy(
            "An application password of a user who may moderate comments. Public comments are read without one."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("site", "Site", "The address of the blog", kind="url"),
        Field(
            "user",
            "User name",
            "Somebody who may moderate comments; empty to read public ones",
            required=False,
            account=True,
        ),
        Field(
            "app_password",
            "Application password",
            "Made on the site under Users, Profile; not the user's own password",
            secret=True,
            required=False,
            account=True,
        ),
        Field("away", "Spam and trash", "What the site put away is heard without becoming work; on sites that get "
              "masses of it, leave it there", kind="choice", choices=(("", "Read them"), ("no", "Leave them")),
              required=False, advanced=True),
    )  # fmt: skip
    sources = (
        Source("comments", "Comments", 60, 30, 600),
        Source("spam", "Comments taken for spam", 3600, 1800, 86400),
        Source("trash", "Comments in the trash", 21600, 3600, 86400),
    )
    text_rule = TextRule(LONGEST, "bytes")
    lag = 5.0

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
        if state in AWAY:
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
        elif verb in _STATES or verb in _BACK:
            found = self._ask("GET", path, params=self._context).json(dict)
            if not (wanted := _wanted(verb, str(found.get("status") or ""))):
                return Done(self._one(found))
            body = {"status": wanted}
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
        if away := post.grants.get("away"):
            unseen = Capability(False, str(_AWAY_WORDS[away]), hand_off=post.url)
            return {"reply": unseen, "restore": able} if away == "trash" else {
                "reply": unseen, "unspam": able, "trash": able}  # fmt: skip
        if post.ours:
            return {"reply": able, "edit": able, "delete": able}
        if post.visibility is Visibility.HELD:
            first = Capability(False, "It waits to be approved. Approve it first.", hand_off=post.url)
            return {"reply": first, "approve": able, "spam": able, "trash": able}
        return {"reply": able, "hide": able, "spam": able, "trash": able}

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
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


def _wanted(verb: str, status: str) -> str:
    """What the site is told, "" where the comment stands so already: it calls it a failure to set what is set, and
    holds back what it brings out of a spam in which it no longer is."""
    if verb in _BACK:
        where, word = _BACK[verb]
        return word if status == where else ""
    return "" if status == _STATES[verb] else _STATES[verb]
