"""`manage.py demo`: an installation of its own with people, teams, rules and a network that talks, to look around."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from socialcare import cast, environment
from socialcare.demo.colleagues import programme
from socialcare.embedded import Postgres
from socialcare.ground import Ground, Unavailable
from socialcare.local import data_folder, listening_at
from socialcare.management.commands.up import Command as Up

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Command(Up):
    help = "Starts everything with invented customers who go on writing, in a data folder of its own (var/demo)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--pace", type=environment.above_zero, default=6.0, help="new conversations a minute; 6 if not given"
        )
        parser.add_argument("--seed", type=int, default=1, help="another number makes other conversations")

    def handle(self, *args: Any, **options: Any) -> None:
        if listening_at()[0] not in LOOPBACK:
            raise CommandError("The demo has a known password: it listens on this machine only. Leave HOST out.")
        if environment.text("DATABASE_URL") != Postgres(Ground(data_folder())).url or not environment.flag(
            "DEMO", True
        ):
            raise CommandError("The demo brings its own database and network: leave DATABASE_URL and DEMO out.")
        self.pace, self.seed = options["pace"], options["seed"]
        super().handle(*args, **options)

    def set_up(self) -> str | None:
        try:
            cast.enter(self.demo_url)
        except cast.NotADemo as error:
            raise Unavailable(str(error)) from error
        return None

    def welcome(self, link: str | None) -> None:
        super().welcome(link)
        self.log.say(programme())
