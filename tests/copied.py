"""The cast is made once in each process, by the application; every further test gets copies of its rows, in a hundredth
of the time that making them anew takes."""

import json
import re
from datetime import datetime
from itertools import count
from types import SimpleNamespace

from django.db import connection
from django.utils import timezone

KEPT = {"django_migrations", "django_content_type", "auth_permission"}  # what the migrations wrote, not the tests
LEFT = {}  # table: rows that the migrations wrote and the tests change
FAR = 20_000_000  # no sequence counts so far in a test
NUMBERED = re.compile(r"\b(team|agent):(\d+)\b")
TIMES = """SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'"""


def filled(cursor, tables):
    """Those of the tables in which there is anything."""
    cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM \"{table}\" LIMIT 1)" for table in tables))
    return [table for (table,) in cursor.fetchall()]


def all_tables(cursor):
    return sorted(set(connection.introspection.table_names(cursor)) - KEPT - set(LEFT))


def remember_left(cursor):
    """Before the first test: what the migrations left in tables that tests write too."""
    for table in filled(cursor, all_tables(cursor)):
        cursor.execute(f'SELECT json_agg(one)::text FROM "{table}" AS one')
        LEFT[table] = cursor.fetchone()[0]


def put_back_left(cursor):
    for table, rows in LEFT.items():
        source = f'json_populate_recordset(NULL::"{table}", %s)'
        cursor.execute(f'INSERT INTO "{table}" SELECT * FROM {source}', [rows])


class Copied:
    """What `make` gives, a namespace of rows, out of an empty database. Every copy has its own times, those of now, and
    its own ids, because Redis and this process remember rows of tests that are over."""

    def __init__(self, make):
        self.make, self.rows, self.copies = make, {}, count(1)

    def __call__(self):
        with connection.cursor() as cursor:
            if filled(cursor, self.rows or all_tables(cursor)):
                return self.make()  # added to what is there, as only the application can
            if self.rows:
                return self._copy(cursor)
            made = self.make()
            self._remember(cursor, made)
        return made

    def _remember(self, cursor, made):
        self.made = timezone.now()
        self.named = {name: (type(row), row.pk) for name, row in vars(made).items()}
        kinds = {kind._meta.db_table for kind, _ in self.named.values()}
        cursor.execute(TIMES)
        self.times = set(cursor.fetchall())
        for table in filled(cursor, all_tables(cursor)):
            cursor.execute(f'SELECT json_agg(one) FROM "{table}" AS one')
            rows = cursor.fetchone()[0]
            self.rows[table] = [
                {name: it for name, it in row.items() if name != "id" or table in kinds} for row in rows
            ]

    def _copy(self, cursor):
        ahead, passed = FAR + 1000 * next(self.copies), timezone.now() - self.made
        orders, values = [], []
        for table, rows in self.rows.items():
            moved = [{name: self._moved(table, name, it, ahead, passed) for name, it in row.items()} for row in rows]
            names = ", ".join(f'"{name}"' for name in moved[0])
            source = f'json_populate_recordset(NULL::"{table}", %s)'
            orders.append(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM {source}')
            values.append(json.dumps(moved))
        cursor.execute("; ".join(orders), values)
        kinds = {kind: kind.objects.in_bulk() for kind, _ in self.named.values()}
        return SimpleNamespace(**{name: kinds[kind][pk + ahead] for name, (kind, pk) in self.named.items()})

    def _moved(self, table, name, it, ahead, passed):
        if it is None:
            return None
        if (table, name) in self.times:
            return (datetime.fromisoformat(it) + passed).isoformat()
        if name == "id" or name.endswith("_id"):
            return it + ahead
        if name in ("key", "stream", "scope"):
            return NUMBERED.sub(lambda found: f"{found[1]}:{int(found[2]) + ahead}", it)
        if name == "payload":
            return {key: value + ahead if key in ("agent", "team") else value for key, value in it.items()}
        return it
