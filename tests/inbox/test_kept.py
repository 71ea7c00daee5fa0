"""What is made once and kept as HTML is the same for all who are shown it, and nobody else's."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import engines
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import override

from inbox.pane import Group, Item
from inbox.row import Chip, Row
from inbox.templatetags.kept import SMALL, button, kept
from inbox.templatetags.rows import conversation_rows

TEMPLATES = Path("templates")
OF_A_REQUEST = r"\b(request|csrf_token|messages|perms|user|banner|organisation|version)\b"
OF_A_MOMENT = r"\{%\s*(now|ago|due_chip|chip)\b|timesince|timeuntil"


def shown(template, **values):
    return engines["django"].from_string(template).render(values)


def text_of(part):
    name, _, fragment = part.partition("#")
    text = re.sub(r"\{% comment %\}.*?\{% endcomment %\}", "", (TEMPLATES / name).read_text(), flags=re.DOTALL)
    return re.search(rf"partialdef {fragment} %\}}(.*?)\{{% endpartialdef", text, re.DOTALL)[1] if fragment else text


def parts():
    """The templates that are kept, with what they include."""
    pages = "".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    named = r'(?:\{% kept |\bbulk_actions=|\bbulk_menus=)"([^"]+)"'
    waiting, found = {*re.findall(named, pages), "parts/button.html"}, {}
    while waiting:
        found |= {part: text_of(part) for part in waiting}
        waiting = set(re.findall(r'\{% include "([^"]+)"', "".join(found.values()))) - found.keys()
    return found


def test_a_kept_part_asks_for_nothing_of_a_request_and_for_no_moment():
    assert "parts/help.html" in parts()
    for name, text in parts().items():
        said = " ".join(re.findall(r"\{[{%].*?[%}]\}", text))
        assert not re.search(OF_A_REQUEST, re.sub(r"'[^']*'|\"[^\"]*\"", "", said)), name
        assert not re.search(OF_A_MOMENT, said), name


def test_a_kept_part_is_of_its_values_alone():
    line = '{% kept "parts/view.html" item=item %}'
    hr = Item("/views/hr/", "People of HR", count=3)
    assert "People of HR" in shown(line, item=hr)
    assert "People of HR" not in shown(line, item=Item("/views/product/", "Product", count=3))
    assert ">4<" in shown(line, item=Item("/views/hr/", "People of HR", count=4))
    assert "People of HR" not in shown('{% kept "parts/view.html" %}', item=hr)


def test_what_was_trusted_once_is_no_less_escaped_for_others():
    words = "<b>Carla</b>"
    assert words in shown("{% button words %}", words=format_html("<b>{}</b>", "Carla"))
    assert "&lt;b&gt;Carla&lt;/b&gt;" in shown("{% button words %}", words=words)
    assert words in shown("{% icon 'check' label=words %}", words=format_html("<b>{}</b>", "Carla"))
    assert words not in shown("{% icon 'check' label=words %}", words=words)


def test_a_kept_part_is_made_anew_in_another_language():
    item = Item("/views/all/", "Queue", count=1.5)
    line = '{% kept "parts/view.html" item=item %}'
    assert ">1.5<" in shown(line, item=item)
    with override("de"):
        assert ">1,5<" in shown(line, item=item)
    assert ">1.5<" in shown(line, item=item)


def test_menus_of_many_teams_push_out_nothing_else_and_few_of_them_are_kept():
    def menu(number):
        lines = (Item(f"/views/team-{number}/", f"Team {number}", count=number), Item("/views/hr/", "HR"))
        return kept("parts/views_pane.html#groups", groups=(Group("Teams", lines),))

    close, first = button("Close"), menu(0)
    assert menu(0) is first
    for number in range(1, SMALL + 10):
        menu(number)
    assert button("Close") is close
    again = menu(0)
    assert again == first
    assert again is not first


def row(**more):
    calm = dict.fromkeys(("author_name", "handle", "snippet", "language", "state", "agent_name", "team_name"), "calm")
    given = {"id": 7, "url": "/conversations/7/?view=all", "key": "0017", "network": "demo", "age_at": timezone.now()}
    return Row(**{**given, **calm, "chip": Chip("calm", "warn"), "priority": 3, "agent_id": 2, **more})


class Tags(HTMLParser):
    """The elements of a piece of HTML with the names of their attributes, in order."""

    def __init__(self, html):
        super().__init__()
        self.seen = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, [name for name, _ in attrs]))


@pytest.mark.parametrize("gone", ["", "calm"])
def test_strangers_words_change_nothing_of_a_row_but_its_words(gone):
    evil = "\"'><b onclick=x>&\u202e\x00</span><script>"
    said = dict.fromkeys(("author_name", "handle", "snippet", "language", "agent_name", "team_name", "network"), evil)
    hostile = conversation_rows([row(**said, chip=Chip(evil, evil), gone=gone and evil)])
    assert Tags(hostile).seen == Tags(conversation_rows([row(gone=gone)])).seen


def test_a_row_is_made_anew_when_a_value_or_its_age_in_words_is_another():
    now = timezone.now()
    ages = [conversation_rows([row(age_at=now - timedelta(minutes=n))]) for n in (4, 5)]
    assert [re.search(r"data-ago>([^<]+)<", html)[1] for html in ages] == ["4 min", "5 min"]
    assert "changed" in conversation_rows([row(snippet="changed")])
    assert "data-agent" not in conversation_rows([row(agent_id=None)])
