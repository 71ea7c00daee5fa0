"""Templates hold no inline script or style, trust no text, and every form, button and picture is whole."""

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
TEMPLATES = sorted((HOUSE / "templates").rglob("*.html"))
PYTHON = [
    path
    for app in ("socialcare", "inbox", "connectors", "routing", "insights")
    for path in sorted((HOUSE / app).rglob("*.py"))
]
ICONS = set(re.findall(r'<symbol id="([\w-]+)"', (HOUSE / "static/icons.svg").read_text(encoding="utf-8")))


def text(template: Path) -> str:
    return re.sub(r"\{% comment %\}.*?\{% endcomment %\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)


FORBIDDEN = {
    "text that is trusted": r"\|\s*safe\b|\{%\s*autoescape\s+off",
    "a name that is escaped when it is kept and again when it is shown": r"\{%\s*firstof\b[^%]*\sas\s+\w+\s*%\}",
    "a handler of htmx that needs eval": r"\bhx-on\b|\bjs:|hx-trigger=\"[^\"]*\[",
    "an inline style": r"\sstyle=\"|<style\b",
    "an inline handler": r"\son[a-z]+=\"",
    "an inline script": r"<script\b(?![^>]*\bsrc=)(?![^>]*application/json)",
    "a link that leads nowhere": r"<a\b[^>]*href=\"#\"",
    "a picture without alt": r"<img\b(?![^>]*\balt=)",
    "an address of another host": r"(?:src|href)=\"https?://",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_holds(what):
    hits = [
        f"{path.relative_to(HOUSE)}: {match[0]}"
        for path in TEMPLATES
        for match in re.finditer(FORBIDDEN[what], text(path))
    ]
    assert not [hit for hit in hits if "gallery" not in hit or what != "a link that leads nowhere"]


def test_no_python_trusts_text():
    assert not [str(path.relative_to(HOUSE)) for path in PYTHON if "mark_safe" in path.read_text(encoding="utf-8")]


def test_every_form_has_a_method_and_a_post_its_token():
    wrong = []
    for path in TEMPLATES:
        for tag, body in re.findall(r"<form\b((?:[^>{]|\{[^}]*\}+)*)>(.*?)</form>", text(path), flags=re.DOTALL):
            method = re.search(r'method="(get|post|dialog)"', tag)
            if not method or (method[1] == "post" and "{% csrf_token %}" not in body):
                wrong.append(f"{path.relative_to(HOUSE)}: <form{tag}>")
    assert not wrong


def test_every_button_has_words():
    wrong = []
    for path in TEMPLATES:
        for tag, body in re.findall(r"<button\b((?:[^>{]|\{[^}]*\}+)*)>(.*?)</button>", text(path), flags=re.DOTALL):
            words = re.sub(r"<[^>]*>|\{%\s*(?:icon|include|if|else|endif|for|endfor)[^%]*%\}", "", body).strip()
            if not words and "aria-label" not in tag and "title=" not in tag:
                wrong.append(f"{path.relative_to(HOUSE)}: <button{tag}>")
    assert not wrong


def test_every_icon_is_in_the_sprite():
    named = {(path.name, name) for path in TEMPLATES for name in re.findall(r'\{% icon "([^"]+)"', text(path))}
    named |= {(path.name, name) for path in TEMPLATES for name in re.findall(r'\bicon="([a-z0-9-]+)"', text(path))}
    assert not [f"{file}: {name}" for file, name in sorted(named) if name not in ICONS]


def test_every_part_says_its_parameters_first():
    assert not [
        path.name
        for path in (HOUSE / "templates/parts").glob("*.html")
        if not path.read_text(encoding="utf-8").startswith("{% comment %}")
    ]


def test_every_element_is_loaded_and_named_like_its_file():
    files = {path.stem for path in (HOUSE / "static/js").glob("*.js")}
    defined = {
        name
        for path in (HOUSE / "static/js").glob("*.js")
        for name in re.findall(r'\bdefine\("([\w-]+)"', path.read_text(encoding="utf-8"))
    }
    loaded = set(
        re.findall(r"js/([\w-]+)\.js' %\}", (HOUSE / "templates/parts/scripts.html").read_text(encoding="utf-8"))
    )
    assert files == defined == loaded - {"all"}  # all of them joined, in production
