"""Mastodon, and any server that speaks its API. Reads through the seam with a mapping of its own, because the library
refuses whole pages and lacks `include_filtered`; writes through Mastodon.py. Servers other than Mastodon: features
are tried, never told from a version number. A reply to a deleted post may answer 200 on some servers, so the parent
is read before."""

import base64
import hashlib
import re
import secrets as randomness
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import mastodon
from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    AuthRevoked,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Deleted,
    Done,
    Fault,
    Field,
    Found,
    Gone,
    Grant,
    Measure,
    MediaRule,
    Medium,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    Secrets,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Uploaded,
    Verb,
    Visibility,
    Way,
    Withheld,
)
from connectors.finding import Sought
from connectors.networks.mastodon import uploads
from connectors.networks.mastodon.api import SHOWN, author_of, id_of, media_of, required, time_of
from connectors.networks.mastodon.forward import Place, rank
from connectors.networks.mastodon.streams import HEARD, Streaming, streams_from
from connectors.text import graphemes, lines, normalised, plain
from connectors.topics import dialects

SCOPES = (
    "read:accounts read:statuses read:notifications read:search write:statuses write:favourites write:media "
    "write:reports write:mutes write:blocks write:notifications"
)
WINDOW = timedelta(hours=48)
BATCH = 20
_FAR_HANDLE = re.compile(r"@([\w.-]+)@[\w.-]+\w")
_LINK = re.compile(r"(?<![^\W_])https?://[^\s<>\"“”‘’]*[^\s<>\"“”‘’.,;:!?'…)\]]", re.IGNORECASE)


class Mastodon(Streaming):
    name = "mastodon"
    label = "Mastodon"
    keeps_uploads = 12 * 3600.0
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Mentions, private messages, hashtags and searches on any server with Mastodon’s interface; "
            "public answers and private ones."
        ),
        apply=gettext_lazy(
            "Nothing: you sign in at the account’s own server. Public hashtags need no account at all on most servers."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("server", "Server", "Where the account is, or where the hashtags are read", kind="host"),
        Field(
            "access_token",
            "Access token",
            "Only when you do not sign in there",
            secret=True,
            required=False,
            advanced=True,
        ),
        Field(
            "hashtags",
            "Hashtags",
            "One a line; many servers show them without an account",
            required=False,
            kind="lines",
        ),
        Field(
            "searches",
            "Searches",
            "One a line; needs an account and a server with search",
            required=False,
            kind="lines",
        ),
    )
    sources = (
        Source("notifications", "Mentions and messages", 30, 15, 120),
        Source("hashtag", "Hashtag", 60, 30, 600),
        Source("search", "Search", 300, 120, 1800),
    )
    scopes = tuple(SCOPES.split())
    text_rule = TextRule(500)
    oauth = True
    recordings = ("mastodon",)
    dialect = dialects.FEDIVERSE

    def listening(self) -> tuple[Source, ...]:
        notifications, hashtag, search = self.sources
        found = [_named(hashtag, tag.lstrip("#")) for tag in lines(self.settings.get("hashtags"))]
        if self._token:
            found = [notifications, *found, *(_named(search, words) for words in lines(self.settings.get("searches")))]
        return tuple(found)

    @property
    def can_search(self) -> bool:
        return bool(self._token)

    @property
    def _token(self) -> str:
        return self.secrets.get("access_token", "")

    @property
    def _base(self) -> str:
        server = str(self.settings.get("server", "")).strip().rstrip("/")
        return server if "://" in server else f"https://{server}"

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self.seam.answer(method, f"{self._base}{path}", headers=headers, bucket="mastodon", **request)

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if cursor is not None and "below" in cursor:
            yield from self._back(source, cursor, budget, now)
            return
        place, gaps = Place.read(cursor, now)
        position, history = place.start(now), cursor is None or bool(gaps)
        while not budget.spent:
            budget.spend()
            answer, items = self._page(source, ("min_id", position), now)
            posts, bad = self._mapped(items, source, now - WINDOW if history else None)
            newest = max((id_of(item) for item in items), key=rank, default="")
            if items and not position:
                place.begin(min((id_of(item) for item in items), key=rank), now)
            forward = rank(newest) > rank(position)
            # Without a position the server gave its newest page: there is nothing above it.
            ended = not items or not forward or not position
            position = newest if forward else position
            place.reached(position, now, ended)
            repeats = int(bool(items) and not forward)
            yield Page(
                posts=posts, bad=bad, cursor=place.kept(), end=ended, rate=answer.rates, gaps=gaps, repeats=repeats
            )
            gaps = ()
            if ended:
                return

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor={"below": "", "since": since.isoformat()}, whole=not source.startswith("search"))

    def _back(self, source: str, cursor: JSON, budget: Budget, now: datetime) -> Iterator[Page]:
        """What was there before, page by page back in time."""
        below, since = str(cursor["below"]), datetime.fromisoformat(cursor["since"])
        while not budget.spent:
            budget.spend()
            answer, items = self._page(source, ("max_id", below), now)
            posts, bad = self._mapped(items, source, None)
            oldest = min((id_of(item) for item in items), key=rank, default="")
            onward = bool(oldest) and (not below or rank(oldest) < rank(below))
            ended = not onward or any(post.created_at < since for post in posts)
            below, repeats = oldest if onward else below, int(bool(items) and not onward)
            kept = {"below": below, "since": since.isoformat()}
            yield Page(posts=posts, bad=bad, cursor=kept, end=ended, rate=answer.rates, repeats=repeats)
            if ended:
                return

    def _page(self, source: str, place: tuple[str, str], now: datetime) -> tuple[Any, list[Any]]:
        kind, _, what = source.partition(":")
        above = [place] if place[1] else []
        if kind == "notifications":
            types = [("types[]", name) for name in HEARD]
            common = [("include_filtered", "true"), ("limit", "80"), *above]
            answer = self._ask("GET", "/api/v1/notifications", now=now, params=[*types, *common], accept=(422,))
            if answer.status == 422:  # a server that does not know quotes
                types.remove(("types[]", "quote"))
                answer = self._ask("GET", "/api/v1/notifications", now=now, params=[*types, *common])
            return answer, answer.json(list)
        if kind == "hashtag":
            path = f"/api/v1/timelines/tag/{quote(what, safe='')}"
            answer = self._ask("GET", path, now=now, params=[("limit", "40"), *above], judge=self._closed)
            return answer, answer.json(list)
        answer = self._ask(
            "GET", "/api/v2/search", now=now, params=[("type", "statuses"), ("q", what), ("limit", "40"), *above]
        )
        found = answer.json(dict).get("statuses")
        if not isinstance(found, list):
            raise Unreadable("A search answered without a list of posts.")
        return answer, found

    def _closed(self, answer: Any) -> Fault | None:
        if answer.status in (401, 422) and not self._token:
            return NotPermitted(
                "This server shows hashtags to signed-in accounts only.", what="hashtag", status=answer.status
            )
        return None

    def _mapped(
        self, items: Sequence[Any], source: str, history_before: datetime | None
    ) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for place, item in enumerate(items):
            try:
                post = self._heard(item, source, history_before)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                bad.append(Bad(id_of(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            if post is not None:
                posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def _heard(self, item: Any, source: str, history_before: datetime | None) -> Post | None:
        """The post of a notification or of a timeline; None for what is no mention: boosts, follows, our own new
        threads."""
        status, kind = item, None
        if source == "notifications":
            status = item["status"] if item.get("type") in HEARD else None
            kind = PostKind.QUOTE if item.get("type") == "quote" else None
        if status is None or status.get("reblog"):
            return None
        post = self._post(status, source, kind, history_before)
        return None if post.ours and post.parent_id is None else post

    def _post(
        self,
        status: Mapping[str, Any],
        source: str,
        kind: PostKind | None = None,
        history_before: datetime | None = None,
    ) -> Post:
        created_at, visibility = (
            time_of(status["created_at"]),
            SHOWN.get(str(status.get("visibility")), Visibility.PUBLIC),
        )
        edited_at = time_of(status["edited_at"]) if status.get("edited_at") else None
        parent, html = status.get("in_reply_to_id"), str(status.get("content") or "")
        if visibility is Visibility.DIRECT:
            kind = PostKind.DIRECT
        elif kind is None:
            kind = PostKind.REPLY if parent else PostKind.MENTION if source == "notifications" else PostKind.RESULT
        author = author_of(status["account"])
        uri = str(status.get("uri") or status.get("url") or "")
        return Post(
            external_id=required(status["id"]),
            kind=kind,
            source=source,
            author=author,
            text=plain(html),
            html=html,
            created_at=created_at,
            edited_at=edited_at,
            lang=str(status.get("language") or ""),
            parent_id=str(parent) if parent else None,
            root_id=uri if uri and not parent else None,
            url=str(status.get("url") or uri),
            media=tuple(media_of(each) for each in status.get("media_attachments") or ()),
            visibility=visibility,
            state=PostState.EDITED if edited_at else PostState.LIVE,
            ours=bool(self.facts.get("account_id")) and author.external_id == self.facts["account_id"],
            subject=str(status.get("spoiler_text") or ""),
            history=history_before is not None and created_at < history_before,
            grants={"favourited": bool(status.get("favourited"))},
            raw=dict(status),
        )

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            answer = self._ask(
                "GET", "/api/v1/statuses", now=now, params=[("id[]", one) for one in batch], accept=(404, 405)
            )
            if answer.status >= 400:  # a server without the batch
                standing += filter(None, (self._one(wanted, now) for wanted in batch))
                continue
            items = answer.json(list)
            posts = {post.external_id: post for post in self._mapped(items, "refresh", None)[0]}
            shown = {id_of(item) for item in items}  # what is there but cannot be read is not deleted
            gone = [Deleted(wanted) for wanted in batch if wanted not in shown]
            standing += [*(posts[wanted] for wanted in batch if wanted in posts), *gone]
        return standing

    def _one(self, wanted: str, now: datetime) -> Post | Deleted | None:
        answer = self._ask("GET", f"/api/v1/statuses/{quote(wanted, safe='')}", now=now, accept=(404, 410))
        if answer.status >= 400:
            return Deleted(wanted)
        posts, _ = self._mapped([answer.json(dict)], "refresh", None)
        return posts[0] if posts else None

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        path = f"/api/v1/statuses/{quote(post.external_id, safe='')}/context"
        above = self._ask("GET", path, now=now).json(dict).get("ancestors") or []
        posts = [
            self._post(status, "context") for status in above if isinstance(status, dict) and status.get("account")
        ]
        return sorted(posts, key=lambda each: (each.created_at, each.external_id))

    # Answering

    def _write(self, act: Callable[[mastodon.Mastodon], Any], post: Post) -> Any:
        """One call of the library. Its result and its exceptions are not used: it loses bodies and breaks on odd
        ones."""
        api = mastodon.Mastodon(
            api_base_url=self._base,
            access_token=self._token,
            session=self.seam,
            request_timeout=10,
            ratelimit_method="throw",
            mastodon_version="4.6.0",
            version_check_mode="none",
            user_agent="",
        )
        calls = self.seam.count
        try:
            act(api)
        except (mastodon.MastodonError, AttributeError, TypeError, KeyError, ValueError) as error:
            if self.seam.count == calls:  # refused by ourselves before anything was sent
                raise (error.__context__ or error) from None
        return self.seam.outcome("mastodon", self._refusing(post))

    @staticmethod
    def _refusing(post: Post) -> Callable[[Any], Fault | None]:
        def judge(answer: Any) -> Fault | None:
            if answer.status == 403:
                return PolicyRefused("The server refuses it.", rule="server", url=post.url, status=403)
            return None

        return judge

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        path = f"/api/v1/statuses/{quote(parent.external_id, safe='')}"
        if self._ask("GET", path, accept=(404, 410)).status >= 400:
            raise Gone("It was deleted or is no longer visible to us.", what=parent.external_id)
        shown = Visibility.DIRECT if outgoing.private else parent.visibility
        visibility = next((theirs for theirs, ours in SHOWN.items() if ours is shown), "direct")
        answer = self._write(
            lambda api: api.status_post(
                self._said(outgoing.text, parent),
                in_reply_to_id=parent.external_id,
                visibility=visibility,
                spoiler_text=parent.subject or None,
                language=outgoing.lang or None,
                idempotency_key=outgoing.key,
                media_ids=[medium.token for medium in outgoing.media] or None,
            ),
            parent,
        )
        made = answer.json(dict)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new post has no id.")
        return Sent(str(made["id"]), str(made.get("url") or ""))

    @staticmethod
    def _said(text: str, parent: Post | None) -> str:
        """Whoever is answered hears of it only when named."""
        handle = f"@{parent.author.handle}" if parent is not None and parent.author.handle and not parent.ours else ""
        return text if not handle or handle.lower() in text.lower() else f"{handle} {text}"

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        me = self.facts.get("local_id") or self._ask("GET", "/api/v1/accounts/verify_credentials").json(dict)["id"]
        path = f"/api/v1/accounts/{quote(str(me), safe='')}/statuses"
        answer = self._ask("GET", path, params=[("limit", "40"), ("exclude_reblogs", "true")])
        items, above = answer.json(list), outgoing.parent.external_id
        own = [self._post(item, "own") for item in items if isinstance(item, dict) and not item.get("reblog")]
        wanted = _comparable(self._said(outgoing.text, outgoing.parent))
        sought = Sought(outgoing, lambda post: post.parent_id == above and _comparable(post.text) == wanted)
        sought.among((replace(post, ours=True) for post in own), answer.skew)
        return sought.verdict(whole=sought.passed or len(items) < 40)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        wanted = post.external_id
        acts: dict[str, Callable[[mastodon.Mastodon], Any]] = {
            "like": lambda api: api.status_favourite(wanted),
            "unlike": lambda api: api.status_unfavourite(wanted),
            "edit": lambda api: api.status_update(
                wanted, text, spoiler_text=post.subject or None, media_ids=self._hanging(post) or None
            ),
            "delete": lambda api: api.status_delete(wanted),
        }
        if verb not in acts:
            return super().do(verb, post, text)
        try:
            answer = self._write(acts[verb], post)
        except Gone:
            if verb == "delete":
                return Done()
            raise
        told = answer.json(dict)
        return Done() if verb == "delete" else Done(self._post(told, post.source))

    def _hanging(self, post: Post) -> list[str]:
        """The files of our own post: an edit that does not name them would take them away."""
        path = f"/api/v1/statuses/{quote(post.external_id, safe='')}"
        return [str(each["id"]) for each in self._ask("GET", path).json(dict).get("media_attachments") or ()]

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        if not self._token:
            return {
                "reply": Capability(False, "This channel only listens: no account is connected.", hand_off=post.url)
            }
        able = Capability(True, hand_off=post.url)
        like: Verb = "unlike" if post.grants.get("favourited") else "like"
        return (
            {"reply": able, "edit": able, "delete": able}
            if post.ours
            else {"reply": able, "private_reply": able, like: able}
        )

    def measure(self, text: str, post: Post | None = None) -> Measure:
        limit, link = int(self.facts.get("longest") or 500), int(self.facts.get("link") or 23)
        counted = _LINK.sub("x" * link, self._said(text, post))
        used = graphemes(_FAR_HANDLE.sub(r"@\1", counted)) + graphemes(post.subject if post else "")
        problems = (f"{used - limit} characters too long.",) if used > limit else ()
        return Measure(used, limit, "characters", problems)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.rule_of(self.facts)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        return uploads.step(self._ask, medium, so_far)

    # Connecting

    def check(self) -> Check:
        answer = self._ask("GET", "/api/v2/instance", accept=(404,))
        if answer.status == 404:
            answer = self._ask("GET", "/api/v1/instance")
        server = answer.json(dict)
        posts = (server.get("configuration") or {}).get("statuses") or {}
        facts: JSON = {
            "longest": posts.get("max_characters") or 500,
            "link": posts.get("characters_reserved_per_url") or 23,
            "media": uploads.facts_of(server.get("configuration") or {}),
            "streaming": streams_from(server),
        }
        name = (
            f"{server.get('domain') or server.get('uri') or self._base} ({server.get('version') or 'version unknown'})"
        )
        if not self._token:
            return Check(
                account_name=str(server.get("domain") or self._base), account_url=self._base, server=name, facts=facts
            )
        me = self._ask("GET", "/api/v1/accounts/verify_credentials", judge=_refused_token).json(dict)
        account = author_of(me)
        facts |= {"account_id": account.external_id, "local_id": str(me["id"])}
        return Check(
            account_id=account.external_id,
            account_name=f"@{account.handle}",
            account_url=account.url,
            server=name,
            scopes=self.scopes,
            facts=facts,
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        answer = self._ask("GET", "/api/v2/notifications/policy", accept=(401, 403, 404))
        policy = answer.json(dict) if answer.status == 200 else {}
        hides = [
            name[4:].replace("_", " ") for name, how in policy.items() if name.startswith("for_") and how == "filter"
        ]
        return (f"The account filters {', '.join(hides)}; they are read all the same.",) if hides else ()

    def begin(self, redirect_uri: str, state: str) -> Grant:
        registration = {"client_name": "SocialCare", "redirect_uris": redirect_uri, "scopes": SCOPES}
        app = self._ask("POST", "/api/v1/apps", json=registration).json(dict)
        verifier = randomness.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "client_id": app["client_id"], "redirect_uri": redirect_uri, "scope": SCOPES,
            "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        kept = Secrets(
            {"client_id": app["client_id"], "client_secret": app["client_secret"], "code_verifier": verifier}
        )
        return Grant(f"{self._base}/oauth/authorize?{urlencode(asked)}", kept)

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        asked = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "scope": SCOPES,
            "client_id": grant["client_id"], "client_secret": grant["client_secret"],
            "code_verifier": grant["code_verifier"],
        }  # fmt: skip
        token = self._ask("POST", "/oauth/token", json=asked, write=False, judge=_refused_token).json(dict)
        if not token.get("access_token"):
            raise AuthRevoked("The server gave no token.")
        return grant.replace(access_token=str(token["access_token"]), code_verifier="")


def _named(source: Source, what: str) -> Source:
    return Source(f"{source.name}:{what}", f"{source.label} {what}", source.interval, source.least, source.most)


def _comparable(text: str) -> str:
    """As `normalised`, with far handles as the server shows them: without their host."""
    return _FAR_HANDLE.sub(r"@\1", normalised(text))


def _refused_token(answer: Any) -> Fault | None:
    """Some servers of this API answer 400 to a bad token."""
    return (
        AuthRevoked("The server does not know the token.", status=answer.status)
        if answer.status in (400, 401)
        else None
    )
