"""What lies in the folders of a mailbox, as posts: onward from the newest that was read, back through what was there
before, and again for mails we hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Deleted,
    Gone,
    NotPermitted,
    Page,
    Past,
    Post,
    Source,
    Unavailable,
    Withheld,
)
from connectors.networks.mail.access import MailAccess
from connectors.networks.mail.answer import MARK, is_own_id, parent_id, recipients_of
from connectors.networks.mail.folder import (
    CUT,
    WINDOW,
    earlier_in,
    given,
    kept_of,
    newest_in,
    next_page,
    page_before,
    place,
    since_of,
    waiting_in,
)
from connectors.networks.mail.imap import Mailbox, Weight, quoted
from connectors.networks.mail.message import read, token_in
from connectors.networks.mail.posts import parent_of_sent, post_of, undelivered
from connectors.text import lines

LOOKED_UP = 5
"""Mails of a page whose thread is looked up in another folder."""


class Reading(MailAccess):
    """Registers no network."""

    revisits = None  # nobody can change a mail

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
            since = now - WINDOW if last is None else since_of(cursor)
            waiting = waiting_in(box, last, following, now)
            last = newest_in(box, following) if last is None else last
            while not budget.spent:
                budget.spend()
                weights, waiting = next_page(box, waiting)
                there = given(box, weights, cursor, now)
                found, bad = self._mapped(there.bodies, there.weights, source, now, since)
                posts = self._placed(found, box, folder, now)
                last, more = min(there.held) - 1 if there.held else max(weights, default=last), waiting or there.held
                kept = kept_of(validity, last, since if more else None, there.kept)
                returned = undelivered(posts)
                yield Page(posts=posts, bad=bad, undelivered=returned, cursor=kept, end=not more, gaps=gaps)
                there.go_on()
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
                there = given(box, weights, cursor, now)
                found, bad = self._mapped(there.bodies, there.weights, source, now, None)
                posts = self._placed(found, box, folder, now)
                below = max(there.held) + 1 if there.held else min(weights, default=0)
                kept = {"validity": validity, "since": cursor["since"], "below": below, **there.kept}
                yield Page(posts=posts, bad=bad, cursor=kept, end=not (waiting or there.held))
                there.go_on()
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
        bodies: Mapping[int, bytes],
        weights: Mapping[int, Weight],
        source: str,
        now: datetime,
        history_before: datetime | None,
    ) -> tuple[list[Post], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for uid, weight in weights.items():
            if uid not in bodies:
                bad.append(Bad(f"{source}:{uid}", "The server does not give this mail.", {}))
                continue
            try:
                post = post_of(read(bodies[uid]), source, self._address, weight, now, history_before)
            except MAPPING as error:
                head = bodies[uid][:2000].decode("utf-8", "replace")
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
        bodies, refusal = box.messages(list(weights), CUT)
        if isinstance(refusal, Unavailable) and not bodies:
            raise refusal
        return self._mapped(bodies, weights, source, now, None)[0]

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


def _named(source: Source, folder: str) -> Source:
    label = f"{source.label} {folder}"
    return Source(f"{source.name}:{folder}", label, source.interval, source.least, source.most)


def _is_lost(post: Post) -> bool:
    if post.ours:
        return post.parent_id is None and bool(parent_of_sent(post))
    return not post.raw.get("references") and bool(token_in(post.subject))
