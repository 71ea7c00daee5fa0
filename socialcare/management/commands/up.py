"""The whole application as one program: servers if none are given, web, worker, beat, sweep and listen; Ctrl-C ends it
all."""

import errno
import hashlib
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from socialcare import __version__, environment, first_run, trial
from socialcare.alive import web_answers
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground, Unavailable
from socialcare.local import PUBLIC, data_folder, listening_at, write_secret
from socialcare.supervisor import Embedded, Log, Program, Stopped, Supervisor, off_signals, on_signals

# What the servers and Celery say each time, and nobody needs to read.
REDIS_ROUTINE = (
    r"oO0|version=|Configuration loaded|initialized|overcommit|Ready to|SIGTERM|requested|bye bye|loaded from"
)
CELERY_ROUTINE = r"superuser|_security_error|absolutely not|different user|User information|Warm shutdown|is starting"
OPEN_FILES = 65_536


class Command(BaseCommand):
    help = "Starts everything: embedded servers (unless DATABASE_URL, REDIS_URL are set), web and all who work behind."
    requires_system_checks: list[str] = []
    pace, seed = 2.0, 1  # of the demo network: new conversations a minute, and which ones

    def handle(self, *args: Any, **options: Any) -> None:
        self.log = Log()
        self.supervisor = Supervisor(self.log)
        self.ground = ground = Ground(data_folder())
        try:
            on_signals()
            self.start(ground)
            self.supervisor.watch()
        except Stopped:
            self.log.say("Stopping …")
        except (Unavailable, ImproperlyConfigured, DatabaseError) as error:
            raise CommandError(str(error).strip()) from error
        finally:
            off_signals()
            connections.close_all()
            self.supervisor.stop()
            ground.unlock()

    def start(self, ground: Ground) -> None:
        _raise_limit_of_open_files()
        ground.prepare()
        self.listener = _listen()  # kept here, because a socket nobody holds is closed
        write_secret(data_folder() / PUBLIC, settings.PUBLIC_URL)
        postgres, redis = Postgres(ground), Redis(ground)
        if environment.text("DATABASE_URL") == postgres.url:
            self.supervisor.start(Embedded(postgres, self.log, "^LOG:"))
        if redis.url == settings.REDIS_URL:
            self.supervisor.start(Embedded(redis, self.log, REDIS_ROUTINE))
        self.bring_up_to_date()
        self.start_demo_network(embedded=environment.text("DATABASE_URL") == postgres.url)
        link = self.set_up()
        connections.close_all()
        web, *others = _programs(self.log, self.listener)
        self.supervisor.start(web)
        self.welcome(link)  # before the others start, because all at once they would keep the page waiting
        for program in others:
            self.supervisor.start(program)

    def start_demo_network(self, *, embedded: bool) -> None:
        """Before the others, who inherit its address from our environment."""
        folder = data_folder()
        self.demo_url, before = "", trial.before(folder)
        if trial.is_wanted(embedded=embedded):
            self.demo_listener = trial.listen(self.log.say)
            self.demo_url = trial.url_of(self.demo_listener)
            self.supervisor.start(trial.program(self.log, self.demo_listener, folder, self.pace, self.seed))
        trial.announce(folder, self.demo_url)
        trial.follow(before, self.demo_url)

    def set_up(self) -> str | None:
        """What is still to be set up: the link to the wizard, or None."""
        return first_run.link()

    def bring_up_to_date(self) -> None:
        """Tables, and the files the browser gets."""
        call_command("migrate", interactive=False, verbosity=0)
        stamp, now = Path(settings.STATIC_ROOT) / ".collected", _fingerprint()
        if not (settings.DEBUG or settings.TESTING) and (not stamp.exists() or stamp.read_text() != now):
            call_command("collectstatic", interactive=False, verbosity=0)
            stamp.write_text(now)  # last, so that a collection cut short is done again

    def welcome(self, link: str | None) -> None:
        host, port = listening_at()
        if not web_answers({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, patience=30):  # noqa: S104
            self.log.say("The web process does not answer yet; its lines above say why.")
        self.log.say(f"\nSocialcare {__version__} is running at {settings.PUBLIC_URL}")
        if link:
            self.log.say(f"Set it up at this address, which opens until the first account is made:\n\n    {link}\n")
        self.log.say(f"Data: {data_folder()}   Stop: Ctrl-C\n")
        if self.ground.home != self.ground.folder:
            self.log.say(
                f"The servers run as the user {self.ground.owner.name}, who may not enter that folder: their data is "
                f"in {self.ground.home}.\n"
            )


def _raise_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen() -> socket.socket:
    """The web process's socket. We hold it, so that clients wait instead of failing while that process is restarted."""
    host, port = listening_at()
    deadline = time.monotonic() + 3  # a web process whose `up` was killed may take a moment to end
    while True:
        try:
            return socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise Unavailable(_refusal(host, port, error)) from error


def _refusal(host: str, port: int, error: OSError) -> str:
    """Why the address cannot be used, and what helps."""
    if isinstance(error, socket.gaierror) or error.errno not in (errno.EADDRINUSE, errno.EACCES):
        return f"{host} is no address of this machine ({_reason(error)}): choose another by HOST, or leave HOST out."
    way_out = "stop the program that has it, or " if error.errno == errno.EADDRINUSE else ""
    other = port % 65535 + 1 if error.errno == errno.EADDRINUSE else 8000
    return f"{host}:{port} cannot be used ({_reason(error)}): {way_out}choose another port: PORT={other} make run"


def _reason(error: OSError) -> str:
    """Without the address, which the socket's own words repeat."""
    return str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


def _programs(log: Log, listener: socket.socket) -> list[Program]:
    python, fd = sys.executable, listener.fileno()
    uvicorn = [python, "-m", "uvicorn", "socialcare.asgi:application", "--fd", str(fd), "--loop", "uvloop"]
    uvicorn += [
        "--http",
        "httptools",
        "--ws",
        "inbox.line:Line",
        "--ws-per-message-deflate",
        "false",
        "--lifespan",
        "off",
    ]
    uvicorn += [
        "--no-access-log",
        "--no-proxy-headers",
        "--no-server-header",
        "--backlog",
        "2048",
        "--log-level",
        "warning",
    ]
    uvicorn += ["--timeout-graceful-shutdown", "5"]
    celery = [python, "-m", "celery", "--quiet", "--app", "socialcare", "--skip-checks"]
    worker = [
        *celery,
        "worker",
        "--pool",
        "prefork",
        "--concurrency",
        str(settings.WORKER_PROCESSES),
    ]
    worker += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--optimization", "fair"]
    beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile", "", "--schedule", str(data_folder() / "beat")]
    manage = [python, str(settings.BASE_DIR / "manage.py")]
    return [
        Program("web", uvicorn, log, env={"ROLE": "web"}, keep=[fd]),
        Program("worker", worker, log, env={"ROLE": "worker"}, routine=CELERY_ROUTINE),
        Program("beat", beat, log, env={"ROLE": "worker"}, routine=CELERY_ROUTINE),
        Program("sweep", [*manage, "sweep"], log, env={"ROLE": "sweep"}),
        Program("listen", [*manage, "listen"], log, env={"ROLE": "listen"}),
    ]


def _fingerprint() -> str:
    """Of the files the browser gets: names, sizes and times."""
    files = hashlib.sha256(__version__.encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            files.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return files.hexdigest()
