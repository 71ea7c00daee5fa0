"""The list of channels and the page of each: how it fares, its settings, what the network answered, and its verbs."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from connectors import (
    alarm,
    connecting,
    health,
    hooking,
    looking_back,
    rekeying,
    removing,
    rereading,
    retrying,
    samples,
    trying,
)
from connectors.forms import NetworkForm, SettingsForm
from connectors.lookback import complete_since
from connectors.models import Channel, Quarantined
from connectors.views.connect import described
from inbox.models import Agent
from inbox.overtaking import Overtaken, overtaken
from inbox.rights import admins_only
from inbox.views.answering import shown
from socialcare.pages import Request

SHOWN = 50


@require_GET
@admins_only
def channels(request: Request) -> HttpResponse:
    return shown(request, "connectors/channels.html", {"channels": health.of_all(timezone.now())})


@require_GET
@admins_only
def alarm_now(request: Request) -> HttpResponse:
    """What a page that is open already says of the channels: nothing, where it stands on it since it was loaded
    (`shown`), and that it is over when it is."""
    now, shown_then = alarm.standing(), request.GET.get("shown", "")
    context = {"banner": now if now and now["key"] != shown_then else None, "over": bool(shown_then and not now)}
    return shown(request, "connectors/alarm.html", context, part="alarm")


def channel_context(channel: Channel, tab: str) -> dict[str, Any]:
    now = timezone.now()
    base = f"/set-up/channels/{channel.pk}/"
    tabs = [
        {"url": base, "text": _("Health"), "current": tab == "health"},
        {"url": f"{base}heard/", "text": _("What was heard"), "current": tab == "heard"},
        {"url": f"{base}settings/", "text": _("Settings"), "current": tab == "settings"},
        {"url": f"{base}log/", "text": _("Log"), "current": tab == "log"},
    ]
    return {
        "channel": channel,
        "health": health.of(channel, now),
        "tabs": tabs,
        "hook": hooking.hook_of(channel),
        "base": base,
    }


@require_GET
@admins_only
def channel(request: Request, pk: int) -> HttpResponse:
    """The Health tab."""
    one, now = get_object_or_404(Channel, pk=pk), timezone.now()
    context = channel_context(one, "health")
    sources, gaps = health.sources(one), list(one.gaps.order_by("-at")[:SHOWN])
    past = {row.source: row for row in one.lookbacks.all()}
    context |= {
        "sources": [{"source": source, "past": past.get(source.name)} for source in sources],
        "lateness": health.lateness([one], now, request.user)[one.pk],
        "left": health.left(one, now),
        "costs": health.costs(context["health"], now),
        "complete": rereading.completeness(one),
        "complete_since": complete_since(sources, past.values(), gaps),
        "goes_on": any(row.goes_on for row in past.values()),
        "to_pay": [row for row in past.values() if row.waits_for_consent],
        "gaps": gaps,
        "quarantined": _quarantined(one, request.user),
        "trial": request.session.pop(f"trial-{pk}", None),
        "removable": not one.mentions.exists(),
        "invented": one.kind.invented,
    }
    return shown(request, "connectors/channel.html", context)


def _quarantined(channel: Channel, agent: Agent) -> list[Any]:
    """With the reasons as this admin may read them."""
    items = list(channel.quarantined.defer("raw").order_by("-at")[:SHOWN])
    closed = samples.closed_to(agent)
    for item in items:
        item.words = retrying.in_words(samples.shown_reason(item.reason) if closed else item.reason)
    return items


@admins_only
def settings(request: Request, pk: int) -> HttpResponse:
    """Secrets are never shown: an empty field keeps the one that is stored. What could make another account of the
    channel is tried before it is kept."""
    one = get_object_or_404(Channel, pk=pk)
    form, refusal, status = SettingsForm(one, request.POST or None), None, 422
    if request.method == "POST" and form.is_valid():
        form, refusal, status = _keep(request, one, form)
        if status == 303:
            return _changed(request, one)
    context = channel_context(one, "settings") | {"form": form, "refusal": refusal}
    return shown(request, "connectors/settings.html", context, status=status if form.errors or refusal else 200)


def _keep(request: Request, channel: Channel, form: SettingsForm) -> tuple[SettingsForm, rekeying.Refusal | None, int]:
    """The form to show, why nothing was changed, and with which status; 303: it is kept."""
    seen = form.cleaned_data["version"]
    try:
        refusal = rekeying.change(channel, form.given_values(), form.secrets(), request.user, seen=seen)
    except Overtaken:
        again = overtaken(partial(SettingsForm, get_object_or_404(Channel, pk=channel.pk)), request.POST)
        return (again, None, 409) if again else (form, None, 303)
    return form, refusal, 422 if refusal else 303


def _changed(request: Request, channel: Channel) -> HttpResponse:
    channel.refresh_from_db()
    if not channel.paused:
        _said(request, hooking.arrange(channel))
    further = "connect/" if connecting.unfinished(channel) else ""
    return HttpResponseRedirect(f"/set-up/channels/{channel.pk}/{further}", status=303)


@require_GET
@admins_only
def log(request: Request, pk: int) -> HttpResponse:
    """The last exchanges with the network, redacted when they were kept."""
    one = get_object_or_404(Channel, pk=pk)
    exchanges = [{**each, "at": datetime.fromisoformat(each["at"])} for each in one.exchanges]
    return shown(request, "connectors/log.html", channel_context(one, "log") | {"exchanges": exchanges})


@admins_only
def reconnect(request: Request, pk: int) -> HttpResponse:
    """New secrets for a channel that lost access. They are tried before they replace the old ones."""
    one = get_object_or_404(Channel, pk=pk)
    form = NetworkForm(one.kind, request.POST or None, only_secrets=True)
    context = channel_context(one, "settings") | {"form": form, "network": described(one.kind, one)}
    if request.method != "POST" or not form.is_valid():
        return shown(request, "connectors/reconnect.html", context, status=422 if form.errors else 200)
    trial = trying.try_new_secrets(one, form.secrets())
    if refusal := rekeying.refused(one, trial):
        trial.words = refusal.words
        context |= {"trial": trial.as_json(one, request.user), "refusal": refusal}
        return shown(request, "connectors/reconnect.html", context, status=422)
    connecting.reconnect(one, {**form.secrets(), **trial.renewed}, request.user)
    _said(request, hooking.arrange(one))
    messages.info(request, _("Connected again. Reading goes on from where it stood."))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def pause(request: Request, pk: int) -> HttpResponse:
    one = get_object_or_404(Channel, pk=pk)
    if one.pause(request.user):
        _said(request, hooking.withdraw(one))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def resume(request: Request, pk: int) -> HttpResponse:
    one = get_object_or_404(Channel, pk=pk)
    with transaction.atomic():
        one.resume(request.user)
        connecting.read_soon()
    _said(request, hooking.arrange(one))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def poll(request: Request, pk: int) -> HttpResponse:
    connecting.poll_now(get_object_or_404(Channel, pk=pk))
    messages.info(request, _("It is read in a moment; reload to see."))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def past(request: Request, pk: int) -> HttpResponse:
    """The past that costs money is wanted."""
    if looking_back.allow(get_object_or_404(Channel, pk=pk), request.user):
        messages.info(
            request, _("It is fetched in the background, and no more of it than the limit of the month allows.")
        )
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def test(request: Request, pk: int) -> HttpResponse:
    one = get_object_or_404(Channel, pk=pk)
    request.session[f"trial-{pk}"] = trying.test(one).as_json(one, request.user)
    if not one.paused:
        _said(request, hooking.arrange(one))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)


@require_POST
@admins_only
def removal(request: Request, pk: int) -> HttpResponse:
    """Only while nothing came through it; later a channel can be paused, because its conversations stay. Invented
    ones go with it."""
    one = get_object_or_404(Channel, pk=pk)
    if one.mentions.exists() and removing.begin(one, request.user):
        messages.info(request, _("It is removed in the background, with all that came through it."))
        return HttpResponseRedirect("/set-up/channels/", status=303)
    one = get_object_or_404(Channel.objects.filter(mentions=None, conversations=None, replies=None), pk=pk)
    _said(request, hooking.withdraw(one))
    connecting.remove(one, request.user)
    return HttpResponseRedirect("/set-up/channels/", status=303)


def _said(request: Request, words: str) -> None:
    """What did not work although the rest did."""
    if words:
        messages.warning(request, words)


@require_POST
@admins_only
def quarantined(request: Request, pk: int, item: int, verb: str) -> HttpResponse:
    held = get_object_or_404(Quarantined.objects.select_related("channel"), pk=item, channel=pk)
    if verb == "drop":
        retrying.drop(held)
    elif words := retrying.retry(held):
        messages.info(request, _("Not stored: %(words)s") % {"words": retrying.in_words(words)})
    else:
        messages.info(request, _("It is understood now and stands in the inbox."))
    return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)
