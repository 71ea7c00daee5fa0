"""The tasks of BM-16, on the product's Celery."""

from celery import shared_task
from django.db import connection

from socialcare.celery import app

BATCH = 500
__all__ = ["app"]


@shared_task
def work_off():
    """Everything due, in batches that two may share."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE bench_due SET done = done + 1 WHERE id IN (
                       SELECT id FROM bench_due WHERE done = 0 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)""",
                [BATCH],
            )
            if not cursor.rowcount:
                return


@shared_task
def work_one(number):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bench_due SET done = done + 1 WHERE id = %s AND done = 0", [number])
