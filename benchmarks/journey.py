"""BM-02: the journey of a page as a worker makes it (facts, rules, threading, mentions, counters, events, fence
and cursor in one transaction), beside COPY of the very same rows and beside the same work one post at a time through
Django's models."""

import io
import itertools

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks import posts
from benchmarks.data import NOW, gaps_in_numbers, wrong_tallies
from benchmarks.measure import Take, check, interleaved, micro, rate, row, taking
from benchmarks.tutorial import orm
from connectors.base import Budget
from connectors.credentials import Secrets
from connectors.models import Channel, Source
from connectors.networks.demo import Demo
from connectors.storing import Claim
from inbox.models import Conversation, Event, Identity, Mention, Person, Team
from socialcare.celery import keep_what_is_loaded

RULES = 50
COPIED = 10**9  # ids of the rows that the limit puts beside the product's own
PAGES = {100: 20, 500: 4}
PEER = 100  # posts by the peer in a round; it is slow


class Heard(Demo):
    """The network the posts come from. It tells what stands above a post, as most do; here nobody has to ask it."""

    space = "bench"


CONNECTOR = Heard({}, Secrets({}), None)


class Journey:
    """One channel that is being listened to."""

    def __init__(self, number=0):
        self.channel = Channel.objects.order_by("pk")[number]
        self.claim = Claim(self.channel, NOW, Budget())
        self.source = Source.objects.get(channel=self.channel)

    def store(self, page):
        return self.claim.store(CONNECTOR, self.source, page, None)


def backend():
    connection.ensure_connection()
    return connection.connection.info.backend_pid


class Copies:
    """The limit: the rows that the journey made, put by COPY into the same tables with other keys, a transaction a
    page, and one bare UPDATE of the conversations that went on. Those are `others` than the journey's, as far apart
    from each other as they: else the limit would find in memory, and logged since the last checkpoint, what the journey
    has just fetched."""

    TABLES = (
        ("inbox_person", Person, {"id": "id + {k}"}, "identity"),
        (
            "inbox_identity",
            Identity,
            {"id": "id + {k}", "person_id": "person_id + {k}", "external_id": "external_id || 'c'"},
            "identity",
        ),
        (
            "inbox_conversation",
            Conversation,
            {"id": "id + {k}", "thread_key": "thread_key || 'c'", "identity_id": "identity_id + {new_identity}"},
            "conversation",
        ),
        (
            "inbox_mention",
            Mention,
            {
                "id": "id + {k}",
                "external_id": "external_id || 'c'",
                "conversation_id": "coalesce(other.conversation, conversation_id + {new_conversation})",
                "identity_id": "coalesce(other.identity, identity_id + {new_identity})",
            },
            "mention",
        ),
        (
            "inbox_event",
            Event,
            {
                "id": "id + {k}",
                "stream": "stream || 'c'",
                "conversation_id": "coalesce(other.conversation, conversation_id + {new_conversation})",
            },
            "event",
        ),
    )

    def __init__(self, others=()):
        self.marks, self.others = [self._now()], others

    def _now(self):
        """The newest ids of the product's own rows."""
        marks = {}
        for model in (Identity, Conversation, Mention, Event):
            newest = model.objects.filter(id__lt=COPIED).order_by("-id").values_list("id", flat=True)[:1]
            marks[model._meta.model_name] = next(iter(newest), 0)
        return marks

    def page_ends(self):
        self.marks.append(self._now())

    def read(self):
        """Per page and table the text that COPY takes."""
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMP TABLE IF NOT EXISTS other (met bigint PRIMARY KEY, conversation bigint, identity bigint)"
            )
            cursor.execute("TRUNCATE other")
            cursor.executemany("INSERT INTO other VALUES (%s, %s, %s)", self.others)
        first = self.marks[0]
        moves = {
            "k": COPIED,
            "new_identity": f"(CASE WHEN identity_id > {first['identity']} THEN {COPIED} ELSE 0 END)",
            "new_conversation": f"(CASE WHEN conversation_id > {first['conversation']} THEN {COPIED} ELSE 0 END)",
        }
        self.pages = []
        for since, until in itertools.pairwise(self.marks):
            self.pages.append([self._part(moves, since, until, *table) for table in self.TABLES])

    def _part(self, moves, since, until, table, model, changes, mark):
        columns = [field.column for field in model._meta.concrete_fields]
        joined = "LEFT JOIN other ON met = conversation_id" if "conversation_id" in columns else ""
        shown = ", ".join(changes.get(column, column).format(**moves) for column in columns)
        file = io.StringIO()
        with connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY (SELECT {shown} FROM {table} {joined} "
                f"WHERE id > {since[mark]} AND id <= {until[mark]} ORDER BY id) TO STDOUT",
                file,
            )
        return table, ", ".join(columns), file.getvalue()

    def write(self, reopened):
        """Puts them there; `reopened` are ids of conversations by page."""
        for parts, ids in itertools.zip_longest(self.pages, reopened, fillvalue=()):
            with transaction.atomic(), connection.cursor() as cursor:
                for table, columns, text in parts:
                    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO(text))
                if ids:
                    cursor.execute(
                        "UPDATE inbox_conversation SET state = 0, newest_at = %s, waiting_since = %s, "
                        "seen_seq = seen_seq + 2, closed_at = NULL WHERE id = ANY(%s)",
                        [NOW, NOW, list(ids)],
                    )


def remove_copies():
    """Takes the limit's rows out again, so that each round begins alike."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no reference to them stays
        for table in ("inbox_event", "inbox_mention", "inbox_conversation", "inbox_identity", "inbox_person"):
            cursor.execute(f"DELETE FROM {table} WHERE id >= {COPIED}")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM inbox_event, inbox_mention, inbox_conversation, inbox_identity, inbox_person")


class Round:
    """The three candidates on pages of one size; the limit writes what the journey has just stored."""

    def __init__(self, journey, size, options):
        self.journey, self.size = journey, size
        self.pages = PAGES[size] * (4 if options.full else 1)
        needed = self.pages * size * options.rounds * 2
        old = posts.answerable(journey.channel.pk, needed, offset=size)
        self.old, self.to_reopen = old[: needed // 2], old[needed // 2 :]
        self.seed = size * 100

    def _network(self, number, share=3):
        per_round = len(self.old) // share
        return posts.Network(self.seed + number, self.old[number % share * per_round :][:per_round])

    def _others(self, number):
        return self.to_reopen[number % 3 :: 3]

    def product(self, number):
        network = self._network(number)
        pages = [network.page(self.size) for _ in range(self.pages)]
        others = zip(network.answered, self._others(number), strict=False)
        self.copies = Copies([(met, *other) for (met, _), other in others])
        before = Mention.objects.filter(id__lt=COPIED).count()
        take, new = Take(self.pages * self.size), 0
        for page in pages:
            with taking(self.size, backend()) as part:
                new += self.journey.store(page)
            take.wall, take.cpu = take.wall + part.wall, take.cpu + part.cpu
            self.copies.page_ends()
        check(new == take.items, f"{new} of {take.items} new posts were called new")
        check(Mention.objects.filter(id__lt=COPIED).count() == before + take.items, "mentions are missing")
        check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
        check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")
        self.journey.source.refresh_from_db()
        check(self.journey.source.cursor == pages[-1].cursor, "the cursor did not move")
        self.again(pages[-1])
        return take

    def again(self, page):
        check(self.journey.store(page) == 0, "a page offered again was stored again")

    def limit(self, number):
        self.copies.read()
        ids = [conversation for conversation, _ in self._others(number)]
        per_page = int(self.size * posts.OLD_SHARE)
        reopened = [ids[page * per_page :][:per_page] for page in range(self.pages)]
        with taking(self.pages * self.size, backend()) as take:
            self.copies.write(reopened)
        Conversation.objects.filter(pk__in=[pk for group in reopened for pk in group]).update(state=4)
        remove_copies()
        return take

    def peer(self, number):
        network = self._network(number + 50)
        offered = list(network.page(PEER).posts)
        with taking(PEER, backend()) as take:
            for post in offered:
                orm.receive_one(self.journey.channel, post, orm.rules())
        check(not wrong_tallies(), f"the peer's counters differ from the rows: {wrong_tallies()[:3]}")
        return take


def statements(journey):
    """Statements of pages of 10 and of 200 posts, both with new and with old conversations."""
    counts = []
    for size in (10, 200):
        old = posts.answerable(journey.channel.pk, 500, offset=size + 999)[:200]
        network = posts.Network(990_000 + size, old)
        page = network.page(size)
        with CaptureQueriesContext(connection) as seen:
            journey.store(page)
        counts.append(len(seen))
    return counts


def run(options):
    posts.make_rules(RULES, list(Team.objects.order_by("pk").values_list("pk", flat=True)))
    journey = Journey()
    journey.store(posts.Network(1, []).page(200))  # plans, compiled rules and language data are there
    keep_what_is_loaded()  # as a worker does when it begins
    for size in PAGES:
        candidates = Round(journey, size, options)
        takes = interleaved(
            options.rounds,
            {"journey": candidates.product, "copy": candidates.limit, "orm": candidates.peer},
        )
        note = f"{micro(takes.cpu('journey'))} CPU a post, COPY {micro(takes.cpu('copy'))}"
        ours, limit, peer = (takes.rate(name) for name in ("journey", "copy", "orm"))
        yield row(
            "BM-02",
            f"journey, pages of {size}, to COPY + UPDATE",
            rate(ours),
            rate(limit),
            ours / limit,
            least=0.4,
            note=note,
        )
        yield row(
            "BM-02",
            f"journey, pages of {size}, to one post at a time",
            rate(ours),
            rate(peer),
            ours / peer,
            least=40,
            note=f"{micro(takes.cpu('orm'))} CPU a post",
        )
    few, many = statements(journey)
    yield row("BM-02", "statements of a page of 200 and of 10", str(many), str(few), many / few, most=1.0)
