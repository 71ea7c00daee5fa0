"""Answering: replies that leave through the outbox, and notes that stay. A reply says what its author had seen; if
somebody spoke meanwhile it is refused with the news instead of being sent past it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inbox import happenings, ringing
from inbox.models.change import Moved, change
from inbox.models.event import Event
from inbox.models.search_text import SearchKind, reindex

if TYPE_CHECKING:
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation
    from inbox.models.mention import Mention
    from inbox.models.note import Note
    from inbox.models.reply import Reply


class Stale(Exception):
    """Somebody spoke or took the conversation since the sender looked; `news` are the events, oldest first."""

    def __init__(self, news: list[Event]) -> None:
        super().__init__(f"{len(news)} things happened since")
        self.news = news


class KeyUsed(Exception):
    """The key stands for another text already: what was sent now must not pass for sent."""


class HeldBack(Exception):
    """The channel only listens yet; the message says until when."""


def refuse_if_held(channel_id: int) -> None:
    """HeldBack while nothing may leave through this channel. Whatever was asked for before waits in its row."""
    channel: Any = apps.get_model("connectors", "Channel")._default_manager
    if (held := channel.listening_first().filter(pk=channel_id).first()) is not None:
        raise HeldBack(held.held_in_words())


class Answerable:
    """Mixed into Conversation."""

    def news_since(self: Conversation, seen_seq: int, agent: Agent) -> list[Event]:  # type: ignore[misc]
        """What others did since that number which somebody who is writing an answer must know and may read."""
        news = Event.objects.told_to(agent, self).timeline().filter(seq__gt=seen_seq)
        news = news.filter(happening__in=happenings.Happening.newsworthy()).exclude(actor=agent)
        return list(news.select_related("actor"))

    def reply(  # type: ignore[misc]
        self: Conversation,
        agent: Agent,
        text: str,
        key: UUID,
        seen_seq: int,
        *,
        parent: Mention | None = None,
        kind: str = "reply",
        anyway: bool = False,
        elsewhere: str = "",
        then_close: bool = False,
        files: Sequence[UUID] = (),
    ) -> Reply:
        """Puts an answer into the outbox, where it waits for the undo time. The same key gives the same reply,
        however often it is sent; KeyUsed when it came with something else. `files` are the keys of what hangs from it,
        out of the agent's draft; FilesGone when one is not there. Raises HeldBack while the channel only listens, Moved
        when another team has it now, and Stale when somebody spoke meanwhile and `anyway` is not set; that choice is
        recorded. `elsewhere`: whom it goes to instead of who seems to have written, which the agent said yes to."""
        from inbox.models.attachment import bind
        from inbox.models.conversation import Conversation
        from inbox.models.note import Draft
        from inbox.models.reply import Reply, draft_kind

        with transaction.atomic():
            locked = Conversation.objects.select_for_update(of=("self",)).get(pk=self.pk)
            if twin := Reply.objects.filter(key=key).first():
                if (twin.conversation_id, twin.author_id, twin.kind, twin.text) != (self.pk, agent.pk, kind, text):
                    raise KeyUsed
                if twin.carries() != list(files):
                    raise KeyUsed
                return twin
            if locked.team_id != self.team_id:
                raise Moved
            channel_id = parent.channel_id if parent else locked.channel_id
            refuse_if_held(channel_id)
            news = self.news_since(seen_seq, agent)
            if news and not anyway:
                raise Stale(news)
            reply = Reply.objects.create(
                conversation=self,
                channel_id=channel_id,
                parent=parent,
                author=agent,
                text=text,
                kind=kind,
                key=key,
                anyway=bool(news),
                elsewhere=elsewhere,
                then_close=then_close,
                not_before=timezone.now() + timedelta(seconds=settings.UNDO_SECONDS),
                seq=locked.seen_seq + 1,
                files=len(files),
            )
            bind(reply, draft_kind(kind), files)
            Draft.objects.filter(agent=agent, conversation=self, kind=draft_kind(kind)).delete()
            reindex(SearchKind.REPLY, [reply.pk])
            also = (happenings.SentAnyway(reply=reply.pk),) if news else ()
            values = {} if locked.agent_id else {"agent_id": agent.pk}
            if not change(self, happenings.ReplyQueued(reply=reply.pk), by=agent, values=values, also=also):
                raise Moved  # or rather its author has
            transaction.on_commit(lambda: ringing.task("connectors.tasks.send_due"), robust=True)
        return reply

    def note(self: Conversation, agent: Agent, text: str, key: UUID) -> Note:  # type: ignore[misc]
        """Writes a note for the team; the same key gives the same note, KeyUsed when it came with something else,
        Moved when another team has it now."""
        from inbox.models.conversation import Conversation
        from inbox.models.note import Draft, Note

        with transaction.atomic():
            if Conversation.objects.select_for_update(of=("self",)).get(pk=self.pk).team_id != self.team_id:
                raise Moved
            given = {"conversation": self, "author": agent, "text": text}
            note, made = Note.objects.get_or_create(key=key, defaults=given)
            if (note.conversation_id, note.author_id, note.text) != (self.pk, agent.pk, text):
                raise KeyUsed
            if made:
                Draft.objects.filter(agent=agent, conversation=self, kind="note").delete()
                reindex(SearchKind.NOTE, [note.pk])
                change(self, happenings.Noted(note=note.pk), by=agent, values={})
        return note
