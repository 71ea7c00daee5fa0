"""BM-01: mentions with their identities and nothing around them, in batches of 500 of which 15 % are known already, put
there by the product's own statements; beside COPY of the very same rows into the same tables, and beside
update_or_create of Django."""

import itertools
import types

from django.db import transaction

from benchmarks import posts
from benchmarks.data import NOW
from benchmarks.journey import Copies, Journey, backend, remove_copies
from benchmarks.measure import Take, check, interleaved, micro, rate, row, taking
from connectors.text import normalised
from inbox.arrival import Place
from inbox.language import language_of
from inbox.models import Identity, Mention, Person
from inbox.models import receive_people as people
from inbox.models import receive_sql as sql
from inbox.models.page_facts import read_facts
from socialcare.celery import keep_what_is_loaded

BATCH, SHARE = 500, 0.15
BATCHES = 6
PEER = 200  # posts by the peer in a round; it is slow


class Copied(Copies):
    """Persons, identities and mentions are all that the product writes here."""

    TABLES = tuple(table for table in Copies.TABLES if table[0] in ("inbox_person", "inbox_identity", "inbox_mention"))


class Ingest:
    """One channel; every post says something in one of its conversations, of which none changes."""

    def __init__(self, options):
        self.journey = Journey(3)
        self.place = Place(self.journey.channel.pk, "demo", "bench", NOW, normalised)
        self.batches = BATCHES * (4 if options.full else 1)
        self.conversations = itertools.cycle(pk for pk, _ in posts.answerable(self.place.channel_id, BATCH, offset=71))
        self.numbers = itertools.count(1)

    def offered(self, size):
        """Batches of new posts with, in each, as many of the batch before as are said again."""
        network = posts.Network(70_000_000 + next(self.numbers), [])
        before = []
        for _ in range(self.batches):
            again = before[: int(size * SHARE)]
            batch = [*[network.post() for _ in range(size - len(again))], *again]
            before = batch
            yield batch

    def store(self, batch):
        """What `receive` does of it: facts, then identities and mentions; how many were new."""
        facts = read_facts(self.place, batch)
        new = [post for post in batch if post.external_id not in facts.posts]
        authors = {post.author.external_id: post.author for post in new}
        added, _ = people.add_identities(self.place, authors, facts.identities)
        identities = {**{key: each.id for key, each in facts.identities.items()}, **added}
        plan = types.SimpleNamespace(mentions=[(post, next(self.conversations)) for post in new])
        with transaction.atomic():
            people.change_identities(authors, facts.identities)
            _, ids = sql.reserve(0, len(new))
            return len(sql.insert_mentions(self.place, plan, identities, {}, ids))

    def product(self, _):
        batches = list(self.offered(BATCH))
        self.copies, before = Copied(), Mention.objects.filter(id__lt=10**9).count()
        take, new = Take(self.batches * BATCH), 0
        for batch in batches:
            with taking(BATCH, backend()) as part:
                new += self.store(batch)
            take.wall, take.cpu = take.wall + part.wall, take.cpu + part.cpu
            self.copies.page_ends()
        distinct = {post.external_id for batch in batches for post in batch}
        stored = Mention.objects.filter(id__lt=10**9).count() - before
        check(stored == len(distinct), f"{stored} rows of {len(distinct)} distinct posts")
        check(new == stored, f"{new} posts were called new, {stored} are")
        return take

    def limit(self, _):
        self.copies.read()
        with taking(self.batches * BATCH, backend()) as take:
            self.copies.write([])
        remove_copies()
        return take

    def peer(self, _):
        batch = next(self.offered(PEER))
        with taking(PEER, backend()) as take:
            for post in batch:
                self._one(post)
        return take

    def _one(self, post):
        author = post.author
        facts = {"handle": author.handle, "name": author.name, "url": author.url, "followers": author.followers}
        key = {"network": "demo", "external_id": author.external_id}
        with transaction.atomic():
            known = Identity.objects.filter(**key).first()
            person = known.person_id if known else _new_person(author.name)
            identity, _ = Identity.objects.update_or_create(**key, defaults=facts, create_defaults=_born(person, facts))
            Mention.objects.update_or_create(
                channel=self.journey.channel,
                external_id=post.external_id,
                defaults={
                    "conversation_id": next(self.conversations),
                    "identity": identity,
                    "kind": post.kind,
                    "source": post.source,
                    "text": post.text,
                    "posted_at": post.created_at,
                    "version": post.version,
                    "language": language_of(post.text, post.lang),
                    "url": post.url,
                    "followers": author.followers,
                },
            )


def _born(person, facts):
    return {"id": person, "person_id": person, **facts}


def _new_person(name):
    from benchmarks.tutorial.orm import _next_identity

    return Person.objects.create(id=_next_identity(), name=name).pk


def run(options):
    ingest = Ingest(options)
    for batch in itertools.islice(ingest.offered(200), 1):  # plans and language data are there
        ingest.store(batch)
    keep_what_is_loaded()
    takes = interleaved(options.rounds, {"ours": ingest.product, "copy": ingest.limit, "orm": ingest.peer})
    ours, limit, peer = (takes.rate(name) for name in ("ours", "copy", "orm"))
    note = f"{micro(takes.cpu('ours'))} CPU a post, COPY {micro(takes.cpu('copy'))}"
    least = 0.6
    yield row("BM-01", "ingest, batches of 500, to COPY", rate(ours), rate(limit), ours / limit, least=least, note=note)
    note = f"{micro(takes.cpu('orm'))} CPU a post"
    yield row(
        "BM-01",
        "ingest, batches of 500, to update_or_create",
        rate(ours),
        rate(peer),
        ours / peer,
        least=100,
        note=note,
    )
