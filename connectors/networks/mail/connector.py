"""E-mail: a mailbox read by IMAP, answers handed in by SMTP. A mail keeps no place in a thread but what its headers
say, and everything in them can be repeated by anybody; so a thread is only ever one correspondent's, and what is ours
is what lies in the folder for sent mail. What the large providers do to Message-IDs, and their sign-in, are
unverified."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    Absent,
    CannotKnow,
    Capability,
    Check,
    Fault,
    Field,
    Found,
    Gone,
    Invalid,
    MediaRule,
    Needs,
    Outgoing,
    Post,
    Sent,
    Source,
    Unavailable,
    Unreadable,
    Verb,
    Way,
)
from connectors.faults import looked_up
from connectors.media import NAMES
from connectors.networks.mail import guess
from connectors.networks.mail.announcing import Announced
from connectors.networks.mail.answer import goes_to, id_of, letter, parent_id
from connectors.networks.mail.folder import CUT
from connectors.networks.mail.imap import Mailbox, quoted
from connectors.networks.mail.message import read
from connectors.wire import ends_in

BEFORE_SENDING, FILING, FETCHING = 12.0, 8.0, 40.0
"""Seconds: what precedes a message, its own call, and a sender's lease are links of one chain."""
_SECURITY = (("tls", "TLS"), ("starttls", "STARTTLS"), ("plain", "None (only where the owner allows it)"))


def _folded(*fields: Field) -> tuple[Field, ...]:
    return tuple(replace(field, advanced=True, required=False) for field in fields)


class Mail(Announced):
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
            "programs instead of your own. Gmail and Microsoft 365 can also be signed in to with an app (OAuth client) "
            "of your own there."
        ),
        cost=gettext_lazy("Free, beyond the mailbox."),
    )
    form = (
        Field("address", "Address", "What is read, and what answers are sent from", kind="email", account=True),
        Field("password", "Password", "Many providers want one made for programs", secret=True, required=False,
              account=True),
        Field("provider", "Signed in", "Google and Microsoft let an app of your own in instead of a password. "
              "Changed later, nothing is read until the channel is connected again",
              kind="choice", required=False, choices=(
                  ("", "With the password"), ("google", "At Google (Gmail, Workspace)"),
                  ("microsoft", "At Microsoft (Outlook, 365)"), ("other", "At another provider"))),
        Field("client_id", "Client ID", "Of your app, only for a sign-in at the provider", required=False),
        Field("client_secret", "Client secret", "Of the same app", secret=True, required=False),
        *_folded(
            Field("sender", "Sender's name", "What recipients see beside the address"),
            Field("imap_host", "IMAP server", "Where the mailbox is read; guessed when empty", kind="host"),
            Field("imap_port", "IMAP port", "993 when empty", kind="number"),
            Field("imap_security", "IMAP encryption", kind="choice", choices=_SECURITY),
            Field("smtp_host", "SMTP server", "Where answers are handed in; guessed when empty", kind="host"),
            Field("smtp_port", "SMTP port", "465 when empty", kind="number"),
            Field("smtp_security", "SMTP encryption", kind="choice", choices=_SECURITY),
            Field("user", "User", "The address when empty", account=True),
            Field("folders", "Folders", "One a line; the inbox when empty", kind="lines"),
            Field("sent_folder", "Folder for sent mail", "Found by itself on most servers"),
            Field("filed_by", "Sent mail is filed by", "Gmail and Microsoft 365 do it themselves", kind="choice",
                  choices=(("", "Whoever does it there usually"), ("us", "Us"), ("provider", "The provider"))),
            Field("sign_in_url", "Address for signing in", "Of another provider than Google and Microsoft", kind="url"),
            Field("token_url", "Address for tokens", "Of another provider than Google and Microsoft", kind="url"),
            Field("rights", "Rights asked for", "Scopes of another provider, with spaces between"),
            Field("refresh_token", "Refresh token", "Instead of signing in, where you were given one", secret=True,
                  account=True),
        ),
    )  # fmt: skip
    folded = gettext_lazy("Servers and folders, the sender’s name")
    oauth_where = "provider"
    sources = (Source("inbox", "Inbox", 60, 20, 300), Source("sent", "Sent mail", 120, 60, 900))

    @classmethod
    def guessed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return guess.servers(settings)

    @property
    def space(self) -> str:
        # A mail to two of our addresses is two conversations: one of them may belong to a private team.
        return f"mail:{self._address}"

    # Signing in

    # Listening

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        made, ends = letter(outgoing, self._address, str(self.settings.get("sender") or "")), ends_in(BEFORE_SENDING)
        try:
            with self._mailbox(ends) as box:
                sent = self._sent(box)
                if sent and self._was_filed(box, sent, made.id):
                    return Sent(made.id)
                with self._submission(ends) as submission:
                    submission.deliver(self._address, made.recipients, made.content)
                self._file(box, sent, made.content, outgoing.sending_at)
        except Unreadable as fault:  # of what is read before: nothing was handed in
            raise Unavailable(fault.detail, body=fault.body) from fault
        return Sent(made.id)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return MediaRule(types=frozenset(NAMES), most=10, total=8_000_000, description=500)

    def enclosed(self, post: Post, ref: str, size: int) -> bytes:
        wanted = parent_id(post)
        with self._mailbox(ends_in(FETCHING)) as box:
            for source in self.listening():
                box.select(self._folder(source.name, box))
                for uid in box.search(f"HEADER Message-ID {quoted(f'<{wanted}>')}")[:3]:
                    raw = box.whole(uid, size * 3 // 2)  # as it travels, a file is a third larger
                    if post.external_id in (read(raw[:CUT]).external_id, wanted):
                        return read(raw).content(int(ref))
        raise Gone("The mail is no longer in its folder.", what="the file")

    def _file(self, box: Mailbox, sent: str, content: bytes, at: datetime) -> None:
        if not sent or self.settings.get("filed_by") == "provider":
            return
        try:
            box.line.ends = ends_in(FILING)
            box.append(sent, content, at)
        except Fault:  # it is on its way all the same; the channel's page shows what went wrong
            return

    def _was_filed(self, box: Mailbox, sent: str, message_id: str) -> bool:
        """A folder that was renamed keeps no answer back: it cannot be looked into, and the channel's page says so."""
        try:
            return self._lies_in(box, sent, message_id)
        except Gone:
            return False

    @staticmethod
    def _lies_in(box: Mailbox, sent: str, message_id: str) -> bool:
        box.select(sent)
        return bool(box.search(f"HEADER Message-ID {quoted(f'<{message_id}>')}"))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        own_id = id_of(outgoing.key, self._address)
        with self._mailbox() as box:
            sent = self._sent(box)
            try:
                if sent and self._lies_in(box, sent, own_id):
                    return Found(own_id)
            except Gone:
                return CannotKnow("The folder for sent mail is not there.")
        if sent and self.settings.get("filed_by") == "provider":
            return Absent()
        return CannotKnow("It is not in the folder for sent mail, but it may have left before it could be filed there.")

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        reason = str(post.grants.get("automatic") or "")
        if reason:
            return {"reply": Capability(False, f"{reason} Nobody would read an answer.")}
        try:
            return {"reply": goes_to(post)}
        except Invalid as fault:
            return {"reply": Capability(False, fault.detail)}

    def check(self) -> Check:
        with self._mailbox() as box:
            idle, sent = box.announces(), self._sent(box)
            for source in self.listening():
                folder = self._folder(source.name, box)
                field = "sent_folder" if source.name == "sent" else "folders"
                with looked_up(field, f"There is no folder “{folder}” in this mailbox."):
                    box.select(folder)
        with self._submission():
            pass  # signing in is the test
        warnings = [] if sent else ["There is no folder for sent mail: answers given elsewhere will not be seen."]
        if not idle:
            words = "The server does not announce new mail (it has no IDLE); it is looked for each one to five minutes."
            warnings.append(words)
        host = str(self.settings.get("imap_host", ""))
        return Check(
            account_id=self._address,
            account_name=self._address,
            server=host,
            facts={"account_id": self._address, "sent": sent, "idle": idle},
            warnings=tuple(warnings),
        )
