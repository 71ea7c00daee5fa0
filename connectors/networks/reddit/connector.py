"""Reddit, for those whose application it approved. Lists come newest first; what is deleted leaves a mark in them. A
comment has no key of ours, so that a lost answer is looked for among our newest comments. Reddit forbids to match its
people with accounts elsewhere. Limits and the process of approval are unverified."""

from datetime import datetime
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    Absent,
    CannotKnow,
    Capability,
    Done,
    Field,
    Found,
    Gone,
    Needs,
    Outgoing,
    Post,
    PostState,
    Sent,
    Source,
    TextRule,
    Verb,
    Way,
)
from connectors.finding import Sought
from connectors.networks.reddit import library, moderating
from connectors.networks.reddit.access import SCOPES
from connectors.networks.reddit.api import MESSAGE, SITE, refused
from connectors.networks.reddit.modmail import NAME
from connectors.networks.reddit.reading import Reading, name_of
from connectors.text import normalised
from connectors.topics import dialects

SHOWN = 100
_HELP = "Make it at reddit.com/prefs/apps, kind “web app”, after Reddit has approved it"


class Reddit(Reading):
    name = "reddit"
    label = "Reddit"
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy(
            "What is said to your account, all of your subreddits, their modmail, searches; answers as the account."
        ),
        apply=gettext_lazy("An application of your organisation under reddit.com/prefs/apps."),
        cost=gettext_lazy("Free for what Reddit approves as not commercial; else by contract."),
        approval=gettext_lazy("Since November 2025 Reddit approves each new application, and refuses most."),
    )
    form = (
        Field("client_id", "Application", _HELP),
        Field("client_secret", "Secret of the application", "Beside it on the same page", secret=True),
        Field("subreddits", "Subreddits", "Read whole; one a line, such as acme", required=False, kind="lines"),
        Field(
            "modmail", "Modmail", "Of subreddits that the account moderates; one a line", required=False, kind="lines"
        ),
        Field(
            "moderation",
            "Moderating",
            "In subreddits whose posts the account may moderate; needs a new sign-in",
            required=False,
            kind="choice",
            choices=(("", "Only on Reddit"), ("yes", "From here: remove, approve, lock")),
            advanced=True,
        ),
        Field("searches", "Searches", "In posts of all of Reddit; one a line", required=False, kind="lines"),
    )
    sources = (
        Source("inbox", "Messages, mentions and answers", 60, 30, 600),
        Source("comments", "Comments in", 60, 30, 600),
        Source("posts", "Posts in", 120, 60, 900),
        Source("modmail", "Modmail of", 120, 60, 900),
        Source("search", "Search", 300, 120, 1800),
    )
    scopes = SCOPES
    text_rule = TextRule(10_000)
    oauth = public = True
    dialect = dialects.REDDIT
    mergeable = False
    missing = "" if library.prawcore is not None else library.MISSING

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        if parent.external_id.startswith(NAME):
            return self._send_modmail(outgoing)
        if not parent.external_id.startswith(MESSAGE):
            above = next(iter(self._things([parent.external_id])), None)
            if above is None or above.state in (PostState.DELETED, PostState.WITHHELD):
                raise Gone("It was deleted or removed.", what=parent.external_id)
        answer = self._written("api/comment", {"thing_id": parent.external_id, "text": outgoing.text}, parent)
        things = (answer.json(dict)["json"].get("data") or {}).get("things") or [None]
        name = name_of(things[0])
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
        if parent.external_id.startswith(NAME):
            return self._find_modmail(outgoing)
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
        elif verb in moderating.PATHS:
            self._ask("POST", moderating.PATHS[verb], data=moderating.asked(verb, post)).yes()
            return Done(moderating.after(verb, post))
        else:
            return super().do(verb, post, text)
        return Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.", hand_off=post.url)}
        if not self.secrets.get("refresh_token"):
            words = "This channel only listens: no account is connected."
            return {"reply": Capability(False, words, hand_off=post.url)}
        able, private = Capability(True, hand_off=post.url), post.external_id.startswith((MESSAGE, NAME))
        acts = {} if private else self._acts(post, able)
        moderates = any(each.allowed for each in acts.values())
        words = moderating.unseen(post)
        if post.grants.get("archived") or (post.grants.get("locked") and not moderates):
            words = "The thread is locked or too old."
        reply = Capability(False, words, hand_off=post.url) if words else able
        own: dict[Verb, Capability] = {"edit": able, "delete": able} if post.ours and not private else {}
        return {"reply": reply, **own, **acts}

    def _acts(self, post: Post, able: Capability) -> dict[Verb, Capability]:
        """Of a moderator, with the reason where the account is none there or its sign-in does not allow it."""
        where = str(post.raw.get("subreddit") or "")
        if not (self._wants_acts and where):  # what we have just written does not say where it stands
            return {}
        if not self._granted >= {*moderating.SCOPES}:
            why = "The sign-in does not allow to moderate. Sign in again, and allow it."
        elif where.lower() not in (self.facts.get("moderates") or ()):
            why = f"The account may not moderate posts in r/{where}."
        else:
            return moderating.verbs(post, able)
        return {"hide": Capability(False, why, hand_off=post.url)}
