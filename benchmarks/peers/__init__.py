"""Other programs that figures are compared with, each in an environment and a process of its own (see `setup`)."""

import json
import os
import subprocess
from pathlib import Path

from django.db import connection

from benchmarks.measure import Take, Wrong, check

HOME = Path(__file__).resolve().parents[2] / ".tools" / "peers"
SETUP = "benchmarks/peers/setup brings it"


class Absent(Exception):
    """The peer was not brought to this machine."""


class Tickets:
    """django-helpdesk, with as many tickets in a database of its own beside ours."""

    DATABASE = "bench_tickets"

    def __init__(self, count):
        python = HOME / "helpdesk" / "bin" / "python"
        if not python.exists():
            raise Absent(f"django-helpdesk is not here; {SETUP}")
        self.argv = [python, Path(__file__).with_name("tickets.py"), self._url(), str(count)]

    def _url(self):
        return os.environ["DATABASE_URL"].replace(f"/{connection.settings_dict['NAME']}?", f"/{self.DATABASE}?")

    def __enter__(self):
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {self.DATABASE}")
        clean = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self.process = subprocess.Popen(self.argv, env=clean, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self._answer()["version"]
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.DATABASE} WITH (FORCE)")

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Wrong("django-helpdesk ended")
        return json.loads(line)

    def page(self, _round=0):
        """What a page of its list takes, without HTTP."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told = self._answer()
        check(told["right"], "django-helpdesk's page is not what a plain sort gives")
        return Take(1, told["wall"], told["cpu"])
