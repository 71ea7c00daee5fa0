"""Any system that can POST: signed deliveries in, signed replies out. The signature is over the raw bytes with a
timestamp, so that a delivery can be neither changed nor kept for later; a repeat of the same key is the receiver's
duty to recognise."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    Absent,
    Accepted,
    Author,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Challenge,
    Check,
    Connector,
    Fault,
    Field,
    Found,
    Incoming,
    Invalid,
    MediaRule,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Post,
    PostKind,
    PostState,
    Rejected,
    Sent,
    Source,
    Verb,
    Visibility,
    Way,
)
from connectors.http import UPLOAD
from connectors.media import NAMES
from connectors.networks.webhook.api import (
    address_of,
    file_of,
    items_in,
    media_in,
    named,
    object_in,
    one_in,
    rating_of,
    signature,
    text_in,
    time_in,
)
from connectors.text import plain, read_json

BODY, ID = 1_000_000, 128
SKEW = timedelta(seconds=300)
FILES = frozenset(NAMES)


class Webhook(Connector):
    name = "webhook"
    label = "Webhook"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Whatever other programs deliver, signed, to an address of ours: shop, survey, chat, SMS; answers"
            " go back to an address of yours."
        ),
        apply=gettext_lazy(
            "Somebody who can make the other program send; a few lines, with examples in the documents."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("secret", "Secret", "What the sender signs with", secret=True),
        Field(
            "secret_before",
            "Secret before",
            "Still accepted while you change over",
            secret=True,
            required=False,
            advanced=True,
        ),
        Field(
            "target", "Where replies go", "An https address of yours; empty: listen only", required=False, kind="url"
        ),
    )
    sources = (Source("deliveries", "Deliveries", 60, 60, 60),)
    pushed = True
    keyed = True
    lag = 0.0

    @property
    def space(self) -> str:
        return f"webhook:{self._mark}"

    @property
    def _mark(self) -> str:
        """Tells this Channel's ids from those of other webhooks without showing the secret path
        (`settings["path"]`)."""
        return hashlib.sha256(str(self.settings.get("path", "")).encode()).hexdigest()[:12]

    def listening(self) -> tuple[Source, ...]:
        return ()

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Nothing to ask: posts come by `receive`."""
        yield Page(posts=(), cursor=cursor or {}, end=True)

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        if incoming.method != "POST":
            return Rejected(405, "Deliveries are POSTed.")
        if len(incoming.body) > BODY:
            return Rejected(413, f"A delivery has at most {BODY} bytes.")
        if incoming.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Rejected(415, "A delivery is application/json.")
        if refusal := self._unsigned(incoming, now):
            return Rejected(403, refusal)
        delivery = incoming.headers.get("x-care-delivery", "")
        if not 0 < len(delivery) <= ID or not delivery.isprintable():
            return Rejected(400, f"X-Care-Delivery names the delivery in at most {ID} characters.")
        try:
            page = self.unpack(incoming.body, now)
        except ValueError as error:
            return Rejected(400, str(error))
        bad = [{"index": each.index, "reason": each.reason} for each in page.bad]
        proof = incoming.headers.get("x-care-signature", "")
        return Accepted(delivery, {"accepted": len(page.posts), "bad": bad}, proof=proof)

    def _unsigned(self, incoming: Incoming, now: datetime) -> str:
        """Why this delivery is not from somebody who knows the secret now; "" when it is."""
        stamp = incoming.headers.get("x-care-timestamp", "")
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
            return "X-Care-Timestamp is missing or no Unix time."
        known = [self.secrets[name] for name in ("secret", "secret_before") if name in self.secrets]
        given = incoming.headers.get("x-care-signature", "").encode("utf-8", "replace")
        # Every secret is tried whatever the first says, so that the time taken tells nothing.
        good = [hmac.compare_digest(signature(secret, stamp, incoming.body).encode(), given) for secret in known]
        if not any(good):
            return "The signature is wrong."
        return (
            ""
            if abs(int(stamp) - now.timestamp()) <= SKEW.total_seconds()
            else "The timestamp is too old or in the future."
        )

    def unpack(self, body: bytes, now: datetime) -> Page:
        """ValueError, in words for the sender, when the body as a whole is wrong; a wrong item is Bad."""
        items = items_in(body)
        posts: list[Post] = []
        bad: list[Bad] = []
        for index, item in enumerate(items):
            try:
                posts.append(self._post(item, now))
            except (ValueError, OverflowError) as error:
                known = str(item["id"]) if isinstance(item, dict) and item.get("id") else None
                bad.append(Bad(known, str(error), item, index))
        return Page(posts=tuple(posts), bad=tuple(bad), cursor={}, end=True)

    def _post(self, item: Any, now: datetime) -> Post:
        if not isinstance(item, dict):
            raise ValueError("an item is an object")
        external_id, author, html = named(item, "id", "id"), object_in(item, "author"), item.get("html")
        text = text_in(item, "text") or (plain(str(html)) if html else "")
        state = one_in(item, "state", PostState.LIVE)
        if not text and state is not PostState.DELETED:
            raise ValueError("text is missing")
        parent, root = item.get("parent_id"), item.get("root_id")
        return Post(
            external_id=external_id,
            kind=one_in(item, "kind", PostKind.MENTION),
            source="deliveries",
            author=self._author(author),
            text=text,
            html=str(html) if html else None,
            created_at=time_in(item, "created_at"),
            lang=text_in(item, "lang"),
            parent_id=str(parent) if parent else None,
            root_id=str(root) if root else None if parent else external_id,
            url=address_of(item.get("url")),
            media=media_in(item),
            visibility=one_in(item, "visibility", Visibility.PUBLIC),
            state=state,
            rating=rating_of(item.get("rating")),
            subject=text_in(item, "subject"),
            raw=item,
        )

    def _author(self, author: Mapping[str, Any]) -> Author:
        identity = named(author, "id", "author.id")
        return Author(
            external_id=f"{self._mark}:{identity}",
            handle=text_in(author, "handle"),
            name=text_in(author, "name") or identity,
            url=address_of(author.get("url")),
            avatar_url=address_of(author.get("avatar")),
        )

    def send(self, outgoing: Outgoing) -> Sent:
        target = str(self.settings.get("target") or "")
        if not target:
            raise NotPermitted("This webhook has no address for replies.", what="reply")
        body: JSON = {"reply_to": outgoing.parent.external_id, "text": outgoing.text, "key": outgoing.key}
        if outgoing.agent_name:
            body["agent_name"] = outgoing.agent_name
        if outgoing.media:
            body["files"] = [file_of(medium) for medium in outgoing.media]
        raw = json.dumps(body, ensure_ascii=False).encode()
        headers = self._signed(raw, outgoing)
        whole = UPLOAD if outgoing.media else None
        now = outgoing.sending_at
        answer = self.seam.answer(
            "POST", target, now=now, data=raw, headers=headers, accept=(409,), judge=_refused, whole=whole
        )
        # 409 says it is there already. An answer without JSON is good enough: the receiver owes us nothing but its 2xx.
        try:
            made = read_json(answer.content)
        except (ValueError, RecursionError):
            made = {}
        given = made if isinstance(made, dict) else {}
        return Sent(str(given.get("id") or f"reply:{outgoing.key}")[:ID], address_of(given.get("url")))

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return MediaRule(types=FILES, most=10, total=5_000_000, description=2_000)

    def _signed(self, raw: bytes, outgoing: Outgoing) -> dict[str, str]:
        stamp = str(int(outgoing.sending_at.timestamp()))
        return {
            "Content-Type": "application/json",
            "X-Care-Timestamp": stamp,
            "X-Care-Delivery": f"{outgoing.key}",
            "X-Care-Signature": signature(self.secrets.get("secret", ""), stamp, raw),
            "Idempotency-Key": outgoing.key,
        }

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Nobody to ask. Sending again with the same key is harmless: that is what the receiver promised."""
        return Absent()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if not self.settings.get("target"):
            return {"reply": Capability(False, "This webhook has no address for replies.", hand_off=post.url)}
        gone = post.state is PostState.DELETED
        return {"reply": Capability(not gone, "The post was deleted." if gone else "", hand_off=post.url)}

    def check(self) -> Check:
        listens_only = () if self.settings.get("target") else ("It has no address for replies and only listens.",)
        return Check(account_id=self._mark, account_name=self.label, server="webhook", warnings=listens_only)


def _refused(answer: Answer) -> Fault | None:
    """Only this reply failed: the receiver is another program than the one that delivers, and knows of no posts."""
    if 400 <= answer.status < 500 and answer.status != 429:
        return Invalid(f"The address for replies answered {answer.status}.", field="target", status=answer.status)
    return None
