"""What the composer shows of the files that hang from an answer being written: those that are there, what the network
says to them, and whether more may come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse
from django.utils.translation import gettext as _

from inbox.files import LIMIT, WRITTEN, Unfit, fitted, judged
from inbox.models import Attachment
from inbox.models.attachment import DESCRIPTION, MOST, TooMany

if TYPE_CHECKING:
    from inbox.models import Agent, Conversation, Mention


@dataclass
class Attaching:
    """The files of one kind of draft. `files` are the agent's, without their bytes."""

    conversation: Conversation
    parent: Mention | None
    kind: str
    files: Sequence[Attachment]

    limit = LIMIT

    @property
    def url(self) -> str:
        return reverse("inbox:files", args=[self.conversation.pk])

    @property
    def _private(self) -> bool:
        return self.kind == "private"

    @cached_property
    def rule(self) -> Any:
        """The network's rule for this item; None when there is nothing to answer, or nobody here speaks to it."""
        channel: Any = self.conversation.channel
        try:
            return channel.media_rule(self.parent, private=self._private) if self.parent else None
        except KeyError:
            return None

    @property
    def reason(self) -> str:
        """Why no file can hang from this answer, or ""."""
        if self.rule is None:
            return _("There is nothing to answer.")
        return "" if self.rule.types else str(self.rule.reason)

    @property
    def accept(self) -> str:
        """What the browser offers: a picture of another kind is made one that is taken."""
        types = set(self.rule.types) if self.rule else set()
        return ",".join(sorted(types | set(WRITTEN) if types & set(WRITTEN) else types))

    @property
    def describes(self) -> int:
        """How long a description may be; 0 where the network has none."""
        return min(self.rule.description or 0, DESCRIPTION) if self.rule else 0

    @cached_property
    def problems(self) -> Sequence[str]:
        channel: Any = self.conversation.channel
        if not self.files or self.rule is None:
            return ()
        return tuple(channel.media_problems(self.files, self.parent, private=self._private))

    def add(self, agent: Agent, given: UploadedFile[Any]) -> Attachment:
        """Puts an uploaded file into the draft, made to fit where that helps. Raises Unfit."""
        if self.reason:
            raise Unfit(self.reason)
        name = str(given.name or "")
        if (given.size or 0) > LIMIT:
            raise Unfit(_("“%(name)s” is larger than %(limit)d MB.") % {"name": name, "limit": LIMIT // 1_000_000})
        channel: Any = self.conversation.channel
        file = fitted(judged(given.read(), name), self.rule, str(channel.kind.label))
        try:
            return Attachment.add(agent, self.conversation, self.kind, file)
        except TooMany as error:
            raise Unfit(_("An answer holds at most %d files.") % MOST) from error


def shown_of(one: Attachment) -> dict[str, Any]:
    """A file of a sent answer as parts/message.html shows it."""
    url = reverse("inbox:file", args=[one.conversation_id, one.key])
    name = one.description or one.name
    picture = url if one.is_shown else ""
    return {"url": url, "alt": one.description, "name": name, "kind": "image" if picture else one.shape,
            "picture": picture}  # fmt: skip
