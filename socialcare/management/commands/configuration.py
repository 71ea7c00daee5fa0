"""`manage.py configuration`: the set-up as a file, from the command line."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inbox.models import Agent
from socialcare import configuration
from socialcare.sections import Unfit


class Command(BaseCommand):
    help = "Writes the set-up as text without secrets, or brings such a text in."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("export", help="writes it to the standard output")
        for verb, words in (("plan", "says what a file would change"), ("import", "makes it so, all or nothing")):
            verbs.add_parser(verb, help=words).add_argument("file", help="a file, or - for the standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "export":
            self.stdout.write(configuration.as_text(), ending="")
            return
        text = self._text(options["file"])
        plan = configuration.plan(text, Agent(is_admin=True, is_active=True))
        for step in plan.does:
            self.stdout.write(f"{'new' if step.is_new else 'changed':8}{step.section}: {step.name}")
            for one in step.differences:
                self.stdout.write(f"        {one.label}: {one.was} → {one.now}")
        if plan.problems:
            raise CommandError("\n".join(plan.problems))
        if options["verb"] == "import":
            try:
                self.stdout.write(f"{configuration.apply(text, None)} things were made or changed.")
            except Unfit as unfit:
                raise CommandError(str(unfit)) from unfit

    @staticmethod
    def _text(name: str) -> str:
        try:
            return sys.stdin.read() if name == "-" else Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
