"""The readable list of checks that every change must pass, run side by side; no running application is needed."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader

from socialcare import environment
from socialcare.embedded import Postgres
from socialcare.ground import Ground

ROOT: Path = settings.BASE_DIR
CODE = ["socialcare", "inbox", "connectors", "routing", "insights"]
COULD_NOT_RUN = 75
PYTHON = [sys.executable, "-m"]
MANAGE = [sys.executable, "manage.py"]

# Put together from parts, so that this file does not contain what it forbids.
FORBIDDEN = {
    "an address of a package registry": "|".join(
        ["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)"]
    ),
    "a path of somebody's machine": "|".join(
        [r"(^|[\s\"'=(])/wo" + r"rk/", "/ho" + r"me/[a-z]+/", "/Us" + r"ers/[a-z]+/"]
    ),
    "unfinished work": "|".join(["TO" + "DO", "FIX" + "ME", r"\bX{3}\b", "lorem" + " ipsum"]),
    "a merge left open": "^(<{7} |>{7} )",
}
NOT_OURS = (":!static/js/vendor", ":!static/fonts", ":!requirements", ":!tests/recordings", ":!LICENSE")


@dataclass
class Result:
    name: str
    code: int
    words: str
    seconds: float

    @property
    def verdict(self) -> str:
        return {0: "ok", COULD_NOT_RUN: "could not run"}.get(self.code, "FAILED")


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _run(*argv: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace").strip()


def forbidden_words() -> tuple[int, str]:
    """Nothing in the repository names a registry's host, a machine's path, or work left for later."""
    found = []
    for what, pattern in FORBIDDEN.items():
        code, lines = _run("git", "grep", "-nIE", "--untracked", pattern, "--", ".", *NOT_OURS)
        if code > 1:
            return COULD_NOT_RUN, lines
        found += [f"{what}: {line[:200]}" for line in lines.splitlines() if code == 0]
    return (1 if found else 0), "\n".join(found)


def deploy_check() -> tuple[int, str]:
    """Django's own advice for a server that is reached by https."""
    return _run(
        *MANAGE, "check", "--deploy", "--fail-level", "WARNING", PUBLIC_URL="https://care.example.com", DEBUG="no"
    )


def migration_check() -> tuple[int, str]:
    """squawk reads the SQL of all migrations but those that make the first tables: would it lock tables in use?"""
    loader = MigrationLoader(None)
    found = loader.disk_migrations or {}
    later = sorted(key for key, migration in found.items() if key[0] in CODE and not migration.initial)
    with tempfile.TemporaryDirectory() as folder:
        for app, name in later:
            with Path(folder, f"{app}.{name}.sql").open("w") as sql:
                call_command("sqlmigrate", app, name, stdout=sql, no_color=True)
        connection.close()
        if not later:
            return 0, ""
        exclude = "--exclude=prefer-bigint-over-int,prefer-identity,prefer-robust-stmts,require-timeout-settings"
        return _run(_tool("squawk"), exclude, *(str(path) for path in sorted(Path(folder).iterdir())))


def lock_is_current() -> tuple[int, str]:
    code, words = _run(".ci/lock", "--check")
    return code, words if code != 1 else f"{words}\nRun `make lock`."


def templates() -> tuple[int, str]:
    return _run(*PYTHON, "djlint", "templates", "--lint", "--quiet")


def house_tests() -> tuple[int, str]:
    if not any((ROOT / "tests" / "house").glob("test_*.py")):
        return COULD_NOT_RUN, "tests/house holds no tests"
    return _run(*PYTHON, "pytest", "-q", "-n", "0", "tests/house")


def import_lint() -> tuple[int, str]:
    return _run(_tool("lint-imports"), "--no-cache")


# The longest first: two run at a time.
CHECKS: dict[str, Callable[[], tuple[int, str]]] = {
    "types (mypy --strict)": lambda: _run(*PYTHON, "mypy"),
    "house tests": house_tests,
    "layers (import-linter)": import_lint,
    "templates (djLint)": templates,
    "lint (ruff)": lambda: _run(*PYTHON, "ruff", "check", "--quiet", "."),
    "format (ruff)": lambda: _run(*PYTHON, "ruff", "format", "--check", "--quiet", "--diff", "."),
    "migrations complete": lambda: _run(*MANAGE, "makemigrations", "--check", "--dry-run"),
    "migrations lock nobody out (squawk)": migration_check,
    "django check": lambda: _run(*MANAGE, "check", "--fail-level", "WARNING"),
    "django check --deploy": deploy_check,
    "lock is current": lock_is_current,
    "forbidden words": forbidden_words,
}


@contextlib.contextmanager
def scratch_database() -> Iterator[None]:
    """For the checks that look at a database; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="socialcare-gate-") as folder, Path(folder, "log").open("ab") as log:
        Path(folder).chmod(0o711)  # the server runs as another user when we are root
        ground = Ground(Path(folder))
        ground.prepare()
        postgres = Postgres(ground, output=log, durable=False)
        try:
            postgres.start()
            os.environ["DATABASE_URL"] = postgres.url
            connections.settings["default"].update(environment.database(postgres.url))
            yield
        finally:
            postgres.stop()
            ground.unlock()


class Command(BaseCommand):
    help = "Runs all checks of the code and prints a table; exit code 1 if one fails."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", help="a part of the name of the checks to run")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: check for name, check in CHECKS.items() if (options["only"] or "") in name}
        with scratch_database(), ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda pair: _timed(*pair), chosen.items()))
        for result in results:
            if result.code and result.words:
                self.stdout.write(f"\n── {result.name}\n{result.words[-6000:]}")
        self.stdout.write("")
        for result in results:
            reason = f"  {_last_line(result.words)}" if result.code == COULD_NOT_RUN else ""
            self.stdout.write(f"{result.verdict:<15}{result.name:<38}{result.seconds:6.1f} s{reason}")
        if failed := [result.name for result in results if result.verdict == "FAILED"]:
            raise CommandError(f"The gate is shut: {', '.join(failed)}.")
        self.stdout.write("The gate is open.")


def _timed(name: str, check: Callable[[], tuple[int, str]]) -> Result:
    began = time.monotonic()
    code, words = check()
    return Result(name, code, words, time.monotonic() - began)


def _last_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.splitlines()[-1])[:120] if text else ""
