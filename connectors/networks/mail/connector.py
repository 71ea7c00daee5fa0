"""E-mail: a mailbox read by IMAP, answers handed in by SMTP. A mail keeps no place in a thread but what its headers
say, and everything in them can be repeated by anybody; so a thread is only ever one correspondent's, and what is ours
is what lies in the folder for sent mail. Sign-in by XOAUTH2 and what providers do to Message-IDs are unverified."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

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
    Fault,
    Field,
    Found,
    Gone,
    MediaRule,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    Post,
    Secrets,
    Sent,
    Source,
    Unavailable,
    Unreadable,
    Verb,
    Way,
    Withheld,
)
from connectors.media import NAMES
from connectors.networks.mail import guess
from connectors.networks.mail.answer import MARK, id_of, is_own_id, letter, parent_id, recipients_of
from connectors.networks.mail.folder import (
    CUT,
    WINDOW,
    earlier_in,
    newest_in,
    next_page,
    page_before,
    place,
    waiting_in,
)
from connectors.networks.mail.imap import Mailbox, Weight, quoted
from connectors.networks.mail.message import cleaned, read, token_in
from connectors.networks.mail.posts import parent_of_sent, post_of, undelivered
from connectors.networks.mail.smtp import Submission
from connectors.text import lines
from connectors.wire import Access, Server, ends_in

LOOKED_UP = 5
"""Mails of a page whose thread is looked up in another folder."""
BEFORE_SENDING, FILING = 12.0, 8.0
"""Seconds: what precedes a message, its own call, and a sender's lease are links of one chain."""
_SECURITY = (("tls", "TLS"), ("starttls", "STARTTLS"), ("plain", "None (only where the owner allows it)"))


def _folded(*fields: Field) -> tuple[Field, ...]:
    return tuple(replace(field, advanced=True, required=False) for field in fields)


class Mail(Connector):
    name = "mail"
    label = "E-mail"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "A mailbox, each correspondent’s thread one conversation; answers are sent from its own address "
            "and filed there."
        ),
        apply=gettext_lazy(
            "The mailbox’s address and password. Gmail, Yahoo, iCloud and others want a password made for "
            "programs instead of your own."
        ),
        cost=gettext_lazy("Free, beyond the mailbox."),
    )
    form = (
        Field("address", "Address", "What is read, and what answers are sent from", kind="email"),
        Field("password", "Password", "Many providers want one made for programs", secret=True, required=False),
        Field("sender", "Sender's name", "What recipients see beside the address", required=False),
        *_folded(
            Field("imap_host", "IMAP server", "Where the mailbox is read; guessed when empty", kind="host"),
            Field("imap_port", "IMAP port", "993 when empty", kind="number"),
            Field("imap_security", "IMAP encryption", kind="choice", choices=_SECURITY),
            Field("smtp_host", "SMTP server", "Where answers are handed in; guessed when empty", kind="host"),
            Field("smtp_port", "SMTP port", "465 when empty", kind="number"),
            Field("smtp_security", "SMTP encryption", kind="choice", choices=_SECURITY),
            Field("user", "User", "The address when empty"),
            Field("folders", "Folders", "One a line; the inbox when empty", kind="lines"),
            Field("sent_folder", "Folder for sent mail", "Found by itself on most servers"),
            Field("filed_by", "Sent mail is filed by", "Gmail and Microsoft 365 do it themselves", kind="choice",
                  choices=(("", "Whoever does it there usually"), ("us", "Us"), ("provider", "The provider"))),
            Field("token_url", "OAuth token address", "Only for sign-in by XOAUTH2", kind="url"),
            Field("client_id", "OAuth client", "Only for sign-in by XOAUTH2"),
            Field("client_secret", "OAuth client secret", "Only for sign-in by XOAUTH2", secret=True),
            Field("refresh_token", "OAuth refresh token", "Only for sign-in by XOAUTH2", secret=True),
        ),
    )  # fmt: skip
    folded = gettext_lazy("Servers and folders")
    sources = (Source("inbox", "Inbox", 60, 20, 300), Source("sent", "Sent mail", 120, 60, 900))

    @classmethod
    def guessed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return guess.servers(settings)

    @property
    def space(self) -> str:
        # A mail to two of our addresses is two conversations: one of them may belong to a private team.
        return f"mail:{self._address}"

    @property
    def _address(self) -> str:
        return cleaned(str(self.settings.get("address", "")))

    def listening(self) -> tuple[Source, ...]:
        inbox, sent = self.sources
        names = lines(self.settings.get("folders")) or ["INBOX"]
        found = [inbox if name.upper() == "INBOX" else _named(inbox, name) for name in names]
        return tuple([*found, sent] if self._sent_known else found)

    @property
    def _sent_known(self) -> str:
        return str(self.settings.get("sent_folder") or self.facts.get("sent") or "")

    def _sent(self, box: Mailbox) -> str:
        return self._sent_known or box.sent_folder()

    # Signing in

    def _server(self, scheme: str, port: int) -> Server:
        given = self.settings.get(f"{scheme}_port")
        security = str(self.settings.get(f"{scheme}_security") or "tls")
        host = str(self.settings.get(f"{scheme}_host", "")).strip()
        return Server(scheme, host, int(given) if given else port, security)

    @property
    def _access(self) -> Access:
        if self.secrets.get("refresh_token") and not self.secrets.get("access_token"):
            raise AuthExpired("There is no access token yet.")
        return Access(self.secrets.get("password", ""), self.secrets.get("access_token", ""))

    @property
    def _user(self) -> str:
        return str(self.settings.get("user") or self._address)

    def _mailbox(self, ends: float | None = None) -> Mailbox:
        try:
            return Mailbox(self.seam, self._server("imap", 993), self._user, self._access, ends)
        except AuthRevoked as fault:
            raise self._renewable(fault) from fault

    def _submission(self, ends: float | None = None) -> Submission:
        name = self._address.rpartition("@")[2] or "localhost"
        try:
            server = self._server("smtp", 465)
            return Submission(self.seam, server, self._user, self._access, name=name, ends=ends)
        except AuthRevoked as fault:
            raise self._renewable(fault) from fault

    def _renewable(self, fault: AuthRevoked) -> Fault:
        return AuthExpired(fault.detail) if self.secrets.get("refresh_token") else fault

    def renew(self, secrets: Secrets) -> Secrets:
        asked = {
            "grant_type": "refresh_token",
            "refresh_token": secrets.get("refresh_token", ""),
            "client_id": str(self.settings.get("client_id") or ""),
            "client_secret": secrets.get("client_secret", ""),
        }
        url = str(self.settings.get("token_url") or "")
        if not (url and asked["refresh_token"]):
            return super().renew(secrets)
        answer = self.seam.answer("POST", url, data=asked, write=False, accept=(400, 401))
        if answer.status >= 400:
            raise AuthRevoked("The refresh token is no longer accepted.", status=answer.status)
        given = tokens(answer, "The mail provider")
        return secrets.replace(
            access_token=str(given["access_token"]),
            refresh_token=str(given.get("refresh_token") or asked["refresh_token"]),
        )

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if budget.spent:
            return
        if cursor is not None and "below" in cursor:
            yield from self._back(source, cursor, budget, now)
            return
        with self._mailbox() as box:
            folder = self._folder(source, box)
            validity, following = box.select(folder)
            last, gaps = place(cursor, validity, now)
            history_before = now - WINDOW if last is None else None
            waiting = waiting_in(box, last, following, now)
            last = newest_in(box, following) if last is None else last
            while not budget.spent:
                budget.spend()
                weights, waiting = next_page(box, waiting)
                found, bad = self._mapped(box.messages(list(weights), CUT), weights, source, now, history_before)
                posts = self._placed(found, box, folder, now)
                last = max(weights, default=last)
                kept = {"validity": validity, "uid": last}
                returned = undelivered(posts)
                yield Page(posts=posts, bad=bad, undelivered=returned, cursor=kept, end=not waiting, gaps=gaps)
                gaps = ()
                if not waiting:
                    return

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if not isinstance(cursor.get("uid"), int):
            return Past(cursor=None, words="The folder could not be numbered.")
        return Past(cursor={"validity": cursor.get("validity"), "below": cursor["uid"] + 1, "since": since.isoformat()})

    def _back(self, source: str, cursor: JSON, budget: Budget, now: datetime) -> Iterator[Page]:
        """Older mail, the newest of it first. In a folder that was numbered anew the place means nothing."""
        with self._mailbox() as box:
            folder = self._folder(source, box)
            validity, _ = box.select(folder)
            if validity != cursor["validity"]:
                raise Gone("The server numbered the folder anew.", what=source)
            waiting = earlier_in(box, datetime.fromisoformat(cursor["since"]), int(cursor["below"]))
            while not budget.spent:
                budget.spend()
                weights, waiting = page_before(box, waiting)
                found, bad = self._mapped(box.messages(list(weights), CUT), weights, source, now, None)
                posts = self._placed(found, box, folder, now)
                cursor = {**cursor, "below": min(weights, default=0)}
                yield Page(posts=posts, bad=bad, cursor=cursor, end=not waiting)
                if not waiting:
                    return

    def _folder(self, source: str, box: Mailbox) -> str:
        if source != "sent":
            return source.partition(":")[2] or "INBOX"
        sent = self._sent(box)
        if not sent:
            raise NotPermitted("The mailbox has no folder for sent mail.", what="sent")
        return sent

    def _mapped(
        self,
        given: Mapping[int, bytes],
        weights: Mapping[int, Weight],
        source: str,
        now: datetime,
        history_before: datetime | None,
    ) -> tuple[list[Post], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for uid, weight in weights.items():
            try:
                post = post_of(read(given[uid]), source, self._address, weight, now, history_before)
            except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
                head = given.get(uid, b"")[:2000].decode("utf-8", "replace")
                bad.append(Bad(f"{source}:{uid}", f"{type(error).__name__}: {error}", {"head": head}))
                continue
            if post is not None:
                posts[post.external_id] = post
        return sorted(posts.values(), key=lambda post: (post.created_at, post.external_id)), tuple(bad)

    def _placed(self, posts: list[Post], box: Mailbox, folder: str, now: datetime) -> tuple[Post, ...]:
        """The posts with those threads that only another folder knows: what an answer given elsewhere answers, and
        an answer of theirs that kept nothing but the mark in its subject."""
        lost = [post for post in posts if _is_lost(post)][:LOOKED_UP]
        if not lost:
            return tuple(posts)
        found = {post.external_id: self._parent_of(post, box, now) for post in lost}
        box.select(folder)
        return tuple(replace(post, **(found.get(post.external_id) or {})) for post in posts)

    def _parent_of(self, post: Post, box: Mailbox, now: datetime) -> dict[str, Any]:
        if post.ours:
            box.select(self._folder(self.listening()[0].name, box))
            wanted, to = parent_of_sent(post), recipients_of(post)
            uids = box.search(f"HEADER Message-ID {quoted(f'<{wanted}>')}")[-LOOKED_UP:]
            theirs = [post for post in self._shown(box, uids, "inbox", now) if post.author.external_id in to]
            theirs = [post for post in theirs if parent_id(post) == wanted]
            return {"parent_id": theirs[0].external_id} if theirs else {}
        sent = self._sent(box)
        if not sent:
            return {}
        box.select(sent)
        uids = box.search(f"HEADER {MARK} {quoted(token_in(post.subject))}")[:1]
        above = self._shown(box, uids, "sent", now)
        return {"parent_id": above[0].external_id, "root_id": above[0].root_id} if above else {}

    def _shown(self, box: Mailbox, uids: list[int], source: str, now: datetime) -> list[Post]:
        """These mails of the open folder; what cannot be read is left out."""
        weights = box.weights(uids) if uids else {}
        return self._mapped(box.messages(list(weights), CUT), weights, source, now, None)[0]

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """Ours as they lie in the folder for sent mail. Nobody edits a mail, and one that a colleague removed from
        the inbox was not taken back by its author."""
        wanted = [each for each in ids if is_own_id(each, self._address)]
        if not wanted:
            return []
        with self._mailbox() as box:
            sent = self._sent(box)
            if not sent:
                return []
            box.select(sent)
            uids = [uid for each in wanted for uid in box.search(f"HEADER Message-ID {quoted(f'<{each}>')}")[:1]]
            return [*self._shown(box, uids, "sent", now)]

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        made, ends = letter(outgoing, self._address, str(self.settings.get("sender") or "")), ends_in(BEFORE_SENDING)
        try:
            with self._mailbox(ends) as box:
                sent = self._sent(box)
                if sent and self._lies_in(box, sent, made.id):
                    return Sent(made.id)
                with self._submission(ends) as submission:
                    submission.deliver(self._address, made.recipients, made.content)
                self._file(box, sent, made.content, outgoing.sending_at)
        except Unreadable as fault:  # of what is read before: nothing was handed in
            raise Unavailable(fault.detail, body=fault.body) from fault
        return Sent(made.id)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return MediaRule(types=frozenset(NAMES), most=10, total=8_000_000, description=500)

    def _file(self, box: Mailbox, sent: str, content: bytes, at: datetime) -> None:
        if not sent or self.settings.get("filed_by") == "provider":
            return
        try:
            box.line.ends = ends_in(FILING)
            box.append(sent, content, at)
        except Fault:  # it is on its way all the same; the channel's page shows what went wrong
            return

    @staticmethod
    def _lies_in(box: Mailbox, sent: str, message_id: str) -> bool:
        box.select(sent)
        return bool(box.search(f"HEADER Message-ID {quoted(f'<{message_id}>')}"))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        own_id = id_of(outgoing.key, self._address)
        with self._mailbox() as box:
            sent = self._sent(box)
            if sent and self._lies_in(box, sent, own_id):
                return Found(own_id)
        if sent and self.settings.get("filed_by") == "provider":
            return Absent()
        return CannotKnow("It is not in the folder for sent mail, but it may have left before it could be filed there.")

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        reason = str(post.grants.get("automatic") or "")
        if reason:
            return {"reply": Capability(False, f"{reason} Nobody would read an answer.")}
        return {"reply": Capability(True)}

    def check(self) -> Check:
        with self._mailbox() as box:
            sent = self._sent(box)
            for source in self.listening():
                box.select(self._folder(source.name, box))
        with self._submission():
            pass  # signing in is the test
        warnings = () if sent else ("There is no folder for sent mail: answers given elsewhere will not be seen.",)
        host = str(self.settings.get("imap_host", ""))
        return Check(
            account_id=self._address,
            account_name=self._address,
            server=host,
            facts={"account_id": self._address, "sent": sent},
            warnings=warnings,
        )


def _named(source: Source, folder: str) -> Source:
    label = f"{source.label} {folder}"
    return Source(f"{source.name}:{folder}", label, source.interval, source.least, source.most)


def _is_lost(post: Post) -> bool:
    if post.ours:
        return post.parent_id is None and bool(parent_of_sent(post))
    return not post.raw.get("references") and bool(token_in(post.subject))
