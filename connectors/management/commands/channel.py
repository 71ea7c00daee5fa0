"""`manage.py channel …`: what the channel pages do, from the command line."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from connectors import connecting, health, hooking, listening, metering, trying
from connectors.base import Connector, Secrets
from connectors.forms import ConnectForm
from connectors.listening_first import MOST, may_listen_first
from connectors.models import Channel
from inbox.models import Team


class Command(BaseCommand):
    help = "Adds, lists, tests, reads, pauses and resumes channels, and allows replies."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="all channels with their health")
        add = verbs.add_parser("add", help="a new channel; secrets are asked for, or read line by line from a pipe")
        add.add_argument("network", help="such as feed, mastodon, webhook")
        add.add_argument("name")
        add.add_argument("values", nargs="*", metavar="name=value")
        add.add_argument("--team", default="", help="short name of the team for what no rule places")
        add.add_argument("--no-test", action="store_true", help="keep it without trying it")
        days = "hold replies back for so many days; without it they are allowed at once"
        add.add_argument("--listen-days", type=int, default=0, metavar="N", help=days)
        for verb, words in (
            ("test", "tries it; stores nothing"),
            ("poll", "reads it now, in this process"),
            ("pause", "stops listening and sending"),
            ("resume", "goes on from where it stood"),
            ("allow-replies", "ends listening first: replies leave from now on"),
        ):
            verbs.add_parser(verb, help=words).add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, VERBS.get(options["verb"], options["verb"]))(
            **{key: value for key, value in options.items() if key in WORDS}
        )

    def show(self) -> None:
        now = timezone.now()
        found = health.of_all(now)
        late = health.lateness([one.channel for one in found], now)
        for one in found:
            extra = f"{one.gaps} gaps, {one.quarantined} quarantined"
            said = f"{extra}  {one.why or one.channel.why_held()}".rstrip()
            self.stdout.write(f"{one.channel.name:<30}{one.channel.network:<12}{one.word:<14}{said}")
            self.stdout.write(f"  {self.reading(one, late[one.channel.pk])}")

    def reading(self, one: health.Health, late: health.Lateness) -> str:
        """What the channel's page says of reading, in the server's zone."""
        channel = one.channel
        waits = channel.paused or one.needs_a_person
        return "; ".join(
            [
                f"last read {_at(channel.last_read_at) if channel.last_read_at else 'not yet'}",
                f"next read {'when it listens again' if waits else _at(channel.next_poll_at)}",
                f"new posts come: {one.arrival}",
                f"lateness: {late.in_words}",
                *([f"fault: {channel.fault}"] if channel.fault else []),
                *([one.what_to_do] if one.what_to_do else []),
            ]
        )

    def add(self, network: str, name: str, values: list[str], team: str, no_test: bool, listen_days: int) -> None:
        form, place = self.filled(network, name, values), self.team(team)
        self.check_days(form.network, listen_days)
        chosen, given = form.settings(), form.secrets()
        paid: list[Mapping[str, Decimal]] = []
        purse = trying.Purse(bill=paid.append)
        trial = None if no_test else trying.try_out(network, chosen, Secrets(given), purse=purse)
        if trial and not trial.ok:
            raise CommandError(trial.words)
        kept = {**given, **(trial.renewed if trial else {})}
        channel = connecting.connect(network, name, chosen, kept, None, team=place, listen_days=listen_days)
        for prices in paid:
            metering.bill(channel, prices)
        if trial and trial.check:
            connecting.keep_facts(channel, trial.check)
        self.stdout.write(f"Connected {name}; it is read at once. {channel.why_held()}".rstrip())
        self.warn(hooking.arrange(channel))

    def check_days(self, kind: type[Connector], days: int) -> None:
        if not 0 <= days <= MOST:
            raise CommandError(f"A channel listens first for 0 to {MOST} days.")
        if days and not may_listen_first(kind.name):
            raise CommandError(f"{kind.label}: nobody is answered there, or all are invented; nothing is held back.")

    def filled(self, network: str, name: str, settings: list[str]) -> ConnectForm:
        """The same form as on the page, so that the same is refused."""
        if network not in Connector.kinds():
            raise CommandError(f"There is no network “{network}”. Networks: {', '.join(Connector.kinds())}.")
        kind = Connector.named(network)
        if kind.missing:
            raise CommandError(str(kind.missing))
        typed = dict(pair.partition("=")[::2] for pair in settings)
        if unknown := typed.keys() - {field.name for field in kind.form if not field.secret}:
            raise CommandError(f"{kind.label} has no setting “{min(unknown)}”.")
        for field in kind.form:
            if field.secret:
                typed[field.name] = self.ask(field.label)
            elif field.kind == "lines":
                typed[field.name] = typed.get(field.name, "").replace(",", "\n")
        form = ConnectForm(kind, {"channel_name": name, **typed})
        if not form.is_valid():
            wrong = [f"{field}: {', '.join(map(str, errors))}" for field, errors in form.errors.items()]
            raise CommandError("\n".join(wrong))
        return form

    def ask(self, label: str) -> str:
        try:
            given = getpass.getpass(f"{label}: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
            given.encode()  # bytes that are no text come through where the locale names no charset
        except UnicodeError as error:
            raise CommandError(f"{label}: what was given is not UTF-8.") from error
        return given

    def team(self, slug: str) -> Team | None:
        if slug and not Team.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no team “{slug}”.")
        return Team.objects.filter(slug=slug).first() if slug else None

    def named(self, name: str) -> Channel:
        channel = Channel.objects.filter(name=name).first()
        if channel is None:
            raise CommandError(f"There is no channel “{name}”.")
        return channel

    def test(self, name: str) -> None:
        trial = trying.test(self.named(name))
        if not trial.ok:
            raise CommandError(trial.words)
        for look in trial.looks:
            self.stdout.write(f"{look.label}: {look.words or f'{look.count} posts'}")
        self.stdout.write("It answers.")

    def poll(self, name: str) -> None:
        channel = self.named(name)
        connecting.poll_now(channel)
        read = listening.listen(channel.pk)
        channel.refresh_from_db()
        if not read:
            raise CommandError("It is paused, needs somebody, or is being read by another process.")
        if channel.fault:
            raise CommandError(channel.fault_words)
        self.stdout.write("Read.")

    def pause(self, name: str) -> None:
        channel = self.named(name)
        self.stdout.write("Paused." if channel.pause(None) else "It is paused already.")
        self.warn(hooking.withdraw(channel))

    def resume(self, name: str) -> None:
        channel = self.named(name)
        self.stdout.write("It listens again." if channel.resume(None) else "It is not paused.")
        self.warn(hooking.arrange(channel))

    def allow_replies(self, name: str) -> None:
        done = self.named(name).allow_replies(None)
        self.stdout.write("Replies are allowed." if done else "They are allowed already.")

    def warn(self, words: str) -> None:
        if words:
            self.stderr.write(words)


def _at(time: datetime) -> str:
    return f"{timezone.localtime(time):%Y-%m-%d %H:%M:%S %Z}"


VERBS = {"list": "show", "allow-replies": "allow_replies"}
WORDS = frozenset({"network", "name", "values", "team", "no_test", "listen_days"})
