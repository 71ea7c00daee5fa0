"""Seeded data in the product's shape: the same seed gives the same rows. Text is a Zipf vocabulary of 40,000 words, 22
words a post; teams get 60, 30, 9 and 1 % of the conversations; 4 % are open, most of them among the newest."""

import bisect
import io
import itertools
import random
from datetime import UTC, datetime, timedelta
from functools import cache

from django.db import connection

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TEAMS = ("Support", "Product", "Marketing", "HR")
SHARES = (0.60, 0.90, 0.99, 1.0)
AGENTS, CHANNELS = 100, 20
WORDS, LENGTH, TEXTS = 40_000, 22, 5_000
_SYLLABLES = (
    "ta",
    "ri",
    "no",
    "ke",
    "lu",
    "sa",
    "mi",
    "do",
    "ve",
    "pa",
    "el",
    "on",
    "ar",
    "is",
    "un",
    "be",
    "go",
    "fi",
    "ha",
    "wo",
)


@cache
def vocabulary():
    """The words, most common first; each is made of syllables, so that nothing depends on a word list."""
    made = ("".join(parts) for size in (2, 3, 4) for parts in itertools.product(_SYLLABLES, repeat=size))
    return tuple(itertools.islice(made, WORDS))


@cache
def _weights():
    return tuple(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))


class Texts:
    """Posts' texts and rules' words, drawn from one vocabulary."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = vocabulary()
        self._weights = _weights()

    def word(self):
        return self.words[bisect.bisect(self._weights, self.random.random() * self._weights[-1])]

    def text(self):
        return " ".join(self.word() for _ in range(LENGTH))

    def rare(self, least=500):
        """A word as a rule would name it: not one of the most common."""
        return self.words[self.random.randrange(least, WORDS)]


def _stamp(at):
    return at.strftime("%Y-%m-%d %H:%M:%S+00")


def make_house():
    """Four teams, a hundred agents, twenty channels; returns the teams' ids in the order of their shares."""
    from connectors.models import Channel, Source
    from inbox.models import Agent, Membership, Team

    teams = [
        Team.objects.create(name=name, slug=name.lower(), triage=name == "Marketing", private=name == "HR")
        for name in TEAMS
    ]
    Agent.objects.bulk_create(
        Agent(email=f"agent{number}@acme.example", name=f"Agent {number}", password="!") for number in range(AGENTS)
    )
    agents = list(Agent.objects.order_by("pk"))
    Membership.objects.bulk_create(
        Membership(team=teams[_team(number / AGENTS)], agent=agent) for number, agent in enumerate(agents)
    )
    Membership.objects.bulk_create(Membership(team=team, agent=agents[0]) for team in teams[1:])
    for number in range(CHANNELS):
        channel = Channel.objects.create(name=f"channel {number}", network="demo")
        Source.objects.create(channel=channel, name="mentions")
    return [team.pk for team in teams]


def _team(share):
    return bisect.bisect_right(SHARES, share)


def load(conversations, seed=1):
    """COPY of conversations with one mention each, and their identities; indexes are made afterwards."""
    teams = make_house()
    with _WithoutIndexes("inbox_person", "inbox_identity", "inbox_conversation", "inbox_mention") as cursor:
        identities = conversations * 3 // 5
        _copy(cursor, "inbox_person", "id name created_at", _persons(identities))
        _copy(
            cursor,
            "inbox_identity",
            "id person_id network external_id handle name url avatar_url followers bot created_at",
            _identities(identities),
        )
        texts = Texts(seed)
        drawn = [texts.text() for _ in range(TEXTS)]
        _copy(cursor, "inbox_conversation", CONVERSATION, _conversations(conversations, identities, teams, drawn, seed))
        _copy(cursor, "inbox_mention", MENTION, _mentions(conversations, identities, drawn))
    count_again()


CONVERSATION = (
    "id channel_id thread_key identity_id team_id agent_id state priority rank tags subject excerpt language "
    "visibility newest_at waiting_since closed_at created_at seen_seq inbound_seq trouble trace context"
)
MENTION = (
    "id channel_id external_id conversation_id identity_id kind source text posted_at seen_at version language "
    "parent_id url media visibility state ours history late grants raw"
)


def _persons(count):
    at = _stamp(NOW)
    return (f"{n}\tAuthor {n}\t{at}\n" for n in range(1, count + 1))


def _identities(count):
    at = _stamp(NOW)
    return (f"{n}\t{n}\tdemo\ta{n}\t@a{n}\tAuthor {n}\t\t\t{n % 9973}\tf\t{at}\n" for n in range(1, count + 1))


def _conversations(count, identities, teams, texts, seed):
    """Newest last; states and owners as the shares of performance.md say."""
    chance = random.Random(seed)
    first = NOW - timedelta(seconds=30 * count)
    for n in range(1, count + 1):
        newest = n > count * 0.97
        is_open = chance.random() < (0.40 if newest else 0.03)
        state = chance.choice((0, 0, 0, 1, 1, 2)) if is_open else chance.choices((3, 4, 6), (1, 90, 9))[0]
        team = teams[_team(chance.random())]
        agent = str(1 + chance.randrange(AGENTS)) if chance.random() < 0.5 else "\\N"
        priority = chance.choice((0, 0, 0, 0, 10, 20, 50))
        at = _stamp(first + timedelta(seconds=30 * n))
        closed = at if state == 4 else "\\N"
        excerpt = texts[n % TEXTS][:140]
        yield (
            f"{n}\t{1 + n % CHANNELS}\tbench:m{n}\t{1 + n % identities}\t{team}\t{agent}\t{state}\t{priority}"
            f"\t{-priority}\t{{}}\t\t{excerpt}\ten\tpublic\t{at}\t{at}\t{closed}\t{at}\t2\t1\t\t{{}}\t[]\n"
        )


def _mentions(count, identities, texts):
    first = NOW - timedelta(seconds=30 * count)
    for n in range(1, count + 1):
        at = _stamp(first + timedelta(seconds=30 * n))
        yield (
            f"{n}\t{1 + n % CHANNELS}\tm{n}\t{n}\t{1 + n % identities}\tmention\tmentions\t{texts[n % TEXTS]}"
            f"\t{at}\t{at}\tv1\ten\t\thttps://demo.example/m{n}\t[]\tpublic\tlive\tf\tf\tf\t{{}}\t{{}}\n"
        )


class _Lines(io.TextIOBase):
    """A file that COPY can read, made of the lines as they come."""

    def __init__(self, lines):
        self._lines = iter(lines)

    def read(self, size=-1):
        return "".join(itertools.islice(self._lines, 400))


def _copy(cursor, table, columns, lines):
    cursor.copy_expert(f"COPY {table} ({columns.replace(' ', ', ')}) FROM STDIN", _Lines(lines))


class _WithoutIndexes:
    """Takes the tables' indexes and keys away, gives a cursor that checks no foreign key, and puts them back."""

    def __init__(self, *tables):
        self.tables = tables

    def __enter__(self):
        self.cursor = connection.cursor()
        run = self.cursor.execute
        run("SET session_replication_role = replica")
        run("SET statement_timeout = 0")
        run("SET maintenance_work_mem = '512MB'")
        run(
            "SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid::regclass::text = ANY(%s) AND contype = 'u'",
            [list(self.tables)],
        )
        self.keys = self.cursor.fetchall()
        for name, table, _ in self.keys:
            run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        run(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND indexname NOT LIKE '%%pkey'",
            [list(self.tables)],
        )
        self.indexes = self.cursor.fetchall()
        for name, _ in self.indexes:
            run(f'DROP INDEX "{name}"')
        return self.cursor

    def __exit__(self, *error):
        run = self.cursor.execute
        for _, definition in self.indexes:
            run(definition)
        for name, table, definition in self.keys:
            run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for table in self.tables:
            if table not in ("inbox_person", "inbox_searchtext"):
                run("SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT max(id) FROM " + table + "))", [table])
        run("SET session_replication_role = origin")
        run(f"VACUUM (ANALYZE) {', '.join(self.tables)}")
        run("RESET statement_timeout")
        run("CHECKPOINT")


_COUNTED = """
    SELECT scope, state, count(*) AS n FROM (
        SELECT 'team:' || team_id AS scope, state FROM inbox_conversation
        UNION ALL
        SELECT coalesce('agent:' || agent_id, 'team:' || team_id || ':free'), state FROM inbox_conversation) c
    GROUP BY scope, state"""


def count_again():
    """Makes the counters what the rows are."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("TRUNCATE inbox_tally")
        cursor.execute(f"INSERT INTO inbox_tally (scope, state, n) {_COUNTED}")
        cursor.execute("VACUUM (ANALYZE) inbox_tally, inbox_stream, inbox_event")
        cursor.execute("RESET statement_timeout")


def wrong_tallies():
    """Counters that differ from COUNT(*), both ways; empty when all is right."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            f"SELECT coalesce(t.scope, c.scope), coalesce(t.state, c.state), t.n, c.n FROM inbox_tally t FULL JOIN "
            f"({_COUNTED}) c USING (scope, state) WHERE coalesce(t.n, 0) <> coalesce(c.n, 0)"
        )
        found = cursor.fetchall()
        cursor.execute("RESET statement_timeout")
        return found


def gaps_in_numbers():
    """Streams whose events are not numbered 1 … n; empty when all is right."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT s.key, s.n, count(e.id), max(e.number) FROM inbox_stream s
               LEFT JOIN inbox_event e ON e.stream = s.key WHERE s.key <> 'rules'
               GROUP BY s.key, s.n HAVING count(e.id) <> s.n OR coalesce(max(e.number), 0) <> s.n"""
        )
        return cursor.fetchall()
