"""The tables are made once in a test run: whichever of its processes comes first migrates a database, of which every
one takes a copy. Seven seconds of a processor, that each of them would spend."""

import os
from contextlib import closing

import psycopg2
from django.core.management import call_command
from django.db import connection

TEMPLATE = "test_template"
LOCK = 7_233_100  # whoever holds it makes the template, the others wait


def use():
    """Before the test database is made: lets it be a copy."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as line:
        line.autocommit = True
        cursor = line.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # ends with the line, whatever becomes of this process
        cursor.execute("SELECT FROM pg_database WHERE datname = %s AND datistemplate", [TEMPLATE])
        if not cursor.rowcount:
            _make(cursor)
    connection.settings_dict["TEST"].update(TEMPLATE=TEMPLATE, MIGRATE=False)


def _make(cursor):
    cursor.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")  # half made by one that died
    cursor.execute(f"CREATE DATABASE {TEMPLATE}")
    of_tests = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = TEMPLATE
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = of_tests
    cursor.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")
