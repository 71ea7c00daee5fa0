"""The drill: people write, agents answer, and for some seconds every process dies at random. Then the ledger is
compared."""

import json
import random
import threading
import time
from uuid import uuid4

from tests.chaos.checks import lost_and_double, waiting, wrong_numbers
from tests.chaos.house import House, wait_until

QUIET = 45  # seconds after the last fault in which everything must be settled
FAULTS = ("made_hang", "hang", "error", "rate", "html")


def prepare(house):
    """The cast and a channel to the fake network; returns the agent who answers."""
    from connectors.models import Channel
    from connectors.opening import sealed_secrets
    from tests.conftest import make_cast

    cast = make_cast()
    channel = Channel.objects.create(name="Demo", network="demo", settings={"base_url": house.demo.url})
    channel.sealed = sealed_secrets(channel.pk, {"token": house.demo.token})
    channel.save(update_fields=["sealed"])
    return cast.mona


class Load(threading.Thread):
    """Customers write and correct themselves; an agent answers whatever waits, with a key that is kept over
    failures."""

    def __init__(self, house, agent, seed):
        super().__init__(daemon=True)
        self.house, self.agent, self.random = house, agent, random.Random(seed)
        self.stop = threading.Event()
        self.answered, self.refused = 0, 0

    def run(self):
        from django.db import Error, connections

        number = 0
        while not self.stop.wait(0.05):
            number += 1
            self._write(number)
            if number % 4 == 0:
                try:
                    self._answer(number)
                except Error:
                    self.refused += 1
                    connections.close_all()

    def _write(self, number):
        network = self.house.demo.network
        customers = [post for post in network.posts.values() if post.author["id"] != "brand"]
        chance = self.random.random()
        if chance < 0.1 and customers:
            network.edit(self.random.choice(customers).id, f"corrected {number}")
        elif chance < 0.3 and customers:
            above = self.random.choice(customers)
            network.say(above.author["name"], f"and another thing, number {number}", reply_to=above.id)
        else:
            network.say(f"Customer {number % 40}", f"my refund number {number} is late")

    def _answer(self, number):
        from inbox.models import Conversation

        waiting = Conversation.objects.filter(state=0, trouble="").exclude(replies__state__in=["queued", "sending"])
        conversation = waiting.order_by("?").first()
        parent = conversation and conversation.last_inbound()
        if parent is not None:
            conversation.reply(self.agent, f"answer {number}", uuid4(), 0, parent=parent, anyway=True)
            self.answered += 1


class Faults:
    """Kills, freezes and network faults, drawn from a seed."""

    def __init__(self, house, seed):
        self.house, self.random = house, random.Random(seed)
        self.counts = {}

    def strike(self):
        what = self.random.choices(
            ["worker", "sweep", "beat", "web", "redis", "postgres", "network", "freeze", "flush"],
            [8, 5, 2, 3, 2, 2, 8, 2, 1],
        )[0]
        self.counts[what] = self.counts.get(what, 0) + 1
        getattr(self, f"_{what}", lambda: self._restart(what))()

    def _restart(self, role):
        self.house.kill(role)
        self.house.start(role)

    def _redis(self):
        self.house.restart_server(self.house.redis)

    def _postgres(self):
        self.house.restart_server(self.house.postgres)

    def _flush(self):
        import redis

        redis.Redis.from_url(self.house.redis.url).flushall()

    def _freeze(self):
        self.house.freeze(self.random.choice(["worker", "sweep"]), self.random.uniform(0.2, 1.5))

    def _network(self):
        from socialcare.demo.server import Fault

        kind = self.random.choice(FAULTS)
        method = "POST" if kind == "made_hang" else self.random.choice(["GET", "POST"])
        fault = Fault(kind, self.random.randint(1, 3), method, self.random.uniform(0.2, 1.5))
        with self.house.demo.network.lock:
            self.house.demo.faults.append(fault)


def run(seconds, seed):
    """One drill; a report whose `violations` must be empty."""
    with House(seed) as house:
        agent = prepare(house)
        for role in ("web", "worker", "beat", "sweep"):
            house.start(role)
        load, faults = Load(house, agent, seed), Faults(house, seed)
        load.start()
        if not wait_until(lambda: at_work(house), 60):
            raise RuntimeError("the application did not begin to work within a minute")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(faults.random.uniform(0.2, 1.2))
            faults.strike()
        load.stop.set()
        load.join(30)
        house.demo.faults.clear()
        began = time.monotonic()
        wait_until(lambda: settled(house), QUIET)
        result = report(house, load, faults, seconds, seed, time.monotonic() - began)
        house.keep = bool(result["violations"])
        return result


def at_work(house):
    """Whether a first post was stored and a first answer posted."""
    return any(post.author["id"] == "brand" for post in house.demo.network.posts.values())


def settled(house):
    from django.db import Error, connections

    try:
        return waiting() == 0 and not any(lost_and_double(house.demo.network).values())
    except Error:
        connections.close_all()
        return False


def report(house, load, faults, seconds, seed, settled_in):
    from django.db import connections

    from inbox.models import Mention, Reply

    connections.close_all()
    violations = {
        what: wrong[:10] for what, wrong in (lost_and_double(house.demo.network) | wrong_numbers()).items() if wrong
    }
    if left := waiting():
        fields = ("id", "state", "tries", "fault", "reason", "not_before")
        open_ones = Reply.objects.filter(state__in=["queued", "sending", "in_doubt"]).values_list(*fields)
        violations["not settled"] = [left, *map(str, open_ones[:5])]
    mentions, replies = Mention.objects.filter(ours=False).count(), Reply.objects.filter(state="sent").count()
    if mentions < seconds or replies < seconds / 10:
        violations["no progress"] = [mentions, replies]
    states = {}
    for state in Reply.objects.values_list("state", flat=True):
        states[state] = states.get(state, 0) + 1
    return {
        "seed": seed,
        "seconds": seconds,
        "faults": faults.counts,
        "mentions": mentions,
        "replies": states,
        "healed": Reply.objects.filter(state="sent", doubted_at__isnull=False).count(),
        "settled_in": round(settled_in, 1),
        "violations": violations,
    }


def say(result):
    print(json.dumps(result))
    return 1 if result["violations"] else 0
