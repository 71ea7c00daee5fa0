"""Django's sessions in the database, read by one plain statement: each request reads one, and putting the statement
together through the model takes several times what it takes to ask."""

from __future__ import annotations

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db import connection


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        sql = "SELECT session_key, session_data, expire_date FROM django_session"
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} WHERE session_key = %s AND expire_date > now()", [self.session_key])
            found = cursor.fetchone()
        if found is None:
            self._session_key = None
            return None
        return Session(*found)
