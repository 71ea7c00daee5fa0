"""New rows put into a table by COPY, which costs the server half of INSERT … SELECT FROM unnest. They are written
in blocks, while the server stores the block before, and in a block column by column: most columns of a page hold one
value, and what has to be escaped is found in a whole column at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import batched, repeat
from typing import Any

from django.db import DatabaseError, connection

BLOCK = 50  # rows


def _encoder() -> Callable[[Any], str]:
    """What JSONEncoder sets up anew for each value, which takes longer than to write a small one."""
    plain = json.JSONEncoder(ensure_ascii=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    write = make(None, plain.default, json.encoder.encode_basestring, None, ": ", ", ", False, False, True)
    return lambda value: "".join(write(value, 0))


_json = _encoder()


def copy(table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Adds the rows, in their order; one statement. Dicts and lists become JSON. What goes wrong while the rows are
    made is raised as it is, and none of them is there."""
    lines = _Lines(rows)
    sql = f"COPY {table} ({columns}) FROM STDIN"  # names of ours
    with connection.cursor() as cursor:
        try:
            with connection.wrap_database_errors:
                cursor.copy_expert(sql, lines)
        except DatabaseError:
            if lines.error is not None:
                raise lines.error from None
            raise


class _Lines:
    """The rows as a file that COPY reads: each call makes a block of them."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self.blocks = batched(rows, BLOCK)
        self.error: BaseException | None = None

    def read(self, _size: int) -> bytes:
        """Nothing at the end. An error here makes the driver give the COPY up with the error's text, which would stand
        in the server's log; the caller raises what was kept of it."""
        try:
            return _lines(next(self.blocks, ()))
        except BaseException as error:  # noqa: BLE001  raised by who copies
            self.error = error
            raise _Unwritten from None


class _Unwritten(Exception):
    """A row could not be made."""


def _lines(rows: Sequence[tuple[Any, ...]]) -> bytes:
    if not rows:
        return b""
    written = [_column(column) for column in zip(*rows, strict=True)]
    lines = "\n".join(map("\t".join, zip(*written, strict=True)))
    return f"{lines}\n".encode()


def _column(values: tuple[Any, ...]) -> Iterable[str]:
    if values.count(values[0]) == len(values):
        return repeat(_WRITERS[type(values[0])](values[0]), len(values))
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return [_WRITERS[type(value)](value) for value in values]
    kind = kinds.pop()
    if issubclass(kind, str):
        return _texts(values)
    if issubclass(kind, dict | list):
        return _objects(values)
    return map(_WRITERS[kind], values)


def _texts(values: Sequence[str]) -> Sequence[str]:
    """A column of nothing but texts; often none of them holds what has to be escaped."""
    joined = "".join(values)
    if "\\" in joined or "\n" in joined or "\t" in joined or "\r" in joined:
        return list(map(_text, values))
    return values


def _objects(values: Sequence[Any]) -> Sequence[str]:
    """One that several rows share is written once."""
    kept: dict[int, str] = {}
    for value in values:
        if id(value) not in kept:
            kept[id(value)] = _json(value)
    return _texts([kept[id(value)] for value in values])


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _object(value: Any) -> str:
    return _text(_json(value))


class _Writers(dict[type, Callable[[Any], str]]):
    """Found by the value's exact type; kinds of text (StrEnum) are text."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        if not issubclass(kind, str):
            raise TypeError(f"{kind.__name__} is not written by COPY")
        self[kind] = _text
        return _text


_WRITERS = _Writers(
    {
        str: _text,
        int: str,
        dict: _object,
        list: _object,
        Decimal: str,
        datetime: datetime.isoformat,
        bool: lambda value: "t" if value else "f",
        type(None): lambda _: "\\N",
    }
)
