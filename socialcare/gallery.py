"""The gallery shows every part in every state, with the cast's conversations (gallery.toml). It exists for eyes and for
tests only: without DEBUG or TESTING its URLs answer 404."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import override

from inbox.pane import Group, Item
from inbox.row import Chip, Row

SAMPLES = Path(__file__).with_suffix(".toml")
MOODS = ("", "warn", "danger", "good", "info", "praise", "accent")
ZONES = ("Europe/Lisbon", "Asia/Tokyo")


class SampleForm(forms.Form):
    name = forms.CharField(label="Name of the team", help_text="Everybody sees it.")
    mail = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    zone = forms.ChoiceField(label="Time zone", choices=[(zone, zone) for zone in ZONES])
    about = forms.CharField(label="What it does", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    private = forms.BooleanField(label="Private", help_text="Only members see its work.", required=False)


def _timed(value: Any, now: datetime) -> Any:
    """The samples with every `…_minutes` made into a time that long before now."""
    if isinstance(value, list):
        return [_timed(one, now) for one in value]
    if not isinstance(value, dict):
        return value
    times = {key.removesuffix("_minutes"): now - timedelta(minutes=n) for key, n in value.items() if "_minutes" in key}
    return {key: _timed(one, now) for key, one in value.items() if "_minutes" not in key} | times


def _samples() -> dict[str, Any]:
    samples: dict[str, Any] = _timed(tomllib.loads(SAMPLES.read_text(encoding="utf-8")), timezone.now())
    samples["queue"]["rows"] = [_row(**row) for row in samples["queue"]["rows"]]
    pane = samples["pane"]
    pane["groups"] = tuple(Group(group["label"], _items(group["views"])) for group in pane["groups"])
    pane["tabs"] = _items(pane["tabs"])
    for number, message in enumerate(samples["thread"]):
        message |= {"id": f"sample-{number}", "key": f"{number:05d}"}
    return samples


def _row(*, chip: dict[str, str] | None = None, agent_id: int | None = None, gone: str = "", **said: Any) -> Row:
    number = said["id"]
    said |= {"key": f"{1000 - number:05d}", "url": f"/gallery/desk/?open={number}", "agent_id": agent_id, "gone": gone}
    return Row(**said, chip=Chip(**chip) if chip else None, language="", priority=0, agent_name="")


def _items(samples: list[dict[str, Any]]) -> tuple[Item, ...]:
    return tuple(Item(**sample) for sample in samples)


def _show(request: HttpRequest, template: str) -> HttpResponse:
    if not (settings.DEBUG or settings.TESTING):
        raise Http404
    samples = _samples()
    samples["queue"]["density"] = request.GET.get("density", "normal")
    asked = {"theme": request.GET.get("theme", ""), "open": request.GET.get("open", ""), "moods": MOODS, "demo": True}
    wrong = SampleForm({"wrong-mail": "carla at example", "wrong-zone": "Europe/Lisbon"}, prefix="wrong")
    # The frame is drawn as Ana sees it, whoever looks.
    request.user = SimpleNamespace(  # type: ignore[assignment]
        is_authenticated=True, name="Ana", stream="agent:1", keys_on=True, theme="", zone="Europe/Lisbon"
    )
    with override("ar" if request.GET.get("dir") == "rtl" else "en"):
        return render(request, template, samples | asked | {"form": SampleForm(), "wrong": wrong})


@login_not_required
def gallery(request: HttpRequest) -> HttpResponse:
    """`/gallery/?theme=dark&dir=rtl`: every part."""
    return _show(request, "gallery.html")


@login_not_required
def desk(request: HttpRequest) -> HttpResponse:
    """`/gallery/desk/?theme=dark&open=1`: the parts put together as the desk."""
    return _show(request, "gallery_desk.html")


urlpatterns = [path("", gallery, name="gallery"), path("desk/", desk, name="gallery_desk")]
