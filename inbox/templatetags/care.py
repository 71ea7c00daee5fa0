"""The words every template may use: icons, foreign text, times. Loaded as builtins, so that none can forget them."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext

from inbox import foreign as text_of
from inbox.why import MARKS

register = template.Library()

DAY = 86_400


@cache
def icon_names() -> frozenset[str]:
    """Names of the symbols in the sprite, so that a network without a glyph of its own gets the common one."""
    path = finders.find("icons.svg") or Path(settings.STATIC_ROOT or "") / "icons.svg"
    return frozenset(re.findall(r'<symbol id="([a-z0-9-]+)"', Path(str(path)).read_text(encoding="utf-8")))


@register.simple_tag
@lru_cache(maxsize=1_000, typed=True)
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """`{% icon "check" %}`; with `label` it speaks, without it stands beside words. `size="20"` for the larger ones."""
    extra = format_html(' data-size="{}"', size) if size else ""
    voice = format_html('role="img" aria-label="{}"', label) if label else format_html('aria-hidden="{}"', "true")
    return format_html(
        '<svg class="icon"{} {}><use href="{}#{}"/></svg>',
        extra,
        voice,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def network_icon(network: str, label: str = "") -> SafeString:
    """The glyph of a network, named for screen readers when `label` is given."""
    name = f"net-{network}"
    return icon(name if name in icon_names() else "net-other", label)


@register.simple_tag
def foreign(text: object, lang: str = "") -> SafeString:
    """Text of strangers: cleaned, escaped, isolated from our direction and from htmx, web addresses made into links."""
    body = format_html_join("", "{}", ((_piece(piece),) for piece in text_of.pieces(str(text or ""))))
    language = format_html(' lang="{}"', lang) if lang else ""
    return format_html('<bdi dir="auto" hx-ignore{}>{}</bdi>', language, body)


def _piece(piece: str | text_of.Link) -> SafeString:
    if isinstance(piece, str):
        return conditional_escape(piece)
    return format_html(
        '<a href="{}" target="_blank" rel="noopener noreferrer nofollow ugc">{}</a>',
        piece.href,
        piece.shown,
    )


@register.simple_tag
def foreign_line(text: object, lang: str = "") -> SafeString:
    """One line of foreign text for lists and names: cleaned, isolated, no links."""
    language = format_html(' lang="{}"', lang) if lang else ""
    return format_html('<bdi dir="auto" hx-ignore{}>{}</bdi>', language, text_of.snippet(str(text or "")))


@register.simple_tag
def foreign_match(text: str) -> SafeString:
    """An excerpt of foreign text as a trace keeps it, with the word that met the condition marked."""
    before, _mark, rest = text.partition(MARKS[0])
    word, _mark, after = rest.partition(MARKS[1])
    parts = [text_of.clean(part) for part in (before, word, after)]
    if not word:
        return format_html('<bdi dir="auto" hx-ignore>{}</bdi>', parts[0])
    return format_html('<bdi dir="auto" hx-ignore>{}<mark>{}</mark>{}</bdi>', *parts)


@register.filter
def snippet(text: object, length: int = 140) -> str:
    """One cleaned line of at most `length` characters; escaped by the template as usual."""
    return text_of.snippet(str(text or ""), int(length))


@register.filter
def cleaned(text: object) -> str:
    """Foreign text for an attribute or a sentence of ours: no controls, no overrides, one line."""
    return text_of.snippet(str(text or ""), 200)


@register.filter
def initials(name: object) -> str:
    """`Carla Mendes` → `CM`."""
    return text_of.initials(str(name or ""))


@register.filter
def is_long(text: object) -> bool:
    """Whether the message is folded behind "Show all"."""
    return text_of.is_long(str(text or ""))


@register.filter
def compact(number: int | None) -> str:
    """12,400 → `12.4 k`: only for rows and chips; elsewhere numbers are written out."""
    if number is None:
        return ""
    for size, unit in ((1_000_000, " M"), (1_000, " k")):
        if abs(number) >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return str(number)


def span(seconds: float) -> tuple[int, str]:
    """A length of time in the unit it is shown in."""
    whole = int(abs(seconds))
    if whole < 60:
        return 0, "now"
    if whole < 3600:
        return whole // 60, "min"
    if whole < DAY:
        return whole // 3600, "h"
    return (whole // DAY, "d") if whole < 14 * DAY else (whole // (7 * DAY), "wk")


@register.filter
def spell_out(seconds: float) -> str:
    """A length of time as rows show it: `4 min`, `2 h`, `3 d`, `5 wk`. local-time makes the same words in the page."""
    n, unit = span(seconds)
    if unit == "now":
        return pgettext("age", "now")
    if unit == "min":
        return gettext("%(n)d min") % {"n": n}
    if unit == "h":
        return gettext("%(n)d h") % {"n": n}
    if unit == "d":
        return gettext("%(n)d d") % {"n": n}
    return ngettext("%(n)d wk", "%(n)d wk", n) % {"n": n}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@register.simple_tag
def ago(at: datetime | None) -> SafeString | str:
    """The age of a row: always relative, so that the row holds no zone and is the same for every reader."""
    if at is None:
        return ""
    age = spell_out((timezone.now() - at).total_seconds())
    return format_html('<time datetime="{}" data-ago>{}</time>', _iso(at), age)


@register.simple_tag
def local_time(at: datetime | None, form: str = "", prefix: str = "") -> SafeString | str:
    """A time in the reader's zone. Forms: "" (10:42 · Tue 10:42 · 3 Nov 2026), "clock", "day", "full"."""
    if at is None:
        return ""
    here = _here(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        _iso(at),
        date_format(here, "l, j F Y, H:i:s"),
        prefix + _words(here, form),
    )


def _here(at: datetime) -> datetime:
    """In the reader's zone; at the very ends of the calendar, where a zone would lead beyond them, as it is."""
    try:
        return timezone.localtime(at)
    except OverflowError:
        return at


def _words(here: datetime, form: str) -> str:
    if form == "clock":
        return date_format(here, "H:i")
    if form == "full":
        return date_format(here, "j M Y, H:i")
    today = timezone.localtime().date()
    days = (today - here.date()).days
    if form == "day":
        return gettext("Today") if days == 0 else gettext("Yesterday") if days == 1 else date_format(here, "l, j F Y")
    if abs(days) < 1:
        return date_format(here, "H:i")
    return date_format(here, "D H:i") if abs(days) < 7 else date_format(here, "j M Y")


@register.simple_tag
def due_chip(due: datetime | None, warn_minutes: int = 15, long: bool = False) -> SafeString | str:
    """The chip of a deadline; local-time keeps its words and mood true. Nothing when there is no deadline."""
    if due is None:
        return ""
    left = (due - timezone.now()).total_seconds()
    mood = "danger" if left < 0 else "warn" if left < warn_minutes * 60 else ""
    words = spell_out(left)
    if long:
        text = gettext("Reply late %(time)s") if left < 0 else gettext("Reply due in %(time)s")
    else:
        text = gettext("late %(time)s") if left < 0 else "%(time)s"
    return format_html(
        '<span class="chip" data-mood="{}" data-due="{}" data-warn="{}"{}>{}</span>',
        mood, _iso(due), warn_minutes, format_html(" data-{}", "long") if long else "", text % {"time": words},
    )  # fmt: skip


@register.filter
def seconds(length: timedelta | None) -> float:
    """Seconds of a duration, for spell_out."""
    return length.total_seconds() if length else 0.0


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """The control of a form field, dressed as the parts want it and tied to its hint and error."""
    box = getattr(field.field.widget, "input_type", "") in ("checkbox", "radio")
    extra: dict[str, Any] = {} if box else {"class": f"input {field.field.widget.attrs.get('class', '')}".strip()}
    described = [f"{field.id_for_label}-hint"] if field.help_text else []
    if field.errors:
        extra["aria-invalid"] = "true"
        described.append(f"{field.id_for_label}-error")
    if described:
        extra["aria-describedby"] = " ".join(described)
    return field.as_widget(attrs=extra)


@register.simple_tag
def badge_icon(number: str) -> str:
    """The favicon with a number on it; the last one stands for nine and more."""
    return static(f"img/icon-{number}.svg")


@register.inclusion_tag("parts/face.html")
def face(name: object, **options: Any) -> dict[str, Any]:
    """Initials in a circle, with the network's glyph when `network` is given; see parts/face.html."""
    return {**options, "name": name}


@register.inclusion_tag("parts/chip.html")
def chip(facts: object) -> dict[str, Any]:
    """A chip made from an object or dict; see parts/chip.html."""
    return {"chip": facts}
