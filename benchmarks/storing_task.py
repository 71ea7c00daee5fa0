"""The load of BM-23 in the product's own Celery worker: an offer of posts is a task."""

from functools import cache

from celery import shared_task

from socialcare.celery import app

__all__ = ["app"]
CHANNEL = 6


@cache
def storing():
    from benchmarks.alive import Storing

    return Storing(CHANNEL)


@shared_task
def store(amount, size, pace, seed):
    """Posts at a steady pace; with none of them, only what a worker does before its first."""
    from benchmarks.alive import Offer

    storing()(Offer(amount, size, pace, seed))
