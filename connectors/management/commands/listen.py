"""`manage.py listen`: keeps open the streams on which networks say that there is something new, and only rings. One is
enough; when it is not there, or a second one is, nothing is lost and nothing doubled."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connectors.attending import Attendant


class Command(BaseCommand):
    help = "Holds the networks' streams open and has a channel read as soon as one of them announces something."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=10.0, help="seconds between two looks at the channels")

    def handle(self, *args: Any, **options: Any) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self.attend(options["interval"]))

    async def attend(self, interval: float) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def end() -> None:
            if task and not task.cancelling():  # a second signal must not cut short the end that has begun
                task.cancel()

        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, end)
        await Attendant(interval).run()
