"""The gallery shows every part in every state, with the cast's conversations. It exists for eyes and for tests only:
without DEBUG or TESTING its URLs answer 404."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import override

MOODS = ["", "warn", "danger", "good", "info", "praise", "accent"]


class SampleForm(forms.Form):
    name = forms.CharField(label="Name of the team", help_text="Everybody sees it.")
    mail = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    zone = forms.ChoiceField(
        label="Time zone", choices=[("Europe/Lisbon", "Europe/Lisbon"), ("Asia/Tokyo", "Asia/Tokyo")]
    )
    about = forms.CharField(label="What it does", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    private = forms.BooleanField(label="Private", help_text="Only members see its work.", required=False)


def _row(number: int, name: str, text: str, minutes: float, now: datetime, **more: Any) -> dict[str, Any]:
    facts = {
        "handle": f"@{name.split(maxsplit=1)[0].lower()}",
        "network": "mastodon",
        "network_label": "Mastodon",
        "team_name": "Support",
    }
    place = {
        "id": number,
        "key": f"{1000 - number:05d}",
        "url": f"/gallery/desk/?open={number}",
        "age_at": now - timedelta(minutes=minutes),
    }
    return {**facts, **place, "author_name": name, "snippet": text, "state": "new", "agent_id": None, **more}


def rows(now: datetime) -> list[dict[str, Any]]:
    """The queue of one morning: each kind of chip, long names, other scripts, a row that left."""
    soon, late = now + timedelta(minutes=6.5), now - timedelta(minutes=3)
    return [
        _row(1, "Carla Mendes", "Third time my parcel says delivered and it is not here. What now?", 4, now, unread=True, chip={"due": soon}),
        _row(2, "Jonas Klein", "Checkout freezes on the last step, tried twice", 9, now, unread=True, network="demo", chip={"due": late}),
        _row(3, "Theo Silva", "Nadia in Lyon stayed late for us. Thank you!", 12, now, network="feed", handle="", chip={"mood": "praise", "text": "praise"}),
        _row(4, "Wes Kato", "Review: the app is fast, but refunds take three weeks and nobody says why", 26, now, network="review", unread=True),
        _row(5, "أميرة وهبي", "متى يصل طلبي؟ انتظر منذ أسبوع", 38, now, handle="@amira", network="x", chip={"mood": "accent", "text": "Max is replying"}),
        _row(6, "Ben Nowak", "ok that worked", 52, now, network="webhook", gone="Done by Max", agent_id=2),
        _row(7, "Maximiliane-Konstantinopolina von und zu Hohenlohe-Bartenstein", "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen " * 3, 130, now, handle="@maximiliane_konstantinopolina"),
        _row(8, "Ines Duarte", "Do you have openings for bakers in Porto?", 60 * 26, now, network="mail", handle="ines@example.org", chip={"mood": "info", "text": "fix promised Fri 13"}),
        _row(9, "Rob", "You could let us pause a subscription for a month", 60 * 24 * 21, now, network="bluesky", chip={"mood": "danger", "text": "send failed"}),
        _row(10, "田中 花子", "返金のページが真っ白です。iPhoneを使っています。", 60 * 50, now, handle="@hanako", network="facebook", chip={"mood": "warn", "text": "in doubt"}),
    ]  # fmt: skip


def messages(now: datetime) -> list[dict[str, Any]]:
    """A thread with every side and state."""
    carla = {"author_name": "Carla Mendes", "handle": "@carla", "network": "mastodon", "side": "theirs"}
    ours = {"author_name": "Ana", "handle": "as @acme", "network": "", "side": "ours"}
    said = [
        {**carla, "text": "second parcel in a month that is “delivered” to nobody. https://acme.example/t/88213 @acme", "minutes": 96, "url": "https://social.example/1"},
        {**ours, "text": "Hi Carla, that must be maddening. I am asking the courier for the scan now and write again before noon.", "minutes": 88, "state": "sent", "state_text": "sent 10:51"},
        {"author_name": "Pia", "side": "note", "text": "nine cases since Monday, all from the Rua Nova depot → cause 12", "minutes": 60},
        {**carla, "text": "Third time my parcel says delivered and it is not here. What now?", "minutes": 40, "edited_at": 35, "revisions": [{"text": "Third time!!", "minutes": 40}]},
        {**carla, "text": "‮never mind‬ ́́́́́́́́́́́́ https://user@evil.example/acme.com/login", "minutes": 30, "late": 12, "quote": {"author": "Acme", "text": "Our spring collection is here"}},
        {**carla, "text": "", "minutes": 24, "deleted": True},
        {**ours, "text": "Found it: the courier scanned the wrong building.", "minutes": 20, "state": "in_doubt", "state_text": "We do not know yet whether Mastodon took it. Being checked."},
        {**ours, "text": "Found it: the courier scanned the wrong building.", "minutes": 18, "state": "failed", "state_text": "Not sent: the network refuses the same text twice."},
        {**ours, "text": "You get it this afternoon, before 18:00.", "minutes": 1, "state": "queued", "state_text": "Sending in 8 s · Undo (Z)"},
        {**ours, "author_name": "Acme", "side": "outside", "text": "Thanks for your patience!", "minutes": 0},
    ]  # fmt: skip
    return [_message(number, one, now) for number, one in enumerate(said)]


def _message(number: int, one: dict[str, Any], now: datetime) -> dict[str, Any]:
    def ago(minutes: float | None) -> datetime | None:
        return None if minutes is None else now - timedelta(minutes=minutes)

    revisions = [{**revision, "at": ago(revision["minutes"])} for revision in one.get("revisions", [])]
    times = {"at": ago(one["minutes"]), "edited_at": ago(one.get("edited_at")), "late": ago(one.get("late"))}
    return {**one, **times, "revisions": revisions, "id": f"sample-{number}", "key": f"{number:05d}"}


def composer(cannot: bool = False) -> dict[str, Any]:
    """The composer with a reply and a note."""
    capability = {"text": "You can reply: she mentioned @acme", "mood": "", "icon": "check"}
    if cannot:
        actions = [
            {"url": "https://social.example/1", "text": "Open on Mastodon", "foreign": True},
            {"url": "#note", "text": "Write a note"},
        ]
        text = "Mastodon lets us answer only people who can see us. Carla blocked @acme."
        capability = {"text": text, "mood": "danger", "icon": "info", "actions": actions}
    reply = {
        "kind": "reply",
        "label": "Reply on Mastodon",
        "url": "/gallery/desk/",
        "current": True,
        "capability": capability,
        "cannot": cannot,
    }
    reply |= {
        "counter": {"kind": "characters", "limit": 500, "link": 23},
        "facts": "as @acme, signed AN",
        "send_text": "Send",
        "later": "later",
    }
    if not cannot:
        reply |= {
            "lines": [{"text": "Said lately: “14 days” 9×, “30 days” 2×"}],
            "text": "Hi Carla, found it: the courier scanned the wrong building. https://acme.example/t/88213",
        }
    note = {
        "kind": "note",
        "label": "Note",
        "url": "/gallery/desk/",
        "send_text": "Add note",
        "placeholder": "Only your team sees this",
    }
    return {"conversation_id": 1, "agent_id": 0, "draft_url": "/gallery/desk/", "forms": [reply, note]}


def pane() -> dict[str, Any]:
    """The views pane of Support."""
    work = [("Support", 24, "inbox"), ("Mine", 6, "user"), ("Unassigned", 11, "circle-help"), ("About to break", 4, "timer"), ("Failed sends", 0, "circle-alert"), ("Snoozed", 3, "moon")]  # fmt: skip
    places = [("Causes", 7, "git-merge"), ("Praise", 2, "heart"), ("Topics", None, "radio"), ("Reports", None, "chart-line"), ("Set up", None, "settings")]  # fmt: skip
    groups = [
        {"label": "", "views": [_view(*one) for one in work]},
        {"label": "Places", "views": [_view(*one) for one in places]},
    ]
    groups[0]["views"][0]["current"] = True  # type: ignore[index]
    groups[0]["views"][3]["mood"] = "danger"  # type: ignore[index]
    tabs = [
        {"url": "#", "text": "Queue", "icon": "inbox", "current": True},
        {"url": "#", "text": "Mine", "icon": "user"},
    ]
    return {"organisation": "Acme", "groups": groups, "tabs": tabs}


def _view(text: str, count: int | None, icon: str) -> dict[str, Any]:
    return {"text": text, "count": count, "icon": icon, "url": "/gallery/desk/"}


def _context(request: HttpRequest) -> dict[str, Any]:
    if not (settings.DEBUG or settings.TESTING):
        raise Http404
    now = timezone.now()
    form, wrong = (
        SampleForm(),
        SampleForm({"name": "", "mail": "carla at example", "zone": "Europe/Lisbon"}, prefix="wrong"),
    )
    density = request.GET.get("density", "normal")
    queue = {
        "title": "Support",
        "total": 24,
        "rows": rows(now),
        "url": "/gallery/desk/",
        "mark": "team:3=812",
        "density": density,
        "unread": "1 2 4",
    }
    figures = [
        (label, f"{value} %", f"({value - 4}–{value + 4}), n 486")
        for label, value in (("Answered in time", 62), ("Fix held", 88))
    ]
    facts = [{"label": "Lives in", "value": "Porto"}, {"label": "Reads", "value": "Portuguese, English"}, {"label": "First seen", "time": now - timedelta(days=400)}, {"label": "In time", "value": "5 of 6"}]  # fmt: skip
    return {
        "theme": request.GET.get("theme", ""), "rtl": request.GET.get("dir") == "rtl", "moods": MOODS, "form": form, "wrong": wrong, "queue": queue,
        "thread": messages(now), "composer": composer("cannot" in request.GET), "cannot": composer(cannot=True), "pane": pane(), "figures": figures, "facts": facts,
        "due": {"due": now + timedelta(minutes=6)}, "late": {"due": now - timedelta(minutes=3), "long": True}, "open": request.GET.get("open", ""),
        "happenings": {"id": "folded", "key": "2", "list": [{"id": f"event-{n}", "key": "1", "sentence": "Ana took the conversation", "icon": "hand", "at": now} for n in range(3)]},
        "empty": {"what": "Nobody is waiting in Support.", "why": "Last message 11:38.", "action": {"url": "#", "text": "Go to Unassigned (11)"}},
        "banner": {"mood": "danger", "text": "Acme Portugal: Mastodon refused our key.", "action": {"url": "#", "text": "Reconnect"}, "more": 2},
        "tabs": [{"url": "#", "text": text, "count": count, "current": not place} for place, (text, count) in enumerate((("Evidence", 37), ("Tell", 34), ("Proof", None), ("History", None)))],
        "item": {"url": "#", "kind": "Go", "text": "View: Refunds (14)", "hint": ""}, "organisation": "Acme",
        "network_names": ["mastodon", "feed", "webhook", "demo", "x", "facebook", "instagram", "bluesky", "mail", "review", "other"],
    }  # fmt: skip


@login_not_required
def gallery(request: HttpRequest) -> HttpResponse:
    """`/gallery/?theme=dark&dir=rtl`: every part."""
    with override("ar" if request.GET.get("dir") == "rtl" else "en"):
        return render(request, "gallery.html", _context(request))


@login_not_required
def desk(request: HttpRequest) -> HttpResponse:
    """`/gallery/desk/?theme=dark&open=1`: the parts put together as the desk."""
    with override("ar" if request.GET.get("dir") == "rtl" else "en"):
        return render(request, "gallery_desk.html", _context(request))


urlpatterns = [path("", gallery, name="gallery"), path("desk/", desk, name="gallery_desk")]
