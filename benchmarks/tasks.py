"""BM-16: work that many rows are due for, by one Celery task that takes them all and by a task for each of them, on a
real worker of our own settings."""

import os
import subprocess
import sys
import time

from django.db import connection

from benchmarks.measure import Take, check, interleaved, rate, row

ITEMS = {"batch": 20_000, "each": 400}
WARM = 40


def ready():
    """The table of due items; a row that is done twice shows it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_due (id int PRIMARY KEY, done int NOT NULL DEFAULT 0)")
        cursor.execute("TRUNCATE bench_due")


def fill(count):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE bench_due")
        cursor.execute("INSERT INTO bench_due (id) SELECT generate_series(1, %s)", [count])
        cursor.execute("ANALYZE bench_due")  # or the planner takes it for empty, until the server looks by itself


def left():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FILTER (WHERE done = 0), max(done) FROM bench_due")
        return cursor.fetchone()


def until_done(count):
    deadline = time.monotonic() + 60
    while left()[0] and time.monotonic() < deadline:
        time.sleep(0.01)
    remaining, most = left()
    check(remaining == 0, f"{remaining} of {count} items were never done")
    check(most == 1, "an item was done twice although nothing was killed")


def batch(_):
    from benchmarks.worker import work_off

    count = ITEMS["batch"]
    fill(count)
    started = time.perf_counter()
    for _ in range(3):  # rung more often than needed: the others find nothing
        work_off.delay()
    until_done(count)
    return Take(count, time.perf_counter() - started)


def each(_, count=ITEMS["each"]):
    from benchmarks.worker import work_one

    fill(count)
    started = time.perf_counter()
    for number in range(1, count + 1):
        work_one.delay(number)
    until_done(count)
    return Take(count, time.perf_counter() - started)


def run(options):
    ready()
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "benchmarks.worker",
        "worker",
        "-c",
        "2",
        "-l",
        "ERROR",
        "--without-mingle",
        "--without-gossip",
    ]
    worker = subprocess.Popen(argv, env=os.environ.copy())
    try:
        batch(0), each(0, WARM)  # the worker is up and both ways are warm
        takes = interleaved(options.rounds, {"batch": batch, "each": each})
    finally:
        worker.terminate()
        worker.wait(20)
    mine, slow = takes.rate("batch"), takes.rate("each")
    yield row(
        "BM-16", "one task for all that is due, to a task for each", rate(mine), rate(slow), mine / slow, least=100
    )
