"""What a condition or action asks for in its form: plain descriptions that the rule editor, the API and the checks
share."""

from __future__ import annotations

from dataclasses import dataclass


class RuleError(ValueError):
    """A rule that cannot be understood; the message is for the person who wrote it."""


@dataclass(frozen=True)
class Field:
    """`kind` is words, text, number, choice, team, agent, channel, network, topic or theme."""

    name: str
    label: str
    kind: str
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()


def words_of(value: object, what: str) -> tuple[str, ...]:
    """A list of words, or one text with commas or lines between them; RuleError when none is left."""
    parts = value.replace("\n", ",").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise RuleError(f"{what}: a list of words is needed.")
    words = tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
    if not words:
        raise RuleError(f"{what}: at least one word is needed.")
    if len(words) > 500 or any(len(word) > 100 for word in words):
        raise RuleError(f"{what}: at most 500 words of at most 100 characters.")
    return words


def number_of(value: object, what: str, low: int, high: int) -> int:
    try:
        number = int(str(value))
    except ValueError as error:
        raise RuleError(f"{what}: a whole number is needed, not “{value}”.") from error
    if not low <= number <= high:
        raise RuleError(f"{what}: a number from {low} to {high} is needed.")
    return number


def quoted(words: tuple[str, ...], joint: str) -> str:
    """“a”, “b” or “c”."""
    marked = [f"“{word}”" for word in words]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} {joint} {marked[-1]}"
