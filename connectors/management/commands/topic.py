"""`manage.py topic …`: topics from the command line."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q

from connectors.models import Channel, Topic
from connectors.topics import days
from connectors.topics.coverage import listening
from connectors.topics.forms import TopicForm
from connectors.topics.matching import Subject, match_one
from connectors.topics.query import QueryError, parse_topic
from inbox.language import language_of
from inbox.models import Team


class Command(BaseCommand):
    help = "Adds and lists topics, tests what a query means, and compares what was counted with what was found."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="all topics, with how many posts they found")
        add = verbs.add_parser("add", help="a new topic; it listens at once")
        add.add_argument("name")
        add.add_argument("query")
        add.add_argument("--team", default="", help="short name of the team that reads it")
        add.add_argument("--channel", action="append", default=[], help="name of a channel; without any, all of them")
        add.add_argument("--queue", action="store_true", help="what it finds is work, and not only listed")
        add.add_argument("--rival", action="store_true", help="it is about somebody else")
        check = verbs.add_parser("check", help="compares the counts of each day with what was found")
        check.add_argument("--repair", action="store_true", help="have days that differ counted again")
        test = verbs.add_parser(
            "test", help="what networks are asked for a query, and which texts match; stores nothing"
        )
        test.add_argument("query")
        test.add_argument("texts", nargs="*", metavar="text")

    def handle(self, *args: Any, **options: Any) -> None:
        verb = {"list": self.show, "add": self.add, "check": self.compare, "test": self.test}[options["verb"]]
        try:
            verb(options)
        except QueryError as error:
            raise CommandError(f"{options['query']}\n{' ' * error.start}^ {error}") from error

    def show(self, options: dict[str, Any]) -> None:
        columns = ("name", "active", "queues", "team__slug", "query", "posts")
        shown = Count("found", filter=Q(found__hidden_by=None))
        for name, active, queues, team, query, posts in Topic.objects.annotate(posts=shown).values_list(*columns):
            state = ("queue" if queues else "listed") if active else "off"
            self.stdout.write(f"{name:<30}{state:<9}{team or '-':<16}{posts:>8}  {query}")

    def compare(self, options: dict[str, Any]) -> None:
        wrong = days.repair() if options["repair"] else days.differences()
        names = Topic.objects.in_bulk([topic for topic, *_counts in wrong])
        for topic, since, kept, found in wrong:
            self.stdout.write(f"{names.get(topic, topic)} on {since:%Y-%m-%d %H:%M}: counted {kept}, found {found}")
        if not wrong:
            self.stdout.write("Every day is counted right.")
        elif not options["repair"]:
            raise CommandError(f"{len(wrong)} days differ; --repair has them counted again.")

    def add(self, options: dict[str, Any]) -> None:
        name = self._name(options["name"])
        if Topic.objects.filter(name=name).exists():
            raise CommandError(f"There is a topic “{name}” already.")
        fields = {"query": options["query"], "queues": options["queue"], "rival": options["rival"]}
        topic = Topic(name=name, team=self._team(options["team"]))
        topic.rewrite(None, self._channels(options["channel"]), **fields)
        self.stdout.write(f"“{topic.name}” listens.")

    def _name(self, typed: str) -> str:
        """By the form of the page, so that the same is refused."""
        try:
            return str(TopicForm.base_fields["name"].clean(typed))
        except ValidationError as error:
            raise CommandError(f"name: {' '.join(error.messages)}") from error

    def _team(self, slug: str) -> Team | None:
        if slug and not Team.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no team “{slug}”.")
        return Team.objects.filter(slug=slug).first() if slug else None

    def _channels(self, names: list[str]) -> list[Channel]:
        found = {channel.name: channel for channel in Channel.objects.filter(name__in=names)}
        if missing := sorted(set(names) - found.keys()):
            raise CommandError(f"There is no channel “{missing[0]}”.")
        return list(found.values())

    def test(self, options: dict[str, Any]) -> None:
        tree = parse_topic(options["query"])
        self.stdout.write(f"reads: {tree}")
        for one in listening(tree, Channel.objects.order_by("name")):
            self.stdout.write(f"{one.channel.name}: {' · '.join(one.texts) or '-'} ({one.words})")
        for text in options["texts"]:
            subject = Subject(text=text, languages=frozenset(filter(None, [language_of(text)])))
            self.stdout.write(f"{'matches' if match_one(tree, subject) else 'no match'}: {text}")
