"""`manage.py sweep`: a plain loop without Celery. It rings for what is due and works off itself what nobody took, so
that with Celery, beat or Redis gone the product is slower, not stopped. Any number may run."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone

from connectors import listening, sending
from connectors.models import Channel
from inbox import ringing
from inbox.tasks import wake

log = structlog.get_logger(__name__)
LATE_POLL = timedelta(seconds=10)
LATE_REPLY = timedelta(seconds=10)
POLLS = 4  # channels polled at once by one sweep


class Command(BaseCommand):
    help = "Rings for due work and works off what is overdue, without Celery."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, help="seconds between two looks")
        parser.add_argument("--once", action="store_true", help="look once, do everything that is due, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        with ThreadPoolExecutor(POLLS) as pool:
            sweeper = Sweeper(pool, at_once=options["once"])
            while not stop.is_set():
                sweeper.look()
                if options["once"]:
                    break
                stop.wait(options["interval"])


class Sweeper:
    """One loop's memory: which channels its own threads are polling."""

    def __init__(self, pool: ThreadPoolExecutor, *, at_once: bool = False) -> None:
        self.pool, self.at_once = pool, at_once
        self.polling: dict[int, Future[None]] = {}

    def look(self) -> None:
        """One round; a database that is away is waited for."""
        try:
            close_old_connections()
            self._ring()
            self._poll_overdue()
            late = timedelta(0) if self.at_once else LATE_REPLY
            sending.send_due(overdue_by=late)
            wake()
        except DatabaseError as error:
            log.warning("the database does not answer", error=type(error).__name__)

    def _ring(self) -> None:
        if not self.at_once:
            ringing.task("connectors.tasks.listen_due")
            ringing.task("connectors.tasks.send_due")

    def _poll_overdue(self) -> None:
        self.polling = {pk: poll for pk, poll in self.polling.items() if not poll.done()}
        limit = timezone.now() - (timedelta(0) if self.at_once else LATE_POLL)
        overdue = Channel.objects.due().filter(next_poll_at__lte=limit).order_by("next_poll_at")
        for pk in overdue.values_list("pk", flat=True)[:50]:
            if pk not in self.polling:
                self.polling[pk] = self.pool.submit(poll, pk)
        if self.at_once:
            for future in self.polling.values():
                future.result()


def poll(channel_id: int) -> None:
    """Polls in a thread of its own, with a database connection of its own."""
    try:
        listening.listen(channel_id)
    except Exception:
        log.exception("a poll failed", channel=channel_id)
    finally:
        connections.close_all()
