"""What COPY writes comes out of the server as it went in."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from connectors.base import PostKind
from inbox.models.copying import BLOCK, copy

NOW = datetime(2026, 11, 20, 12, 0, 1, 250, tzinfo=UTC)


@pytest.fixture
def table(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE kept (id int PRIMARY KEY, said text, number numeric, holds boolean, at timestamptz, "
            "what jsonb) ON COMMIT DROP"
        )


def back(column, *values):
    """The values after they were written together and read again."""
    copy("kept", f"id, {column}", list(enumerate(values)))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM kept ORDER BY id")
        return tuple(value for (value,) in cursor.fetchall())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\N",
        "\\.",
        "NULL",
        "back\\slash",
        "\\t",
        "a\tb",
        "line\nbreak",
        "line\r\nbreak",
        "\x01\x1e\x7f",
        "ünï 漢 🙂",
        "%s",
    ],
)
def test_a_text_survives_whatever_it_holds(table, text):
    assert back("said", text, None, "other", text) == (text, None, "other", text)


@pytest.mark.parametrize("text", ["\\N", "a\tb", "line\nbreak"])
def test_a_text_survives_when_all_rows_hold_it_or_only_texts_stand_beside_it(table, text):
    assert back("said", text, text) == (text, text)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM kept")
    assert back("said", text, "other") == (text, "other")


def test_numbers_truths_times_and_kinds_survive(table):
    assert back("number", Decimal("4.5"), None, 3) == (Decimal("4.5"), None, 3)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM kept")
    copy("kept", "id, said, holds, at", [(1, PostKind.REVIEW, True, NOW), (2, PostKind.MAIL, False, None)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT said, holds, at FROM kept ORDER BY id")
        assert cursor.fetchall() == [("review", True, NOW), ("mail", False, None)]


def test_objects_become_json(table):
    shared = {"text": 'say "yes"\n\\ “ü” 🙂', "list": [1, None, {"deep": True}]}
    with connection.cursor() as cursor:
        copy("kept", "id, what", [(1, shared), (2, {}), (3, shared), (4, {"n": 1.5})])
        cursor.execute("SELECT what = (SELECT what FROM kept WHERE id = 1) FROM kept ORDER BY id")
        assert [same for (same,) in cursor.fetchall()] == [True, False, True, False]
        cursor.execute("SELECT what->>'text', what->'list'->2->>'deep' FROM kept WHERE id = 3")
        assert cursor.fetchone() == (shared["text"], "true")


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_however_many_rows_are_there_in_their_order(table, count):
    copy("kept", "id, said", ((number, f"row {number}") for number in range(count)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, said FROM kept ORDER BY ctid")
        assert cursor.fetchall() == [(number, f"row {number}") for number in range(count)]


@pytest.mark.parametrize("error", [ValueError("of the row"), SystemExit(0)])
def test_what_goes_wrong_while_rows_are_made_is_raised_and_none_is_there(table, error):
    def rows():
        yield from ((number, "good") for number in range(2 * BLOCK))
        raise error

    with pytest.raises(type(error)) as raised, transaction.atomic():
        copy("kept", "id, said", rows())
    assert raised.value is error
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        assert cursor.fetchone() == (0,)


def test_a_value_of_another_kind_is_refused(table):
    with pytest.raises(TypeError, match="object"):
        copy("kept", "id, said", [(1, object())])


def test_what_the_server_refuses_is_an_error_that_the_callers_know(table):
    with pytest.raises(IntegrityError):
        copy("kept", "id, said", [(1, "a"), (1, "b")])
