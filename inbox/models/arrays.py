"""Whole columns as one literal each. A list handed to psycopg2 becomes ARRAY['…', '…'] with a node of the parser for
every value, which costs more than storing it; '{…}' is one constant that the server reads in one go. Columns of objects
are one JSON list, because JSON inside an array is escaped twice and read twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any


def array(values: Iterable[Any]) -> str:
    """The values as the text of a PostgreSQL array; cast it to the type wanted."""
    values = tuple(values)
    kinds = set(map(type, values))
    if len(kinds) == 1:
        kind = kinds.pop()
        if kind is int:
            return "{" + ",".join(map(str, values)) + "}"
        if issubclass(kind, str):
            return _texts(values)
    return "{" + ",".join([_WRITERS[type(value)](value) for value in values]) + "}"


def columns(rows: Sequence[Sequence[Any]]) -> list[str]:
    """The columns of the rows, each as an array; one of dicts or lists as a JSON list, for
    `jsonb_array_elements(%s::jsonb)`."""
    return [_column(column) for column in zip(*rows, strict=True)]


def _column(column: Sequence[Any]) -> str:
    return json.dumps(column) if column and isinstance(column[0], dict | list) else array(column)


def _texts(values: Sequence[str]) -> str:
    """A column of nothing but texts; nearly always none of them holds what has to be escaped."""
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return f'{{"{joined}"}}'


def _text(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


class _Writers(dict[type, Callable[[Any], str]]):
    """Found by the value's exact type; kinds of text (StrEnum) are text."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        if not issubclass(kind, str):
            raise TypeError(f"{kind.__name__} is not written into arrays")
        self[kind] = _text
        return _text


_WRITERS = _Writers(
    {
        str: _text,
        int: str,
        Decimal: str,
        datetime: datetime.isoformat,
        bool: lambda value: "t" if value else "f",
        type(None): lambda _: "NULL",
    }
)
