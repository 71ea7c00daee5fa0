"""X, through an app of the organisation's own that is paid by use. X lets programs answer only those who named or
quoted the account; whatever else is heard has to be answered on X itself. Unverified, for want of an account: whether
the names that X puts before a reply count as naming, and whether refresh tokens change with each use (a new one is
kept where one is given)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    Accepted,
    CannotKnow,
    Capability,
    Challenge,
    Check,
    Done,
    Fault,
    Field,
    Found,
    Gone,
    Grant,
    Incoming,
    Invalid,
    Measure,
    MediaRule,
    Medium,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    PolicyRefused,
    Post,
    PostKind,
    Rejected,
    Secrets,
    Sent,
    Source,
    TextRule,
    Uploaded,
    Verb,
    Way,
)
from connectors.finding import NEAR, Sought
from connectors.networks.x import access, uploads
from connectors.networks.x.api import DIRECT, WEB, Includes, Reader, hidden, id_at, without_names
from connectors.networks.x.calls import (
    DIRECT_WANTED,
    PER_COUNT,
    PER_MESSAGE,
    PER_OWN,
    WANTED,
    Caller,
    items_of,
    next_of,
)
from connectors.networks.x.project import TOKEN
from connectors.networks.x.reading import PAGE, mapped
from connectors.networks.x.rules import UNIT, able, longest_of, measured
from connectors.networks.x.weighted import LIMIT, has_link
from connectors.text import normalised
from connectors.topics import dialects

if TYPE_CHECKING:
    from connectors.answers import Answer

from connectors.networks.x.listening import Listening


class X(Listening):
    name = "x"
    label = "X"
    keeps_uploads = 12 * 3600.0
    needs = Needs(
        way=Way.APP,
        does=gettext_lazy(
            "Mentions, private messages and searches. Answers only to posts whose author named or quoted your"
            " account: X refuses all others, and they open on X."
        ),
        apply=gettext_lazy(
            "An app of your own at developer.x.com, made by the account that is to listen, so that its own "
            "mentions cost a fifth."
        ),
        cost=gettext_lazy(
            "Paid by use: an own mention $0.001, another post $0.005, a message or a person $0.01; an answer "
            "$0.01, in a thread of your own $0.015, with a link $0.20. Once a day the mentions of two days are read "
            "again and paid again, with the people who wrote them. A limit for the month can be set."
        ),
    )
    form = (
        Field("client_id", "Client ID", "Of your own app at developer.x.com, made by the account that is to listen"),
        Field("client_secret", "Client secret", "Empty if the app is a public client", secret=True, required=False),
        Field("searches", "Searches", "One a line; each post found costs $0.005", required=False, kind="lines"),
        Field("bearer_token", "Bearer token", "Of the app: only with it X says how much a search would find, what of "
              "the project's month is used up, and what was deleted", secret=True, required=False, advanced=True),
        Field("consumer_secret", "API key secret", "Only if X is to deliver posts at once by a webhook", secret=True,
              required=False, advanced=True),
    )  # fmt: skip
    counts, counts_with = PER_COUNT, TOKEN
    sources = (
        Source("mentions", "Mentions", 60, 30, 900),
        Source("direct", "Private messages", 120, 90, 900),
        Source("search", "Search", 300, 120, 1800),
    )
    scopes = access.SCOPES
    text_rule = TextRule(LIMIT, UNIT)
    oauth = True
    hooked = True
    hook_words = gettext_lazy(
        "Register it as the webhook of your app at developer.x.com and subscribe it to this account. X tries it with a "
        "question that is answered by itself, and signs deliveries with the app’s API key secret, which has to "
        "stand in the settings of this channel."
    )
    hook_secret = "consumer_secret"  # noqa: S105  the name of a field
    currency = "$"
    follows_again = timedelta(days=1)  # every post is paid once a day
    revisits = None  # and those of closed conversations are many
    recordings = ("x",)
    dialect = dialects.X

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        if outgoing.private or parent.kind is PostKind.DIRECT:
            return self._send_message(outgoing)
        try:
            answer = self._caller().call(
                lambda client: client.create_tweet(
                    text=outgoing.text,
                    in_reply_to_tweet_id=parent.external_id,
                    media_ids=[medium.token for medium in outgoing.media] or None,
                    user_auth=False,
                ),
                "x:post",
                parent,
            )
        except (Invalid, PolicyRefused, NotPermitted):
            self._if_gone(parent)
            raise
        made = _made(answer, "id")
        return Sent(made, f"{WEB}/{self.facts.get('username') or 'i'}/status/{made}")

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.rule_of(self.secrets, direct=private or post.kind is PostKind.DIRECT)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        direct = outgoing.private or outgoing.parent.kind is PostKind.DIRECT
        return uploads.step(self._caller(), medium, so_far, direct=direct)

    def _if_gone(self, parent: Post) -> None:
        """X refuses an answer to a post that is not there as it refuses others: only looking tells."""
        try:
            found = self.refresh([parent.external_id], parent.created_at)
        except Fault:
            return  # what X said first is still the better word
        if found and not isinstance(found[0], Post):
            raise Gone("It was deleted or is no longer shown to us.", what=parent.external_id)

    def _send_message(self, outgoing: Outgoing) -> Sent:
        conversation = str(outgoing.parent.grants.get("conversation") or "")
        # A group is known by a number; between two people the other one is named.
        group = outgoing.parent.kind is PostKind.DIRECT and conversation.isdecimal()
        to = {"dm_conversation_id": conversation} if group else {"participant_id": self._other(outgoing.parent)}
        answer = self._caller().call(
            lambda client: client.create_direct_message(
                text=outgoing.text,
                media_id=next((medium.token for medium in outgoing.media), None),
                user_auth=False,
                **to,
            ),
            "x:message",
            outgoing.parent,
        )
        return Sent(DIRECT + _made(answer, "dm_event_id"))

    def _other(self, post: Post) -> str:
        """The other side of a conversation, also when the post is our own."""
        pair = str(post.grants.get("conversation") or "").split("-")
        return next((one for one in pair if one and one != self._reader().me), post.author.external_id)

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        reader, caller = self._reader(), self._caller()
        direct = outgoing.private or outgoing.parent.kind is PostKind.DIRECT
        answer = self._look(caller, reader, outgoing, direct)
        body = answer.json(dict)
        caller.charge(body, PER_MESSAGE if direct else PER_OWN)
        posts, bad = mapped(items_of(answer, body), Includes.of(body), reader, "direct" if direct else "own")
        wanted, above = _comparable(outgoing.text, direct), outgoing.parent.external_id

        def same(post: Post) -> bool:
            # X writes the address of our pictures behind the words, and may or may not tell it from one of ours.
            said = {post.text, uploads.without_link(post.text)} if outgoing.media else {post.text}
            return (direct or post.parent_id == above) and wanted in {_comparable(each, direct) for each in said}

        sought = Sought(outgoing, same)
        sought.among([replace(post, url="") for post in posts] if direct else posts, answer.skew, bad)
        shortened = direct and has_link(outgoing.text)  # its links stand there under addresses of X's own
        return sought.verdict(whole=not shortened and (sought.passed or not next_of(body)))

    def _look(self, caller: Caller, reader: Reader, outgoing: Outgoing, direct: bool) -> "Answer":
        conversation = str(outgoing.parent.grants.get("conversation") or "")
        if direct and not outgoing.private and conversation.isdecimal():
            return caller.read(f"/2/dm_conversations/{conversation}/dm_events", DIRECT_WANTED, "x:direct")
        if direct:
            path = f"/2/dm_conversations/with/{self._other(outgoing.parent)}/dm_events"
            return caller.read(path, DIRECT_WANTED, "x:direct")
        params = WANTED | {"max_results": PAGE, "since_id": id_at(outgoing.since - 10 * NEAR)}
        return caller.read(f"/2/users/{reader.me}/tweets", params, "x:own")

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        author, muting = post.author.external_id, f"/2/users/{self._reader().me}/muting"
        acts: dict[str, tuple[Callable[[Any], Any], str, bool]] = {
            "hide": (lambda api: api.hide_reply(post.external_id, user_auth=False), "hidden", True),
            "unhide": (lambda api: api.unhide_reply(post.external_id, user_auth=False), "hidden", False),
            "delete": (lambda api: api.delete_tweet(post.external_id, user_auth=False), "deleted", True),
            "mute": (lambda api: api.request("POST", muting, json={"target_user_id": author}), "muting", True),
            "unmute": (lambda api: api.request("DELETE", f"{muting}/{author}"), "muting", False),
        }
        if verb not in acts or post.kind is PostKind.DIRECT:
            return super().do(verb, post, text)
        act, named, wanted = acts[verb]
        try:
            answer = self._caller().call(act, f"x:{verb}", post)
        except Gone:
            if verb == "delete":
                return Done()
            raise
        if (answer.json(dict).get("data") or {}).get(named) is not wanted:
            raise answer.unreadable("X did not say that it was done.")
        return Done(hidden(post, now=wanted)) if verb in ("hide", "unhide") else Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        return able(post, access.lacking(self.secrets))

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        return measured(text, post, int(self.facts.get("longest") or LIMIT), private=private)

    # Connecting

    def check(self) -> Check:
        me = self._me(self._caller())
        username = str(me.get("username") or "")
        quota, spent = self._project()
        facts: JSON = quota | ({"renamed": True} if self.facts.get("renamed") else {}) | {
            "account_id": str(me["id"]), "username": username, "longest": longest_of(me.get("subscription_type")),
        }  # fmt: skip
        return Check(
            account_id=str(me["id"]),
            account_name=f"@{username}" if username else str(me.get("name") or me["id"]),
            account_url=f"{WEB}/{username}",
            server="X API v2",
            scopes=tuple(self.secrets.get("scope", "").split()),
            facts=facts,
            warnings=(*access.warnings(self.secrets), *spent),
        )

    @property
    def _client_id(self) -> str:
        return str(self.settings.get("client_id") or "").strip()

    def begin(self, redirect_uri: str, state: str) -> Grant:
        if not self._client_id:
            raise Invalid("The app's client ID is missing.", field="client_id")
        return access.begin(self._base, self._client_id, self.secrets, redirect_uri, state)

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        verifier = grant.get("code_verifier", "")
        return access.token(self.seam, self._base, self._client_id, grant, **asked, code_verifier=verifier)

    def renew(self, secrets: Secrets) -> Secrets:
        asked = {"grant_type": "refresh_token", "refresh_token": secrets.get("refresh_token", "")}
        return access.token(self.seam, self._base, self._client_id, secrets, **asked)

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        verdict = access.knock(incoming, self.secrets.get("consumer_secret", ""))
        return Accepted(verdict, {}, 200) if isinstance(verdict, str) else verdict

    def unpack(self, body: bytes, now: datetime) -> Page:
        """X does not publish what its deliveries look like; what cannot be read here, the poll finds anyway."""
        source, items, includes = access.delivered(body, str(self.facts.get("account_id") or ""))
        posts, _ = mapped(items, Includes.of({"includes": includes}), self._reader(), source)
        return Page(posts=posts, cursor={}, end=True)


def _comparable(text: str, direct: bool) -> str:
    """X puts names before a reply, also where the text had them already."""
    return normalised(text if direct else without_names(text))


def _made(answer: "Answer", name: str) -> str:
    data = answer.json(dict).get("data")
    if not isinstance(data, dict) or not data.get(name):
        raise answer.unreadable("The answer to a new post has no id.")
    return str(data[name])
