"""What may be done on the network with one message, asked when its menu opens and again when it is wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from inbox.composer import network_name, safe
from inbox.foreign import is_seen
from inbox.forms import NetworkActForm
from inbox.models import Conversation, Mention, Reply
from inbox.models.act import OPPOSITES
from inbox.models.answerable import HeldBack, KeyUsed
from inbox.views.answering import act, back_to, conversation_or_404, done, is_alive, refused, shown
from socialcare.pages import Request, is_number

# In the order of the menu: label, icon, and whether it is asked about first because it cannot be taken back.
VERBS = {
    "like": (gettext_lazy("Like"), "heart", False),
    "unlike": (gettext_lazy("Take back the like"), "heart", False),
    "approve": (gettext_lazy("Approve"), "check", False),
    "hide": (gettext_lazy("Hide"), "eye-off", False),
    "unhide": (gettext_lazy("Show again"), "eye", False),
    "mark_seen": (gettext_lazy("Mark as seen there"), "check", False),
    "edit": (gettext_lazy("Correct"), "pencil", False),
    "unspam": (gettext_lazy("Not spam"), "check", False),
    "restore": (gettext_lazy("Bring back from the trash"), "undo-2", False),
    "trash": (gettext_lazy("Move to the trash there"), "trash-2", False),
    "spam": (gettext_lazy("Mark as spam there"), "shield", True),
    "delete": (gettext_lazy("Delete there"), "trash-2", True),
    "mute": (gettext_lazy("Mute there"), "eye-off", False),
    "unmute": (gettext_lazy("Take back the mute"), "eye", False),
    "lock": (gettext_lazy("Close to answers"), "lock", False),
    "unlock": (gettext_lazy("Open to answers"), "undo-2", False),
    "report": (gettext_lazy("Report to who runs it"), "flag", True),
    "block": (gettext_lazy("Block the author"), "hand", True),
}


@dataclass(frozen=True)
class Choice:
    """One line of the menu; `reason` says why it cannot be done, or under which condition."""

    verb: str
    label: Any
    icon: str
    final: bool
    allowed: bool
    reason: str
    until: Any


def network_acts(request: Request, pk: int) -> HttpResponse:
    """GET: the menu of one message. POST: one of its lines."""
    return ask(request, pk=pk) if request.method == "POST" else menu(request, pk=pk)


@require_safe
def menu(request: Request, pk: int) -> HttpResponse:
    conversation = conversation_or_404(request, pk)
    post = post_or_404(conversation, request.GET)
    channel: Any = post.channel
    context = {
        "conversation": conversation,
        "post": post,
        "field": "mention" if isinstance(post, Mention) else "reply",
        "choices": choices(post),
        "held": channel.why_held(),
        "network": network_name(conversation.channel),
        "url": safe(post.url),
        "key": uuid4(),
        "view": request.GET.get("view", "all"),
        "back": back_to(request, conversation),
    }
    return shown(request, "inbox/network_acts.html", context, part="menu" if is_alive(request) else "")


def post_or_404(conversation: Conversation, given: Any) -> Mention | Reply:
    """The message of this conversation that is meant: one of theirs, or an answer of ours that the network has."""
    number = given.get("mention") or given.get("reply") or ""
    if not is_number(number):
        raise Http404
    if given.get("mention"):
        return get_object_or_404(
            Mention.objects.select_related("identity", "channel"), conversation=conversation, pk=number
        )
    sent = Reply.objects.filter(conversation=conversation, state="sent", external_id__isnull=False)
    return get_object_or_404(sent.select_related("channel", "parent"), pk=number)


def choices(post: Mention | Reply) -> list[Choice]:
    """What the network has to offer for this message, in the menu's order."""
    channel: Any = post.channel
    able = channel.may(post)
    return [
        Choice(verb, label, icon, final, able[verb].allowed, able[verb].reason, able[verb].until)
        for verb, (label, icon, final) in VERBS.items()
        if verb in able
    ]


@act
def ask(request: Request, conversation: Conversation) -> HttpResponse:
    form = NetworkActForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, _("Choose what is to be done."), status=422)
    post, said = post_or_404(conversation, request.POST), form.cleaned_data
    offered = {each.verb: each for each in choices(post)}
    choice, opposite = offered.get(said["verb"]), offered.get(OPPOSITES.get(said["verb"], ""))
    if choice is None and opposite is not None and opposite.allowed:
        return done(request, conversation)  # it is so already, as after a double click
    if choice is None or not choice.allowed:
        words = choice.reason if choice else _("%s has no such action.") % network_name(conversation.channel)
        return refused(request, conversation, words, status=422)
    if problems := _problems(post, said["verb"], said["text"]):
        return refused(request, conversation, " ".join(problems), status=422)
    where: dict[str, Any] = {"mention": post} if isinstance(post, Mention) else {"reply": post}
    try:
        conversation.act(request.user, said["verb"], said["key"], **where, text=said["text"])
    except HeldBack as held:
        return refused(request, conversation, str(held), status=422)
    except KeyUsed:
        return refused(request, conversation, _("This was asked for already. Open the menu again."))
    response = done(request, conversation)
    if is_alive(request):
        says = _("Asked of %s.") % network_name(conversation.channel)
        response["HX-Trigger"] = json.dumps({"undoable": {"url": "", "says": says}})
    return response


def _problems(post: Mention | Reply, verb: str, text: str) -> list[str]:
    """What is wrong with the new words of an answer, counted by the network's own rule."""
    if verb != "edit":
        return []
    if not is_seen(text):
        return [_("Write what it is to say.")]
    channel: Any = post.channel
    parent = post.parent if isinstance(post, Reply) else post
    return list(channel.measure(text, parent).problems) if parent else []
