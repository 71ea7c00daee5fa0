"""`manage.py sweep`: a plain loop without Celery. It rings for what is due and works off itself what nobody took, so
that with Celery, beat or Redis gone the product is slower, not stopped. Any number may run."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone

from connectors import (
    access,
    acting,
    enclosing,
    listening,
    metering,
    picturing,
    removing,
    rereading,
    sending,
    unpacking,
)
from connectors.models import Channel
from connectors.stopping import Stop
from connectors.topics import clustering, clusters, comparing, days, resorting
from inbox import ringing
from inbox.kept import forget_over
from inbox.models.attachment import forget_unsent
from inbox.models.enclosure import forget_enclosures
from inbox.searching import indexing
from inbox.tasks import wake

log = structlog.get_logger(__name__)
LATE = 10.0  # seconds: by then somebody who was rung for would have taken it
COMPARING = 1.0  # seconds of a round for topics and what is stored
FORGET_EVERY = 3600.0  # seconds
POLLS, SENDERS = 8, 8  # channels polled, and answered through, at once by one sweep


class Command(BaseCommand):
    help = "Rings for due work and works off what is overdue, without Celery."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, help="seconds between two looks")
        parser.add_argument("--late", type=float, default=LATE, help="seconds after which it works off itself")
        parser.add_argument("--once", action="store_true", help="look once, do everything that is due, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        with Stop() as stop, ThreadPoolExecutor(POLLS) as pool:
            late = timedelta(seconds=0 if options["once"] else options["late"])
            sweeper = Sweeper(pool, late, at_once=options["once"])
            while not stop.asked():
                sweeper.look()
                if options["once"] or stop.asked(within=options["interval"]):
                    break
            sweeper.end()


class Sweeper:
    """One loop's memory: what its own threads are at. Whatever may wait for a network runs in one of them, so that
    the loop itself is never held."""

    def __init__(self, pool: ThreadPoolExecutor, late: timedelta, *, at_once: bool = False) -> None:
        self.pool, self.late, self.at_once = pool, late, at_once
        self.senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="send")
        self.polling: dict[int, Future[None]] = {}
        self.busy: dict[tuple[str, int], Future[None]] = {}
        self.forget_at = 0.0

    def look(self) -> None:
        """One round. Each step is tried whatever became of the others, and a database that is away is waited for."""
        steps: dict[str, Callable[[], object]] = {
            "ring": self._ring,
            "poll": self._poll_overdue,
            "renew": self._renew,
            "send": self._send_overdue,
            "index": lambda: self._start("index", 0, indexing.index_due),
            "wait": self._wait,
            "wake": wake,
            "compare": lambda: comparing.compare_due(seconds=COMPARING),
            "sort": lambda: resorting.sort_due(seconds=COMPARING),
            "cluster": lambda: clustering.cluster_due(seconds=COMPARING),
            "count": lambda: days.count_due(seconds=COMPARING),
            "warn": lambda: access.warn(timezone.now()),
            "remove": lambda: removing.remove_due(seconds=COMPARING),
            "forget": self._forget,
        }
        for name, step in steps.items():
            try:
                close_old_connections()
                step()
            except DatabaseError as error:
                log.warning("the database does not answer", step=name, error=type(error).__name__)
            except Exception:
                log.exception("a step of the sweep failed", step=name)

    def end(self) -> None:
        """Waits for the senders; what a poll holds is freed by its claim's end."""
        self.senders.shutdown()

    def _wait(self) -> None:
        if self.at_once:
            for job in [*self.polling.values(), *self.busy.values()]:
                job.result()

    def _ring(self) -> None:
        if not self.at_once:
            ringing.task("connectors.tasks.listen_due")
            ringing.task("connectors.tasks.send_due")
            ringing.task("connectors.tasks.act_due")

    def _forget(self) -> None:
        """What was kept for a while only goes; at once again where there is more of it."""
        if time.monotonic() < self.forget_at:
            return
        now = timezone.now()
        metering.forget(now)
        rereading.forget(now)
        forget_unsent(now)
        clusters.forget(now)
        more = [forget_enclosures(now), forget_over(now), unpacking.forget(now)]
        self.forget_at = time.monotonic() + (0 if any(more) else FORGET_EVERY)

    def _poll_overdue(self) -> None:
        self.polling = {pk: poll for pk, poll in self.polling.items() if not poll.done()}
        overdue = Channel.objects.due().filter(next_poll_at__lte=timezone.now() - self.late).order_by("next_poll_at")
        for pk in overdue.values_list("pk", flat=True)[:50]:
            if pk not in self.polling:
                self.polling[pk] = self.pool.submit(in_thread, listening.listen, pk)

    def _renew(self) -> None:
        """Not left to Celery: there is no other look at these rows, and once or twice a day is nothing."""
        self.busy = {key: job for key, job in self.busy.items() if not job.done()}
        for pk in access.due().order_by("renew_at").values_list("pk", flat=True)[:50]:
            self._start("renew", pk, access.renew_ahead, pk)

    def _send_overdue(self) -> None:
        """Each channel's replies and acts in a thread of their own."""
        for pk in sending.waiting(self.late):
            self._start("send", pk, partial(sending.send_due, overdue_by=self.late), pk)
        for pk in acting.waiting(self.late):
            self._start("act", pk, partial(acting.act_due, overdue_by=self.late), pk)
        self._start("pictures", 0, picturing.fetch_due, self.late)
        self._start("enclosures", 0, enclosing.fetch_due, self.late)

    def _start(self, kind: str, pk: int, work: Callable[..., object], *args: object) -> None:
        if (kind, pk) not in self.busy:
            self.busy[kind, pk] = self.senders.submit(in_thread, work, *args)


def in_thread(work: Callable[..., object], *args: object) -> None:
    """Runs in a thread of its own, with a database connection of its own."""
    try:
        work(*args)
    except Exception:
        log.exception("work failed", work=getattr(work, "__name__", "send_due"), args=args)
    finally:
        connections.close_all()
