"""Keys and their list (?) are one: what is listed works, and what works is listed."""

import re
from pathlib import Path

from inbox import desk

HELP = Path("templates/parts/help.html").read_text()
PAGES = [path.read_text() for path in Path("templates").rglob("*.html") if "gallery" not in path.name]


def listed():
    """The keys of the list; those of the views stand in it by the views' own words."""
    return {key for names in re.findall(r'data-of="([^"{]+)"', HELP) for key in re.findall(r"g g|\S+", names)}


def working():
    told = [names for page in PAGES for names in re.findall(r'\b(?:data-)?key="([^"{]+)"', page)]
    keys = {key for names in told for key in names.split(", ")}
    moves = re.search(r'\?\? "(next:[^"]+)"', Path("static/js/row-nav.js").read_text())[1]
    keys |= {pair.split(":")[1] for pair in moves.split()} | {"ArrowDown", "ArrowUp", "ArrowRight"}
    panes = re.search(r"<pane-keys ([^>]+)>", Path("templates/frame.html").read_text())[1]
    undo = re.search(r'getAttribute\("key"\) \|\| "(.)"', Path("static/js/undo-toast.js").read_text())[1]
    return keys | set(re.findall(r'="([^"]+)"', panes)) | {undo}


def test_the_list_of_keys_names_exactly_those_that_work():
    assert listed() | {"/"} == working()  # that one stands in it by the name of its page


def test_each_view_with_a_key_stands_in_the_list():
    assert "{% for key, name in keys %}" in HELP
    assert all(re.fullmatch("g [a-z]", view.key) for view in desk.standard() if view.key)


def test_a_row_is_opened_by_the_keys_of_conversations_alone():
    frame = Path("templates/parts/queue_frame.html").read_text()
    opens = set(re.search(r'opens="([^"]+)"', frame)[1].split())
    of_a_conversation = set(re.findall(r'data-of="([^"]+)"', HELP.split("</section>")[0])) - {"Space", "Shift+Space"}
    assert opens == of_a_conversation
