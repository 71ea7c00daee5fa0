"""The drill: people write, agents answer, and for some seconds every process dies at random. Then each network's ledger
is compared."""

import json
import random
import sys
import threading
import time
from collections import Counter

from tests.chaos.checks import channel_trouble, defects, lost_and_double, waiting, wrong_numbers
from tests.chaos.house import House, wait_until
from tests.chaos.side import Clockwork

QUIET = 180, 5  # seconds after the last fault in which everything must be settled, and those each network adds
LOOK = 3  # seconds in which every network looks once how posts stand
BEGIN = 180, 5  # the same until everything has begun to work


class Load(threading.Thread):
    """Customers write and correct themselves; an agent answers whatever waits, with a key that is kept over
    failures."""

    def __init__(self, sides, agent):
        super().__init__(daemon=True)
        self.sides, self.agent = sides, agent
        self.stop = threading.Event()
        self.refused = 0

    def run(self):
        from django.db import Error, connections

        while True:
            for side in self.sides:
                if self.stop.wait(max(0.05, 0.1 / len(self.sides))):
                    return
                side.write()
                try:
                    if side.number % 4 == 0:
                        side.answer(self.agent)
                    if side.number % 12 == 0:
                        side.take_back(self.agent)
                except Error:
                    self.refused += 1
                    connections.close_all()


class Faults:
    """Kills, freezes and network faults, drawn from a seed."""

    def __init__(self, house, seed):
        self.house, self.random = house, random.Random(seed)
        self.counts = {}

    def strike(self):
        what = self.random.choices(
            ["worker", "sweep", "beat", "web", "redis", "postgres", "network", "freeze", "flush"],
            [8, 5, 2, 3, 2, 2, 8 if len(self.house.sides) == 1 else 16, 2, 1],
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
        """Bad times for half of the networks at least, one fault or some in a row."""
        sides = self.house.sides
        for side in self.random.sample(sides, self.random.randint((len(sides) + 1) // 2, len(sides))):
            self.trouble(side)

    def trouble(self, side):
        for _ in range(self.random.randint(1, 3)):
            side.strike(self.random)


def run(seconds, seed, networks=("demo",)):
    """One drill; a report whose `violations` must be empty."""
    with House(seed, networks) as house:
        for role in ("web", "worker", "beat", "sweep"):
            house.start(role)
        load, faults = Load(house.sides, house.cast.mona), Faults(house, seed)
        clockwork = Clockwork(house.sides, house.knock)
        load.start()
        clockwork.start()
        if not wait_until(lambda: all(map(at_work, house.sides)), BEGIN[0] + BEGIN[1] * len(house.sides)):
            idle = [side.name for side in house.sides if not at_work(side)]
            house.keep = True
            raise RuntimeError(f"did not begin to work: {', '.join(idle)}; see {house.folder}/log")
        for side in house.sides:
            faults.trouble(side)
        end = time.monotonic() + seconds
        # On a busy machine less happens in a second: it goes on until enough has, three times as long at most.
        while (now := time.monotonic()) < end or (now < end + 2 * seconds and not enough(house, faults, seconds)):
            time.sleep(faults.random.uniform(0.2, 1.2))
            faults.strike()
        load.stop.set()
        load.join(30)
        for side in house.sides:
            side.heal()
            side.last_words()
        began = time.monotonic()
        settle(house)
        clockwork.stop.set()
        clockwork.join(10)
        result = report(house, faults, seconds, seed, time.monotonic() - began)
        house.keep = bool(result["violations"])
        return result


def enough(house, faults, seconds):
    """Whether as many faults and as many posts as there must be."""
    from django.db import Error, connections

    from inbox.models import Mention

    try:
        least = least_of(house, seconds)
        counts = [Mention.objects.filter(channel=side.channel, ours=False).count() for side in house.sides]
    except Error:
        connections.close_all()
        return False
    return sum(faults.counts.values()) >= seconds / 2 and all(count >= least for count in counts)


def least_of(house, seconds):
    """Mentions of each side without which there was no progress."""
    return seconds / max(2, 2 * len(house.sides) - 1)


def at_work(side):
    """Whether a first post was stored and a first answer posted."""
    from django.db import Error, connections

    from inbox.models import Mention

    try:
        read = Mention.objects.filter(channel=side.channel, ours=False).exists()
    except Error:
        connections.close_all()
        return False
    return read and (bool(side.posted()) or not side.fake.writes)


def settle(house):
    """Waits until nothing is wrong on any side; meanwhile a day passes every few seconds. What was taken back is found
    when its turn has come, so that there is time for all that stands to be looked at."""
    from django.db import Error, connections

    left = list(house.sides)
    looks = max(side.looks() for side in left)
    deadline = time.monotonic() + QUIET[0] + QUIET[1] * len(left) + LOOK * looks
    while left and time.monotonic() < deadline:
        try:
            for side in left:
                side.let_time_pass(days=True)
            wait_until(lambda sides=tuple(left): all(settled(side) or side.has_looked() for side in sides), 6, 0.5)
            left = [side for side in left if not settled(side)]
        except Error:
            connections.close_all()


def settled(side):
    from django.db import Error, connections

    try:
        return waiting(side.channel) == 0 and not any((lost_and_double(side) | channel_trouble(side)).values())
    except Error:
        connections.close_all()
        return False


def report(house, faults, seconds, seed, settled_in):
    from django.db import connections

    connections.close_all()
    networks = {side.name: of_side(side, least_of(house, seconds)) for side in house.sides}
    log = (house.folder / "log").read_text(errors="replace")
    violations = {what: wrong[:10] for what, wrong in (wrong_numbers() | defects(log)).items() if wrong}
    for name, told in networks.items():
        violations |= {f"{name}: {what}": wrong for what, wrong in told["violations"].items()}
    states = {}
    for told in networks.values():
        for state, n in told["replies"].items():
            states[state] = states.get(state, 0) + n
    return {
        "seed": seed,
        "seconds": seconds,
        "faults": faults.counts,
        "mentions": sum(told["mentions"] for told in networks.values()),
        "replies": states,
        "healed": sum(told["healed"] for told in networks.values()),
        "settled_in": round(settled_in, 1),
        "networks": networks,
        "violations": violations,
    }


def of_side(side, least):
    """One network's part. `least`: mentions without which there was no progress; a tenth of it in replies."""
    from inbox.models import Act, Mention, Reply

    replies = Reply.objects.filter(channel=side.channel)
    violations = {what: wrong[:10] for what, wrong in (lost_and_double(side) | channel_trouble(side)).items() if wrong}
    if left := waiting(side.channel):
        fields = ("id", "state", "tries", "fault", "reason", "not_before")
        open_ones = replies.filter(state__in=["queued", "sending", "in_doubt"]).values_list(*fields)
        violations["not settled"] = [left, *map(str, open_ones[:5])]
    mentions, sent = Mention.objects.filter(channel=side.channel, ours=False).count(), replies.filter(state="sent")
    # In one busy thread most answers are held back, because somebody wrote again before they left.
    answered = replies.filter(state__in=["sent", "removed", "held"]).count()
    if mentions < least or (side.fake.writes and answered < least / 10):
        violations["no progress"] = [mentions, answered]
    states, why = {}, {}
    for state, fault, reason in replies.values_list("state", "fault", "reason"):
        states[state] = states.get(state, 0) + 1
        if state == "failed":
            why[f"{fault}: {reason}"] = why.get(f"{fault}: {reason}", 0) + 1
    return {
        "mentions": mentions,
        "replies": states,
        "acts": dict(Counter(Act.objects.filter(channel=side.channel).values_list("state", flat=True))),
        "healed": sent.filter(doubted_at__isnull=False).count(),
        "flagged": replies.exclude(flagged_at=None).count(),
        "failed": why,
        "faults": side.faults,
        "violations": violations,
    }


def say(result):
    """A table of the networks, when there are several, and one line of JSON."""
    if len(result["networks"]) > 1:
        print(table(result["networks"]))
    print(json.dumps(result))
    sys.stdout.flush()
    return 1 if result["violations"] else 0


def table(networks):
    head = ("network", "faults", "mentions", "replies", "sent", "healed", "failed", "asked", "violations")
    rows = [head]
    for name, told in networks.items():
        states = told["replies"]
        wrong = ", ".join(f"{what} ({len(found)})" for what, found in told["violations"].items()) or "–"
        numbers = (sum(told["faults"].values()), told["mentions"], sum(states.values()), states.get("sent", 0))
        rows.append((name, *numbers, told["healed"], states.get("failed", 0), told["flagged"], wrong))
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(head))]
    lines = ("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
