"""The style sheets keep the house: layers, tokens, logical properties, small files (interface rules for CSS)."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "static/css"
SHEETS = sorted(CSS.rglob("*.css"))
LAYERS = {"parts": "parts", "pages": "pages", "css": None}


def text(sheet: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)


ALL = "\n".join(text(sheet) for sheet in SHEETS)


def found(pattern: str, *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{sheet.relative_to(CSS)}: {match[0].strip()}"
        for sheet in SHEETS
        if sheet.name not in but
        for match in re.finditer(pattern, text(sheet))
    ]


def test_colours_are_said_in_tokens_only():
    assert not found(r"#[0-9a-fA-F]{3,8}\b(?=[;,)\s])|\b(?:oklch|rgba?|hsla?|color-mix)\([^)]*\)", but=("tokens.css",))


def test_sizes_of_type_are_never_in_pixels():
    assert not found(r"\bfont(?:-size)?:[^;]*\dpx[^;]*;")


def test_only_logical_properties_are_used():
    assert not found(
        r"[;{\s](?:margin|padding|border|inset)-(?:left|right|top|bottom)[a-z-]*:|[;{\s](?:left|right|top|bottom|width|height|min-width|max-width|min-height|max-height):|text-align:\s*(?:left|right)|float:"
    )


def test_no_important_no_ids_no_visual_order():
    assert not found(r"!important")
    assert not found(r"(?m)^\s*[^@{};:]*#[a-z][\w-]*\s*[,{ ](?![^\"]*\"\])")
    assert not found(r"[;{\s]order:")


def test_every_custom_property_that_is_used_is_defined():
    defined = set(re.findall(r"(--[a-z0-9-]+)\s*:", ALL))
    used = set(re.findall(r"var\((--[a-z0-9-]+)", ALL))
    assert not used - defined


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.relative_to(CSS).as_posix())
def test_a_sheet_is_short_and_inside_its_layer(sheet):
    body = text(sheet)
    assert len(body.splitlines()) <= 200
    if sheet.name == "fonts.css":
        return
    layer = sheet.parent.name if sheet.parent != CSS else sheet.stem
    outside = re.sub(r"@layer [a-z, ]+;", "", body).strip()
    assert outside.startswith(f"@layer {layer} {{")
    assert not re.search(r"(?m)^(?!@layer|@media|@keyframes|\}|\s|$)", body)


def test_helpers_stay_few():
    assert len(set(re.findall(r"(?m)^  \.([a-z-]+)", text(CSS / "helpers.css")))) <= 30


def test_every_class_of_the_parts_exists():
    """A class in a template of the parts that no sheet knows is a typing error."""
    known = set(re.findall(r"\.([a-z][\w-]*)", ALL))
    parts = Path(__file__).parents[2] / "templates/parts"
    used = {
        name
        for part in parts.glob("*.html")
        for value in re.findall(r'class="([^"{]*)"', part.read_text(encoding="utf-8"))
        for name in value.split()
    }
    assert not used - known - {"button__text"}
