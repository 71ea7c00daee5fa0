"""A conversation in a list, as HTML: the same for every reader, so that it is made once for all who read the same. Said
here and not in a template, which takes five times as long: a page has fifty rows, and each that changed is made anew
for every screen.

A row has 1,000 bytes at most: row-nav gives rows, links and boxes what is the same for all (tabindex, aria-selected).
The grid around it is the one of parts/queue_frame.html. live-list, row-nav and agent-marks rely on the ids
conversation-<id> and c<id>-open, on data-key (ASCII, the list stands in its descending order), data-gone, .row__mark
and the box; <agent-marks> puts data-unread there, which is not the same for all.
"""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from inbox import foreign
from inbox.row import Chip, Row
from inbox.templatetags.care import ago, icon_names, span

register = template.Library()

ROWS = 10_000  # kept at most: about 15 MB
ROW = (
    '<div role="row" class="row" id="conversation-{id}" data-key="{key}"{agent}{gone}>'
    '<span role="gridcell"><input type="checkbox" class="row__box" name="conversation" value="{id}" form="bulk"'
    ' aria-label="{pick}"><span class="face" aria-hidden="true">{initials}{glyph}</span></span>'
    '<span role="gridcell"><a class="row__open" id="c{id}-open" href="{url}" hx-get="{url}">'
    '<span><bdi class="row__author" dir="auto" hx-ignore>{author}</bdi>{handle}'
    '<span class="unseen">{network}</span>{age}</span>'
    '<span><bdi class="row__text" dir="auto" hx-ignore{language}>{text}</bdi>'
    '<span class="row__mark">{mark}</span></span><span>{team}</span></a></span></div>'
)


@register.simple_tag
def conversation_rows(rows: Iterable[Row]) -> SafeString:
    """These rows. The HTML of one depends on nothing but its values, the language and the age in words."""
    language, now = get_language(), timezone.now()
    made = (_kept(language, span((now - row.age_at).total_seconds()) if row.age_at else None, row) for row in rows)
    return format_html_join("\n", "{}", ((row,) for row in made))


@lru_cache(maxsize=ROWS)
def _kept(_language: str | None, _age: tuple[int, str] | None, row: Row) -> SafeString:
    return format_html(
        ROW,
        id=row.id,
        key=row.key,
        url=row.url,
        agent=format_html(' data-agent="{}"', row.agent_id) if row.agent_id else "",
        gone=format_html(' data-gone="{}"', row.gone) if row.gone else "",
        pick=gettext("Pick %(name)s") % {"name": foreign.snippet(row.author_name, 200)},
        initials=foreign.initials(row.author_name),
        glyph=_glyph(row.network),
        author=foreign.snippet(row.author_name),
        handle=_handle(row.handle),
        network=row.network_label,
        age=ago(row.age_at),
        language=format_html(' lang="{}"', row.language) if row.language else "",
        text=foreign.snippet(row.snippet),
        mark=_mark(row),
        team=_place(row),
    )


@lru_cache(maxsize=1_000)
def _glyph(network: str) -> SafeString:
    """At the corner of the face, which is hidden from screen readers as a whole."""
    name = f"net-{network}"
    return format_html(
        '<svg><use href="{}#{}"/></svg>', static("icons.svg"), name if name in icon_names() else "net-other"
    )


def _handle(handle: str) -> SafeString | str:
    if not handle:
        return ""
    return format_html('<span class="row__handle" dir="ltr">{}</span>', foreign.snippet(handle, 200))


def _mark(row: Row) -> SafeString | str:
    """What stands at the end: why it left, or what it waits for and who has it."""
    if row.gone:
        return row.gone
    owner = format_html('<span class="row__owner">{}</span>', row.agent_name) if row.agent_name else ""
    return format_html("{}{}", _chip(row.chip) if row.chip else "", owner)


def _chip(chip: Chip) -> SafeString:
    return format_html('<span class="chip" data-mood="{}"><span>{}</span></span>', chip.mood, chip.text)


def _place(row: Row) -> str:
    if not row.priority:
        return row.team_name
    return f"{row.team_name} · {gettext('priority %(n)s') % {'n': row.priority}}"
