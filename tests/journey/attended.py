"""The loop of `manage.py listen` in a thread of the test."""

import asyncio
import threading
from contextlib import contextmanager

from django.db import connections

from connectors.attending import Attendant
from tests.waiting import PATIENCE


@contextmanager
def attended(interval=0.1):
    """The loop of `manage.py listen` in a thread."""
    attendant, loop = Attendant(interval), asyncio.new_event_loop()
    task = loop.create_task(attendant.run())

    def run():
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield attendant
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        loop.close()
