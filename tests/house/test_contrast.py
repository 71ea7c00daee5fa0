"""Every colour of tokens.css is inside sRGB, and every pair that meets on a screen keeps its contrast (WCAG 2.2)."""

import math
import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "static/css/tokens.css"
PAPERS = ("canvas", "surface", "raised", "hover", "chosen", "wash", "wash-2", "note", "ours")
MOODS = ("danger", "warn", "good", "info", "praise")
INKS = ("ink", "ink-2", "ink-3", "accent")

PAIRS = [(ink, paper, 4.5) for ink in INKS for paper in PAPERS]
PAIRS += [("ink", paper, 7) for paper in PAPERS]
PAIRS += [
    (mood, paper, 4.5) for mood in MOODS for paper in (f"{mood}-soft", "surface", "canvas", "raised", "chosen", "hover")
]
PAIRS += [("accent", "accent-soft", 4.5)] + [("ink", f"{mood}-soft", 7) for mood in (*MOODS, "accent")]
PAIRS += [("ink-2", "note", 4.5), ("ink-2", "sunken", 4.5), ("ink-3", "sunken", 4.5), ("canvas", "ink", 4.5)]
PAIRS += [("on-fill", paper, 4.5) for paper in ("accent-fill", "accent-press", "danger-fill")]
PAIRS += [("focus", paper, 3) for paper in PAPERS if paper != "wash"]
PAIRS += [("edge", paper, 3) for paper in ("surface", "raised", "sunken", "canvas")]
PAIRS += [(fill, paper, 3) for fill in ("accent-fill", "danger-fill") for paper in ("surface", "raised")]
PAIRS += [(f"series-{n}", "surface", 3) for n in range(1, 9)]


def linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH to linear sRGB (the matrices of CSS Color 4)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def colours() -> dict[str, list[tuple[float, float, float]]]:
    """Light and dark value of each opaque token, in linear sRGB."""
    found = {}
    for name, value in re.findall(r"--([a-z0-9-]+):\s*([^;]*oklch[^;]*);", TOKENS.read_text(encoding="utf-8")):
        parts = re.findall(r"oklch\(([\d.]+)% ([\d.]+) ([\d.]+)( /[^)]*)?\)", value)
        if parts and not any(alpha for *_, alpha in parts):
            values = [linear_rgb(float(light) / 100, float(chroma), float(hue)) for light, chroma, hue, _ in parts]
            found[name] = values * 2 if len(values) == 1 else values
    return found


def luminance(linear: tuple[float, float, float]) -> float:
    """Of the 8-bit colour that the screen shows."""
    shown = [
        round(255 * (12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055)) / 255 for c in map(clip, linear)
    ]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shown)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


COLOURS = colours()


def test_every_colour_can_be_shown_in_srgb():
    outside = {
        name: value for name, both in COLOURS.items() for value in both if not all(-0.002 <= c <= 1.002 for c in value)
    }
    assert len(COLOURS) > 40
    assert not outside


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_pair_that_meets_keeps_its_contrast(theme):
    weak = [
        f"{ink} on {paper}: {ratio:.2f} < {least}"
        for ink, paper, least in PAIRS
        if (ratio := contrast(COLOURS[ink][theme], COLOURS[paper][theme])) < least
    ]
    assert not weak
