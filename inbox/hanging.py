"""Reads from a reply form which files are to leave with it, as its author saw them: by their keys, with the
descriptions that stood beside them, and from browsers without scripts the files themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils.translation import gettext as _

from inbox.attaching import Attaching
from inbox.files import Unfit
from inbox.models import Attachment, Reply
from inbox.models.attachment import DESCRIPTION

if TYPE_CHECKING:
    from inbox.models import Conversation, Mention
    from socialcare.pages import Request


@dataclass
class Hanging:
    """`problems`: why they cannot leave, in sentences."""

    keys: list[UUID] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def files_gone() -> str:
    return _("A file is no longer here; perhaps another window sent or removed it. Reload the page to see what is.")


def hung(request: Request, conversation: Conversation, parent: Mention | None, kind: str, key: UUID) -> Hanging:
    """What the form names, in its order. A form that was taken before names what hangs from its reply by now."""
    named, given = request.POST.getlist("files"), request.FILES.getlist("new")
    if not named and not given:
        return Hanging()
    try:
        keys = list(dict.fromkeys(UUID(one) for one in named))
    except ValueError:
        return Hanging(problems=[files_gone()])
    if Reply.objects.filter(key=key, conversation=conversation).exists():
        return Hanging(keys)
    drafted = Attachment.objects.drafted(request.user, conversation, kind).light()
    draft = Attaching(conversation, parent, kind, [])
    try:
        keys += [draft.add(request.user, one).key for one in given]
    except Unfit as unfit:
        return Hanging(keys, problems=[str(unfit)])
    files = {one.key: one for one in drafted.filter(key__in=keys)}
    if len(files) != len(keys):
        return Hanging(keys, problems=[files_gone()])
    _describe(files, named, request.POST.getlist("alt"))
    return Hanging(keys, [files[one] for one in keys])


def _describe(files: dict[UUID, Attachment], named: list[str], told: list[str]) -> None:
    """What was typed last counts, also when it was not saved on its own yet."""
    if len(named) != len(told):
        return
    for one, text in zip(named, told, strict=True):
        file, said = files[UUID(one)], text.strip()[:DESCRIPTION]
        if file.description != said:
            file.describe(said)
            file.description = said
