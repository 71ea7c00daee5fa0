"""Which of the files of a film is shown."""

from collections.abc import Mapping
from typing import Any


def best_film(item: Mapping[str, Any]) -> str:
    """The best of the variants that browsers play as they are; a list to stream from is none. "" where none is told."""
    given = item.get("variants")
    files = [each for each in (given if isinstance(given, list) else ()) if _is_file(each)]
    return str(max(files, key=_rate)["url"]) if files else ""


def _is_file(variant: Any) -> bool:
    return isinstance(variant, dict) and variant.get("content_type") == "video/mp4" and bool(variant.get("url"))


def _rate(variant: Mapping[str, Any]) -> float:
    try:
        return float(variant["bit_rate"])
    except (KeyError, ValueError, TypeError):
        return 0.0
