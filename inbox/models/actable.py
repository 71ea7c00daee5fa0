"""Asking the network to do something with a post that stands there: hide, like, correct, delete and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from inbox import happenings, ringing
from inbox.models.answerable import KeyUsed, refuse_if_held
from inbox.models.change import Moved, change

if TYPE_CHECKING:
    from inbox.models.act import Act
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation
    from inbox.models.mention import Mention
    from inbox.models.reply import Reply


class Actable:
    """Mixed into Conversation."""

    def act(  # type: ignore[misc]
        self: Conversation,
        agent: Agent,
        verb: str,
        key: UUID,
        *,
        mention: Mention | None = None,
        reply: Reply | None = None,
        text: str = "",
    ) -> Act:
        """Asks for `verb` on a mention of theirs or a sent reply of ours; `text` is the new wording for edit. The
        same key gives the same act, KeyUsed when it came with something else. HeldBack while the channel only listens,
        Moved when another team has the conversation now;
        KeyError for a verb nobody knows."""
        from inbox.models.act import SAID, Act
        from inbox.models.conversation import Conversation

        what = SAID[verb][1]
        given = (self.pk, agent.pk, verb, mention.pk if mention else None, reply.pk if reply else None, text)
        with transaction.atomic():
            if Conversation.objects.select_for_update(of=("self",)).get(pk=self.pk).team_id != self.team_id:
                raise Moved
            if twin := Act.objects.filter(key=key).first():
                same = (twin.conversation_id, twin.author_id, twin.verb, twin.mention_id, twin.reply_id, twin.text)
                if same != given:
                    raise KeyUsed
                return twin
            post = mention or reply
            if post is None:
                raise ValueError("an act is done to a mention or to a reply")
            refuse_if_held(post.channel_id)
            act = Act.objects.create(
                conversation=self, channel_id=post.channel_id, mention=mention, reply=reply, verb=verb, text=text,
                before=reply.text if reply and verb == "edit" else "", author=agent, key=key,
            )  # fmt: skip
            happening = happenings.ActAsked(act=act.pk, verb=what, mention=given[3], reply=given[4])
            change(self, happening, by=agent, values={})
            transaction.on_commit(lambda: ringing.task("connectors.tasks.act_due"), robust=True)
        return act
