"""Keeps idle connections in the process: under ASGI every request has a connection object of its own, so that Django's
CONN_MAX_AGE would leak one connection a request, and 0 would open a new one for each.

The price: what a session was told stays. So only `SET LOCAL` and connection options, no session locks, no temporary
tables.
"""

import os
import threading
from collections import defaultdict, deque
from typing import Any

from django.db.backends.postgresql import base
from psycopg2 import Error
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

IDLE_LIMIT = int(
    os.environ.get("DATABASE_IDLE_LIMIT", "20")
)  # 0 in tests: idle connections would keep DROP DATABASE waiting

_idle: defaultdict[tuple[str, ...], deque[Any]] = defaultdict(deque)
_lock = threading.Lock()
os.register_at_fork(after_in_child=_idle.clear)  # a connection must not be used from two processes


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def _shelf(self) -> deque[Any]:
        return _idle[tuple(str(self.settings_dict[key]) for key in ("NAME", "USER", "HOST", "PORT", "OPTIONS"))]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """An idle connection that still answers, else a new one."""
        while True:
            with _lock:
                connection = self._shelf.pop() if self._shelf else None
            if connection is None:
                return super().get_new_connection(conn_params)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except Error:
                connection.close()
            else:
                return connection

    def _close(self) -> None:
        """Puts the connection back on the shelf, unless the shelf is full or the connection is broken."""
        connection = self.connection
        if connection is None or connection.closed:
            return
        try:
            if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                connection.rollback()
            connection.autocommit = True
        except Error:
            connection.close()
            return
        with _lock:
            if len(self._shelf) < IDLE_LIMIT:
                self._shelf.append(connection)
                return
        connection.close()
