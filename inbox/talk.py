"""The open conversation as a whole: thread, head, composer, person, why it is here. Read in a fixed number of
statements; what most conversations do not have is asked only where there is some."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from inbox import thread as threads
from inbox.composer import Composer, network_label
from inbox.entries import GONE
from inbox.filters import STATE_NAMES
from inbox.forms import Snooze, snooze_choices
from inbox.models import Attachment, Conversation, Draft
from inbox.why import Why, why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inbox.models import Agent
    from inbox.queue import Queue
    from inbox.thread import Thread

OTHERS = 6
KINDS = ("reply", "private", "note")
_SEEN = """
    INSERT INTO inbox_seen (agent_id, conversation_id, seq) VALUES (%(agent)s, %(conversation)s, %(seq)s)
    ON CONFLICT (agent_id, conversation_id) DO UPDATE SET seq = excluded.seq WHERE inbox_seen.seq < excluded.seq"""
_OF = "WHERE agent_id = %(agent)s AND conversation_id = %(conversation)s"
_MINE = f"""
    SELECT kind, text, version::bigint FROM inbox_draft {_OF}
     UNION ALL SELECT 'seen', '', seq FROM inbox_seen {_OF}
     UNION ALL SELECT 'files', '', 0 WHERE EXISTS (SELECT FROM inbox_attachment {_OF} AND reply_id IS NULL)"""  # noqa: S608


class Talk:
    """Begun by `open` for a page or `since` for news; the templates read the rest."""

    thread: Thread
    composer: Composer
    awaited: str
    composer_is_another = False
    others: list[Conversation]

    def __init__(self, conversation: Conversation, agent: Agent, queue: Queue) -> None:
        self.conversation, self.agent, self.queue = conversation, agent, queue
        self.is_whole = False

    def open(self, *, earlier: bool = False) -> None:
        """Everything, and the reader has now seen it."""
        self.awaited = self._channel.awaited()
        drafts, seen, files = self._mine(
            f"WITH now_seen AS ({_SEEN}) {_MINE}"
        )  # which still tells how far it was before
        self.is_whole = True
        self.thread = threads.whole(self.conversation, self.agent, seen, earlier=earlier)
        self.composer = Composer(self.conversation, self.agent, self.thread.last_inbound, drafts, files)
        self.others = self._others()

    def since(self, held: Mapping[str, int]) -> None:
        """What changed after these numbers; the composer is left alone, unless its channel began or ceased to listen
        only, or what it answers was deleted or came after all was."""
        self.awaited, number = self._channel.awaited(), held.get(self.conversation.stream, 0)
        self.composer_is_another = bool(self.awaited) != (self._channel.stream in held)
        drafts, _seen, files = self._mine(_MINE)
        self.thread = threads.since(self.conversation, self.agent, number)
        self.composer = Composer(self.conversation, self.agent, self.conversation.last_inbound(), drafts, files)
        self.composer_is_another = self.composer_is_another or self._answers_another()

    def _answers_another(self) -> bool:
        """Whether a post it could answer was deleted, or the news are the only ones it can answer. Every other news
        leaves the box alone, since somebody may be typing in it."""
        heard = [one for one in self.thread.mentions if not one.ours]
        if not heard or any(one.state in GONE for one in heard):
            return bool(heard)
        before = self.conversation.mentions.filter(ours=False).exclude(state__in=GONE)
        return not before.exclude(pk__in=[one.pk for one in heard]).exists()

    @property
    def mark(self) -> str:
        """What the thread was made at, and what its composer waits for."""
        return f"{self.thread.mark} {self.awaited}".rstrip()

    @property
    def _channel(self) -> Any:
        return self.conversation.channel

    def seen(self, seq: int) -> None:
        """The reader has read it up to this number; it never goes back."""
        with connection.cursor() as cursor:
            cursor.execute(_SEEN, self._reader | {"seq": min(seq, self.conversation.seen_seq)})

    @property
    def _reader(self) -> dict[str, int]:
        return {"agent": self.agent.pk, "conversation": self.conversation.pk}

    def _mine(self, statement: str) -> tuple[list[Draft], int | None, list[Attachment]]:
        """This reader's drafts and how far the conversation was read, in one statement; a second one only when files
        hang from a draft."""
        with connection.cursor() as cursor:
            cursor.execute(statement, self._reader | {"seq": self.conversation.seen_seq})
            kept = cursor.fetchall()
        read = next((number for kind, _text, number in kept if kind == "seen"), None)
        written = [Draft(kind=kind, text=text, version=number) for kind, text, number in kept if kind in KINDS]
        hanging = any(kind == "files" for kind, _text, _number in kept)
        files = list(Attachment.objects.drafted(self.agent, self.conversation).light()) if hanging else []
        return written, read, files

    def _others(self) -> list[Conversation]:
        """Other conversations of the same person that this reader may see, newest first."""
        same = Conversation.objects.visible_to(self.agent).filter(identity__person=self.conversation.identity.person_id)
        same = same.exclude(pk=self.conversation.pk).select_related("identity")
        return list(same.defer("trace", "context").order_by("-newest_at", "-id")[: OTHERS + 1])

    @property
    def shown_others(self) -> list[dict[str, Any]]:
        return [
            {"url": self._address(other), "text": other.excerpt or other.subject, "at": other.newest_at,
             "state": other.get_state_display(), "network": other.identity.network, "language": other.language}
            for other in self.others[:OTHERS]
        ]  # fmt: skip

    @property
    def more_others(self) -> bool:
        return len(self.others) > OTHERS

    @property
    def identities(self) -> list[dict[str, Any]]:
        """The accounts of this person that the reader has met, each with its network in words."""
        met = {self.conversation.identity_id: self.conversation.identity}
        for other in self.others:
            met.setdefault(other.identity_id, other.identity)
        return [{"who": who, "network": network_label(who.network)} for who in met.values()]

    def _address(self, conversation: Conversation) -> str:
        return f"{reverse('inbox:conversation', args=[conversation.pk])}?{urlencode({'view': self.queue.slug})}"

    @cached_property
    def url(self) -> str:
        return self._address(self.conversation)

    @property
    def state(self) -> str:
        return STATE_NAMES[self.conversation.state]

    @property
    def is_mine(self) -> bool:
        return self.conversation.agent_id == self.agent.pk

    @cached_property
    def why(self) -> Why | None:
        return why(self.conversation, self.agent)

    @property
    def snoozes(self) -> tuple[Snooze, ...]:
        return snooze_choices(timezone.now())

    @property
    def context(self) -> list[dict[str, Any]]:
        """The posts above this conversation, oldest first, as quotes."""
        posts = self.conversation.context if isinstance(self.conversation.context, list) else []
        return [post for post in posts if isinstance(post, dict) and post.get("text")]

    @property
    def tags(self) -> str:
        return ", ".join(self.conversation.tags)
