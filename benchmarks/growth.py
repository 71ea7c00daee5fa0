"""BM-22: every page that can be read, on 10,000, 100,000 and all conversations: it asks as many statements and reads as
much of the tables as ever."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from benchmarks.measure import check, row
from benchmarks.scratch import TEMPLATE
from inbox.models import Conversation

SIZES = (10_000, 100_000)  # beside the large database's
MORE = 1.2
TOLD = 8  # pages that are named
QUEUE = (
    "/views/all/",
    "/views/support/",
    "/views/all/?order=priority",
    "/views/mine/?order=newest",
    "/conversations/…/",
)


@contextmanager
def database_of(size):
    """The environment of a database of its own with so many conversations."""
    name = f"bench_growth_{size}"
    url = os.environ["DATABASE_URL"].replace(f"/{connection.settings_dict['NAME']}?", f"/{name}?")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    try:
        environment = {**os.environ, "DATABASE_URL": url}
        argv = [sys.executable, "-m", "benchmarks.figure", "load", f"--rows={size}"]
        subprocess.run(argv, env=environment, check=True)
        yield environment
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pages(environment):
    """(statements, shared buffers) by address."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([sys.executable, "-m", "benchmarks.get_pages", file.name], env=environment, check=True)
        return json.loads(Path(file.name).read_text())


def run(options):
    large = Conversation.objects.count()
    sizes = [size for size in (SIZES if options.full else SIZES[:1]) if size < large]
    found = {}
    for size in sizes:
        with database_of(size) as environment:
            found[size] = pages(environment)
    few, many = found.get(sizes[0]), pages(os.environ)
    for size, there in found.items():
        check(there.keys() == many.keys(), f"other pages are there at {size:,}: {there.keys() ^ many.keys()}")
    check(len(many) > 50, f"only {len(many)} pages answered")
    named = f"of {len(many)} pages at {large:,} conversations as at {sizes[0]:,}"
    other = [name for name in many if any(there[name][0] != many[name][0] for there in found.values())]
    yield _counted(f"statements {named}", many, [f"{name} {few[name][0]} → {many[name][0]}" for name in other])
    grown = {name: many[name][1] / few[name][1] for name in many if few[name][1]}
    worse = sorted((name for name in grown if grown[name] > MORE), key=lambda name: -many[name][1])
    told = [f"{name} {few[name][1]:,} → {many[name][1]:,}" for name in worse]
    yield _counted(f"shared buffers {named}, up to {MORE} times", many, told)
    worst = max(QUEUE, key=lambda name: grown[name])
    yield row(
        "BM-22",
        f"shared buffers of the queue and of a conversation, to those at {sizes[0]:,}",
        f"{many[worst][1]:,}",
        f"{few[worst][1]:,}",
        grown[worst],
        most=MORE,
        note=worst,
    )


def _counted(what, pages, others):
    """How many pages are as they should be, and which are not."""
    right, more = len(pages) - len(others), len(others) - TOLD
    note = "; ".join(others[:TOLD]) + (f" and {more} more" if more > 0 else "")
    return row("BM-22", what, str(right), str(len(pages)), right / len(pages), least=1, note=note)
