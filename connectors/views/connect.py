"""Connecting a channel, one question a page: the network, its settings and keys, signing in there, a live test, and
where posts go. The channel is stored from the second page on, paused, so that reload and back keep everything."""

from __future__ import annotations

import secrets as random
import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from connectors import connecting, hooking, secrets, signing_in, trying
from connectors.base import Connector, Fault, Secrets, Way
from connectors.forms import ConnectForm, PlaceForm
from connectors.models import Channel
from connectors.opening import connector_of, opened_secrets
from inbox.models.event import recorded_together
from inbox.once import once
from inbox.rights import admins_only
from inbox.views.answering import shown
from socialcare.pages import Request

STATE, DONE = "oauth", "oauth-done"
STATE_SECONDS = 600
SIGNED_IN = ("access_token", "refresh_token")  # the first use of a refresh token gets the other
STEPS = (
    ("network", gettext_lazy("Network")),
    ("keys", gettext_lazy("What it needs")),
    ("test", gettext_lazy("Test")),
    ("place", gettext_lazy("Where posts go")),
)
WAYS = (
    (Way.NOW, gettext_lazy("Ready in minutes")),
    (Way.APP, gettext_lazy("With an app or key of your organisation")),
    (Way.APPROVAL, gettext_lazy("After the network has approved your app")),
)


def steps(current: str) -> list[dict[str, Any]]:
    here = [slug for slug, _label in STEPS].index(current)
    return [
        {"label": label, "current": slug == current, "done": place < here} for place, (slug, label) in enumerate(STEPS)
    ]


@require_GET
@admins_only
def networks(request: Request) -> HttpResponse:
    kinds = sorted((described(kind) for kind in Connector.kinds().values()), key=lambda kind: str(kind["label"]))
    ways = [{"label": words, "networks": [one for one in kinds if one["needs"].way == way]} for way, words in WAYS]
    return shown(request, "connectors/networks.html", {"ways": ways, "steps": steps("network")})


def described(kind: type[Connector], channel: Channel | None = None) -> dict[str, Any]:
    """What a page says of a network, or of the one of a channel; templates would call the class itself."""
    names = ("name", "label", "oauth_where", "pushed", "listen_only", "public", "scopes", "needs", "missing")
    oauth = kind.signs_in(channel.settings if channel else {})
    return {name: getattr(kind, name) for name in names} | {"oauth": oauth, "own_app": signing_in.by_own_app(kind)}


@admins_only
@once
def keys(request: Request, network: str) -> HttpResponse:
    """Settings and keys of a new channel; what is typed is checked for its form only, the test comes next."""
    if network not in Connector.kinds():
        raise Http404
    kind = Connector.named(network)
    if kind.missing:
        raise Http404
    form = ConnectForm(kind, request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["channel_name"]
        channel = connecting.connect(network, name, form.settings(), form.secrets(), request.user, listening=False)
        return HttpResponseRedirect(f"/set-up/channels/{channel.pk}/connect/", status=303)
    callback = callback_url(network)
    context = {
        "network": described(kind),
        "form": form,
        "steps": steps("keys"),
        "callback": callback,
        "insecure": not callback.startswith("https://"),
    }
    return shown(request, "connectors/keys.html", context, status=422 if form.errors else 200)


@admins_only
def test(request: Request, pk: int) -> HttpResponse:
    """The live test; its result is kept in the session, so that a reload shows it instead of testing again."""
    channel = get_object_or_404(Channel, pk=pk)
    if request.method == "POST":
        trial = trying.test(channel)
        if trial.ok and trial.check:
            connecting.keep_facts(channel, trial.check)
        request.session[f"trial-{pk}"] = trial.as_json(channel, request.user)
        return HttpResponseRedirect(request.path, status=303)
    context = {
        "channel": channel,
        "network": described(channel.kind, channel),
        "trial": request.session.get(f"trial-{pk}"),
        "steps": steps("test"),
        "signed_in": any(channel.sealed.get(name) for name in SIGNED_IN),
        "hook": None if hooking.arranges(channel.network) else hooking.hook_of(channel),
        "places": _places(channel),
        "namesakes": connecting.namesakes(channel),
    }
    return shown(request, "connectors/test.html", context)


def _places(channel: Channel) -> list[str]:
    """The hosts and addresses it goes by, so that a wrong guess or a slip is seen before a password goes there."""
    named = (channel.settings.get(field.name) for field in channel.kind.form if field.kind in ("host", "url"))
    return list(dict.fromkeys(str(place) for place in named if place))


@admins_only
def place(request: Request, pk: int) -> HttpResponse:
    """The last questions; answering them starts the listening."""
    channel = get_object_or_404(Channel, pk=pk)
    form = PlaceForm(channel, request.POST or None, initial={"team": channel.team_id})
    if request.method == "POST" and form.is_valid():
        with transaction.atomic(), recorded_together():
            Channel.objects.filter(pk=pk).update(team=form.cleaned_data["team"])
            if "listen_days" in form.fields:
                channel.listen_for(form.cleaned_data["listen_days"], request.user)
            channel.resume(request.user)
            connecting.read_soon()
        if words := hooking.arrange(channel):
            messages.warning(request, words)
        messages.info(request, _("Connected. It listens from now on."))
        request.session.pop(f"trial-{pk}", None)
        return HttpResponseRedirect(f"/set-up/channels/{pk}/", status=303)
    context = {"channel": channel, "form": form, "steps": steps("place")}
    return shown(request, "connectors/place.html", context, status=422 if form.errors else 200)


def callback_url(network: str) -> str:
    return f"{settings.PUBLIC_URL}/set-up/channels/callback/{network}/"


@require_POST
@admins_only
def sign_in(request: Request, pk: int) -> HttpResponse:
    """Begins OAuth and shows the link to the network. It is a link and not a redirect, because our policy lets forms
    lead to our own pages only."""
    channel = get_object_or_404(Channel, pk=pk)
    state = random.token_urlsafe(24)
    try:
        connector = connector_of(channel.network, channel.settings, opened_secrets(channel))
        grant = connector.begin(callback_url(channel.network), state)
    except Fault as fault:
        return _not_signed_in(request, signing_in.in_vain(channel.kind, fault), channel, status=422)
    sealed = {name: secrets.seal(value, table=STATE, row=pk, field=name) for name, value in grant.secrets.items()}
    request.session[STATE] = {"state": state, "channel": pk, "until": time.time() + STATE_SECONDS, "grant": sealed}
    return shown(request, "connectors/sign_in.html", _signing_in(channel) | {"url": grant.url})


def _signing_in(channel: Channel | None) -> dict[str, Any]:
    if channel is None:
        return {}
    steps_of = {"steps": steps("test")} if connecting.unfinished(channel) else {}
    return {"channel": channel, "network": described(channel.kind, channel), **steps_of}


def _not_signed_in(
    request: Request, words: str, channel: Channel | None = None, *, said: str = "", status: int = 403
) -> HttpResponse:
    context = _signing_in(channel) | {"words": words, "said": said}
    return shown(request, "connectors/sign_in.html", context, status=status)


@require_GET
@admins_only
def callback(request: Request, network: str) -> HttpResponse:
    """The way back from the network. The state is good once, for ten minutes, in this login, for its channel. Who
    comes back a second time, by a reload or a second click, is led to where the first time led."""
    given = request.GET.get("state", "")
    if _is(request.session.get(DONE), given):
        return _onward(request, get_object_or_404(Channel, pk=request.session[DONE]["channel"], network=network))
    kept = request.session.pop(STATE, None)
    if not _is(kept, given) or kept["until"] < time.time():
        return _not_signed_in(request, _("This way back was used, or is too old. Begin once more from the channel."))
    channel = get_object_or_404(Channel, pk=kept["channel"], network=network)
    code = request.GET.get("code", "")
    if not code:
        words, said = signing_in.without_code(channel.kind, request.GET.dict(), callback_url(network))
        return _not_signed_in(request, words, channel, said=said)
    grant = {
        name: secrets.open(value, table=STATE, row=channel.pk, field=name) for name, value in kept["grant"].items()
    }
    try:
        connector = connector_of(network, channel.settings, Secrets(grant))
        fresh = connector.finish(code, callback_url(network), Secrets(grant))
        words = signing_in.looked_at(channel, fresh)
    except Fault as fault:
        return _not_signed_in(request, signing_in.in_vain(channel.kind, fault), channel, status=422)
    if words:
        return _not_signed_in(request, words, channel, status=409)
    return _signed_in(request, channel, fresh, given)


def _is(kept: dict[str, Any] | None, given: str) -> bool:
    return kept is not None and constant_time_compare(kept["state"], given)


def _signed_in(request: Request, channel: Channel, fresh: Secrets, state: str) -> HttpResponse:
    """A new channel goes on to its test; one that had lost access listens again."""
    connecting.reconnect(channel, fresh, request.user)
    request.session.pop(f"trial-{channel.pk}", None)
    request.session[DONE] = {"state": state, "channel": channel.pk}
    return _onward(request, channel)


def _onward(request: Request, channel: Channel) -> HttpResponse:
    if not channel.paused:
        messages.info(request, _("Signed in again. Reading goes on from where it stood."))
    return HttpResponseRedirect(f"/set-up/channels/{channel.pk}/{'connect/' if connecting.unfinished(channel) else ''}")
