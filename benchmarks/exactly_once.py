"""BM-03: four workers offer the same posts in other orders, one of them is killed and begins again; and four workers
listen to channels of their own in which the same people speak in the same threads."""

import multiprocessing
import os
import random
import time
from dataclasses import replace

from django.db import connection, connections

from benchmarks.clients import together
from benchmarks.data import gaps_in_numbers, wrong_tallies
from benchmarks.journey import Journey
from benchmarks.measure import check, interleaved, rate, row
from benchmarks.posts import Network, answerable
from connectors.base import Page
from inbox.models import Mention

WORKERS = 4


def _pages(posts, size=100):
    return [Page(posts=tuple(posts[at : at + size]), cursor={"at": at}, end=False) for at in range(0, len(posts), size)]


def _offer(job):
    """Offers pages through a channel; the ids of what was new, counted as often as it was said to be new."""
    number, pages = job
    journey = Journey(number)
    return [None] * sum(journey.store(page) for page in pages)


def deadlocks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def same_posts(options):
    """All offer everything; killing one must neither lose nor double anything."""
    journey = Journey(5)
    amount = 8_000 if options.full else 2_400
    network = Network(31, answerable(journey.channel.pk, amount, offset=31))
    offered = [network.post() for _ in range(amount)]
    jobs = [(5, _pages(random.Random(worker).sample(offered, amount))) for worker in range(WORKERS)]
    _kill_one(jobs[0])
    already = Mention.objects.filter(channel=journey.channel, external_id__startswith="p31-").count()
    check(0 < already < amount, f"the kill came too early or too late: {already} of {amount} posts were stored")
    results, take = together(_offer, jobs)
    stored = Mention.objects.filter(channel=journey.channel, external_id__startswith="p31-").count()
    check(stored == amount, f"{stored} mentions of {amount} posts")
    check(sum(map(len, results)) == amount - already, "what was called new does not add up")
    _check_books()
    return take, amount


def _kill_one(job):
    connections.close_all()
    worker = multiprocessing.get_context("fork").Process(target=_offer, args=(job,))
    worker.start()
    time.sleep(0.8)
    worker.kill()
    worker.join()


def _check_books():
    check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
    check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")
    check(deadlocks() == 0, f"{deadlocks()} deadlocks")


def own_channels(options):
    """The same people and threads in four channels, read by one worker and by four."""

    def jobs(number, workers):
        made = []
        for worker in range(WORKERS):
            network = Network(1_000 + number, [], channel=worker)
            posts = [network.post() for _ in range(400)]
            chance = random.Random(number)
            shared = chance.sample(range(400), 120)  # 30 % of a channel's posts stand where another's stand too
            posts = [
                replace(
                    post,
                    root_id=f"root{number}-{n % 60}" if n in shared else f"{worker}-{post.external_id}",
                    external_id=f"{worker}-{workers}-{post.external_id}",
                )
                for n, post in enumerate(posts)
            ]
            random.Random(worker).shuffle(posts)
            made.append((10 + worker, _pages(posts)))
        return made

    def four(number):
        return _new(together(_offer, jobs(number * 2, 4), _first_page))

    def one(number):
        return _new(together(_offer_all, [jobs(number * 2 + 1, 1)], _first_pages))

    def _new(answer):
        results, take = answer
        check(sum(map(len, results)) == WORKERS * 400, "posts of four channels are missing or doubled")
        _check_books()
        return take

    takes = interleaved(options.rounds, {"four": four, "one": one})
    return takes.rate("four"), takes.rate("one")


def _first_page(job):
    """A page of other people in the worker's channel: its connection and its plans are those of one that works, and
    the thread that rings has found Redis."""
    number, _ = job
    Journey(number).store(Network(5_000_000 + os.getpid(), []).page(100))
    used, before = time.process_time(), -1.0
    while used - before > 0.002:
        time.sleep(0.3)
        used, before = time.process_time(), used


def _first_pages(jobs):
    _first_page(jobs[0])


def _offer_all(jobs):
    return [new for job in jobs for new in _offer(job)]


def run(options):
    take, amount = same_posts(options)
    yield row(
        "BM-03",
        f"4 workers offer the same {amount:,} posts, one killed before",
        rate(amount * WORKERS / take.wall),
        "",
        1.0,
        note="each stored once, 0 deadlocks, counters and numbers right",
    )
    four, one = own_channels(options)
    yield row(
        "BM-03",
        "4 workers on own channels with shared threads, to one",
        rate(four),
        rate(one),
        four / one,
        least=1.3,
        note=f"{os.cpu_count()} cores",
    )
