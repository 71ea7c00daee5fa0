"""Indexes built while their tables are in use."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from inbox.migrating import BuildIndex

pytestmark = pytest.mark.django_db(transaction=True)


def told(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


@pytest.fixture
def left_behind():
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX left_behind ON inbox_conversation (id)")
        yield
        cursor.execute("DROP INDEX left_behind")


def test_what_a_try_left_behind_is_taken_away_and_built_again(left_behind):
    before, patience = ProjectState.from_apps(apps), told("SHOW lock_timeout")
    build = BuildIndex("conversation", models.Index(fields=["excerpt"], name="left_behind"))
    after = before.clone()
    build.state_forwards("inbox", after)
    with connection.schema_editor(atomic=False) as editor:
        build.database_forwards("inbox", editor, before, after)
    (definition,) = told("SELECT pg_get_indexdef('left_behind'::regclass)")
    assert definition.endswith("(excerpt)")
    assert told("SHOW lock_timeout") == patience
