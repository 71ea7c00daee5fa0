"""Answers and notes: what is written is checked again here by the network's own rule, refused with the news when
somebody spoke meanwhile, and kept as a draft until it was taken."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inbox.composer import problems_of, why_not
from inbox.forms import DraftForm, NoteForm, ReplyForm, SettleForm
from inbox.hanging import files_gone, hung
from inbox.happenings import Happening
from inbox.models import Agent, Attachment, Conversation, Draft, Event, Mention, Reply
from inbox.models.answerable import HeldBack, KeyUsed, Stale
from inbox.models.attachment import FilesGone
from inbox.queue import sentence
from inbox.views.answering import act, back_to, done, is_alive, refused, shown
from socialcare.pages import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@act
def replies(request: Request, conversation: Conversation) -> HttpResponse:
    """Puts an answer into the outbox."""
    form = ReplyForm(request.POST)
    if not form.is_valid():
        return unfit(request, conversation, [str(error) for errors in form.errors.values() for error in errors])
    said = form.cleaned_data
    private = said["kind"] == "private"
    parent = conversation.last_inbound()
    hanging = hung(request, conversation, parent, said["kind"], said["key"])
    problems = hanging.problems or _problems(conversation, parent, said["text"], private, hanging.files)
    if problems:
        return unfit(request, conversation, problems)
    may = _may(conversation, parent, private)
    if may and may.elsewhere and may.elsewhere != said["elsewhere"]:
        return going_elsewhere(request, conversation, may, said)
    try:
        reply = conversation.reply(
            request.user,
            said["text"],
            said["key"],
            said["seen_seq"],
            parent=parent,
            kind="direct" if private else "reply",
            anyway=said["anyway"],
            elsewhere=may.elsewhere if may else "",
            then_close=said["then"] == "close",
            files=hanging.keys,
        )
    except Stale as stale:
        return meanwhile(request, conversation, stale.news, said)
    except HeldBack as held:
        return unfit(request, conversation, [str(held)])
    except KeyUsed:
        return unfit(request, conversation, [another_text()])
    except FilesGone:
        return unfit(request, conversation, [files_gone()])
    return queued(request, conversation, reply)


def _problems(
    conversation: Conversation, parent: Mention | None, text: str, private: bool, files: Sequence[Attachment] = ()
) -> list[str]:
    """Why this text cannot leave for this item with these files, in sentences."""
    channel: Any = conversation.channel
    refusal = why_not(channel, parent, _may(conversation, parent, private))
    if refusal or parent is None:
        return [refusal]
    problems = problems_of(channel, text, parent, private=private)
    return [*problems, *channel.media_problems(files, parent, private=private, text=text)]


def _may(conversation: Conversation, parent: Mention | None, private: bool) -> Any:
    channel: Any = conversation.channel
    return channel.may(parent).get("private_reply" if private else "reply") if parent else None


def queued(request: Request, conversation: Conversation, reply: Reply) -> HttpResponse:
    if not is_alive(request):
        return HttpResponseRedirect(f"{back_to(request, conversation)}#reply-{reply.pk}", status=303)
    response = HttpResponse(status=204)
    url = reverse("inbox:reply_undo", args=[conversation.pk, reply.pk])
    says = _("Sending in %d s.") % settings.UNDO_SECONDS
    if settings.UNDO_SECONDS and reply.state == "queued":
        response["HX-Trigger"] = json.dumps({"undoable": {"url": url, "says": says}})
    return response


def unfit(request: Request, conversation: Conversation, problems: list[str]) -> HttpResponse:
    """The text stays where it is; above it stands what is wrong."""
    context = {"problems": problems, "conversation": conversation, "text": request.POST.get("text", "")}
    context["back"] = back_to(request, conversation)
    return shown(request, "inbox/meanwhile.html", context, part="unfit" if is_alive(request) else "", status=422)


def going_elsewhere(request: Request, conversation: Conversation, may: Any, said: dict[str, Any]) -> HttpResponse:
    """It would go to somebody else than who seems to have written: says whom, keeps the text and asks."""
    context = {
        "may": may,
        "seen_seq": said["seen_seq"],
        "said": said,
        "kept_files": request.POST.getlist("files"),
        "conversation": conversation,
        "back": back_to(request, conversation),
    }
    return shown(request, "inbox/meanwhile.html", context, part="elsewhere" if is_alive(request) else "", status=409)


def another_text() -> str:
    return _("This form was sent already, with another text. Copy yours, reload the page and send it from there.")


def meanwhile(request: Request, conversation: Conversation, news: list[Event], said: dict[str, Any]) -> HttpResponse:
    """Somebody spoke or acted since the sender looked: shows what, keeps the text and asks."""
    conversation.refresh_from_db(fields=["seen_seq"])
    context = {
        "news": [_told(conversation, event) for event in news],
        "seen_seq": max([conversation.seen_seq, *(event.seq for event in news)]),
        "said": said,
        "kept_files": request.POST.getlist("files"),
        "conversation": conversation,
        "back": back_to(request, conversation),
    }
    return shown(request, "inbox/meanwhile.html", context, part="panel" if is_alive(request) else "", status=409)


def _told(conversation: Conversation, event: Event) -> dict[str, Any]:
    """The sentence of what happened, and the words that were said if there were any."""
    text = ""
    if event.payload.get("mention"):
        found = conversation.mentions.filter(pk=event.payload["mention"]).first()
        text = found.text if found and found.state not in ("deleted", "withheld") else ""
    elif event.payload.get("reply"):
        answer = conversation.replies.filter(pk=event.payload["reply"]).first()
        text = answer.text if answer else ""
    return {"sentence": sentence(event), "text": text, "at": event.at, "icon": Happening.named(event.happening).icon}


@act
def notes(request: Request, conversation: Conversation) -> HttpResponse:
    """Writes a note for the team; nothing of this address can leave the house."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        return unfit(request, conversation, [str(error) for errors in form.errors.values() for error in errors])
    try:
        conversation.note(request.user, form.cleaned_data["text"], form.cleaned_data["key"])
    except KeyUsed:
        return unfit(request, conversation, [another_text()])
    return done(request, conversation)


type OnReply = Callable[[Request, Conversation, Reply], HttpResponse]


def on_reply(view: OnReply) -> Callable[..., HttpResponse]:
    """A POST on one reply of a conversation that the reader may see."""

    @wraps(view)
    def wrapped(request: Request, conversation: Conversation, reply: int) -> HttpResponse:
        found = get_object_or_404(conversation.replies.select_related("author"), pk=reply)
        if Event.objects.kept_from(request.user, conversation, "reply_queued").filter(payload__reply=reply).exists():
            raise Http404
        found.conversation = conversation
        return view(request, conversation, found)

    return act(wrapped)


@on_reply
def undo(request: Request, conversation: Conversation, reply: Reply) -> HttpResponse:
    """Takes it back while it waits; the text returns to its author's draft."""
    if not reply.undo(request.user):
        return refused(request, conversation, _("Too late: it has left."))
    if is_alive(request):
        response = HttpResponse(
            _("Taken back. The text is in the reply box."), content_type="text/plain; charset=utf-8"
        )
        response["HX-Trigger"] = json.dumps({"ask": {}})
        return response
    return done(request, conversation)


@on_reply
def release(request: Request, conversation: Conversation, reply: Reply) -> HttpResponse:
    """Sends a held reply after all, or tries a failed one again, if the item can still be answered."""
    files = list(reply.attachments.light().order_by("place")) if reply.files else []
    problems = _problems(conversation, reply.parent, reply.text, reply.kind == "direct", files)
    if problems:
        return refused(request, conversation, " ".join(problems), status=422)
    if not reply.release(request.user):
        return refused(request, conversation, _("It is %s already.") % reply.get_state_display().lower())
    return done(request, conversation)


@on_reply
def drop(request: Request, conversation: Conversation, reply: Reply) -> HttpResponse:
    """Gives up a failed or held reply; the text returns to its author's draft."""
    if not reply.drop(request.user):
        return refused(request, conversation, _("It is %s already.") % reply.get_state_display().lower())
    return done(request, conversation)


@on_reply
def settle(request: Request, conversation: Conversation, reply: Reply) -> HttpResponse:
    """A person says what became of a reply nobody is sure of."""
    form = SettleForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, _("Say what you found; a link must be a whole address."), status=422)
    if not reply.settle(form.cleaned_data["verdict"], request.user, url=form.cleaned_data["url"]):
        return refused(request, conversation, _("It is settled already."))
    return done(request, conversation)


def just_said(agent: Agent, conversation: Conversation, text: str) -> bool:
    """Whether this text was sent a moment ago: saving it while it is typed may arrive after it was taken, and would
    leave a draft of what has been said."""
    lately = timezone.now() - timedelta(minutes=1)
    given_up, said = ("undone", "dropped", "failed"), text.strip()  # as the forms of answers and notes take it
    replies = conversation.replies.filter(author=agent, text=said, created_at__gt=lately).exclude(state__in=given_up)
    return replies.exists() or conversation.notes.filter(author=agent, text=said, at__gt=lately).exists()


@act
def draft(request: Request, conversation: Conversation) -> HttpResponse:
    """Keeps what is being typed. An older version than the one kept is refused with the text that is kept."""
    form = DraftForm(request.POST)
    if not form.is_valid():
        raise Http404
    kind, text, version = (form.cleaned_data[name] for name in ("kind", "text", "version"))
    with transaction.atomic():
        kept = Draft.objects.select_for_update().filter(agent=request.user, conversation=conversation, kind=kind)
        held = kept.first()
        if held is None and just_said(request.user, conversation, text):
            return JsonResponse({"version": 0})
        if held is None:
            held, made = Draft.objects.get_or_create(
                agent=request.user, conversation=conversation, kind=kind, defaults={"text": text, "version": 1}
            )
            if made:
                return JsonResponse({"version": held.version})
        if held.version != version and held.text != text:
            return JsonResponse({"version": held.version, "text": held.text}, status=409)
        held.text, held.version = text, held.version + 1
        held.save(update_fields=["text", "version", "at"])
    return JsonResponse({"version": held.version})
