"""`manage.py demo_network`: the demo network as a process of its own."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from socialcare.demo.__main__ import add_options, run


class Command(BaseCommand):
    help = "Runs the demo network on a loopback port."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("port", "fd", "pace", "seed", "history", "journal")
        run(**{name: options[name] for name in names})
