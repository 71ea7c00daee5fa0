"""`manage.py health`: the figures of the health page; exit code 1 when somebody is needed."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from insights.health import figures


class Command(BaseCommand):
    help = "Says how the installation fares."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="all figures, for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        found = figures(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            self.say(found)
        if not found["ok"]:
            sys.exit(1)

    def say(self, found: dict[str, Any]) -> None:
        for channel in found["channels"]:
            self.stdout.write(f"{channel['name']:<30}{channel['state']:<12}{channel['why']}")
        outbox, queue = found["outbox"], found["queue"]
        self.stdout.write(f"queue: {queue['open']} open, {queue['unassigned']} without an agent")
        self.stdout.write(
            f"outbox: {outbox['queued']} waiting, {outbox['in_doubt']} in doubt, {outbox['failed']} failed"
        )
        self.stdout.write("\n".join(found["worries"]) or "ok")
