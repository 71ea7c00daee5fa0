"""What is made once and kept as HTML is the same for all who are shown it, and nobody else's."""

import re
from pathlib import Path

from django.template import engines
from django.utils.html import format_html
from django.utils.translation import override

from inbox.pane import Item

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
