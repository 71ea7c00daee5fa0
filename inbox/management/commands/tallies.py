"""Compares the counters of conversations with the rows they count; with --repair makes them true again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from inbox.models import tally


class Command(BaseCommand):
    help = "Compares the counters of conversations with the rows; --repair sets those that differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="set the counters that differ")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = tally.repair() if options["repair"] else tally.differences()
        for (scope, state), (kept, true) in sorted(wrong.items()):
            self.stdout.write(f"{scope} state {state}: counter {kept}, rows {true}")
        if not wrong:
            self.stdout.write("Every counter agrees with its rows.")
        elif options["repair"]:
            self.stdout.write(f"{len(wrong)} repaired.")
        else:
            raise SystemExit(1)
