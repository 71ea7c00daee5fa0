"""Arrays as one literal come out of the server as they went in."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection

from connectors.base import PostKind
from inbox.models.arrays import array, columns


def back(values, kind):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [array(values)])
        return cursor.fetchone()[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "",
        "NULL",
        "null",
        "{a,b}",
        'say "yes"',
        "back\\slash",
        '\\"',
        "a,b",
        " around ",
        "line\nbreak",
        "ünï 漢 🙂",
        "%s",
    ],
)
def test_a_text_survives_whatever_it_holds(text):
    assert back([text, None, text], "text") == [text, None, text]


@pytest.mark.django_db
def test_numbers_truths_and_times_survive():
    now = datetime(2026, 11, 20, 12, 0, 1, 250, tzinfo=UTC)
    assert back([1, -5, None], "bigint") == [1, -5, None]
    assert back([True, False], "boolean") == [True, False]
    assert back([now, None], "timestamptz") == [now, None]
    assert back([Decimal("4.5")], "numeric") == [Decimal("4.5")]
    assert back([PostKind.REVIEW], "text") == ["review"]
    assert back([], "text") == []


def test_a_value_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="dict"):
        array([{}])


def test_rows_become_columns():
    assert columns([("a", 1), ("b", None)]) == ['{"a","b"}', "{1,NULL}"]
