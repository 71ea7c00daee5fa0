"""BM-06, BM-09, BM-17: counters, claims and streams while many people work at once."""

import random
import time
from functools import partial

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.clients import alternately, pgbench, together
from benchmarks.data import count_again, gaps_in_numbers, wrong_tallies
from benchmarks.measure import Takes, check, interleaved, micro, milli, rate, row
from inbox import desk
from inbox.models import Agent, Conversation, Event, Stream, Tally, Team
from inbox.models.assignable import deal

FREE = 4_000  # conversations that wait for somebody
CLIENTS = (1, 8, 32)
BY_KEY = """\\set i :i + 1
UPDATE inbox_conversation SET agent_id = 1
 WHERE id = {first} + :client_id * {each} + :i AND agent_id IS NULL;"""
DEAL = """UPDATE inbox_conversation SET agent_id = 1 WHERE id = (
    SELECT id FROM inbox_conversation WHERE team_id = {team} AND state = 0 AND agent_id IS NULL
    ORDER BY rank, waiting_since, id LIMIT 1 FOR UPDATE SKIP LOCKED);"""
PLAIN = """BEGIN;
SELECT id FROM inbox_conversation WHERE team_id = {team} AND state = 0 AND agent_id IS NULL
 ORDER BY rank, waiting_since, id LIMIT 1 FOR UPDATE \\gset
UPDATE inbox_conversation SET agent_id = 1 WHERE id = :id;
COMMIT;"""
ONE_PLAIN = DEAL.replace(" SKIP LOCKED", "")


class House:
    def __init__(self):
        self.team = Team.objects.get(slug="support")
        self.agents = list(Agent.objects.filter(memberships__team=self.team).order_by("pk")[:32])
        self.first, self.ids = 1, range(1, FREE + 1)  # the oldest, numbered by the loader without a gap

    def free(self, count=FREE):
        """Only these wait for somebody in this team; everybody else there is put away."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE inbox_conversation SET state = 4 WHERE team_id = %s AND state <= 2", [self.team.pk])
            cursor.execute(
                "UPDATE inbox_conversation SET state = 0, agent_id = NULL, team_id = %s WHERE id >= %s AND id < %s "
                "AND (state, team_id, agent_id) IS DISTINCT FROM (0, %s, NULL)",
                [self.team.pk, self.first, self.first + count, self.team.pk],
            )
            cursor.execute("VACUUM inbox_conversation")

    def ids_of(self, number, each):
        return range(self.first + number * each, self.first + (number + 1) * each)

    def owned(self):
        mine = Conversation.objects.filter(id__gte=self.first, id__lt=self.first + FREE)
        return mine.exclude(agent=None).count()


def claims(house, options):
    """Each planned once a connection, as the product's own way of dealing is."""
    amount = 2_000 * (4 if options.full else 1)
    scripts = {"by key": BY_KEY, "skip locked": DEAL, "plain": PLAIN, "one plain": ONE_PLAIN}
    takes = {clients: Takes() for clients in CLIENTS}

    def run(script, clients, size):
        house.free()
        each = size // clients
        text = script.format(first=house.first, each=each, team=house.team.pk)
        return pgbench(text, clients, size, prepared=True, i=-1)

    for _ in range(options.rounds):
        for clients in CLIENTS:
            for name, script in scripts.items():
                if name in ("plain", "one plain") and clients == 1:
                    continue
                take = run(script, clients, amount)
                check(house.owned() == take.items, f"{house.owned()} owners after {take.items} claims ({name})")
                takes[clients].add(name, take)
    for clients in CLIENTS:
        mine, limit = takes[clients].rate("skip locked"), takes[clients].rate("by key")
        goal = {8: 0.7, 32: 0.45}.get(clients)
        yield row(
            "BM-09",
            f"top of the queue, SKIP LOCKED, {clients} clients, to UPDATE by key",
            rate(mine),
            rate(limit),
            mine / limit,
            least=goal,
        )
        if clients > 1:
            plain, one = takes[clients].rate("plain"), takes[clients].rate("one plain")
            yield row(
                "BM-09",
                f"the same to reading FOR UPDATE and writing, {clients} clients",
                rate(mine),
                rate(plain),
                mine / plain,
                least=3,
                note=f"in one statement {rate(one)}, of which an UPDATE by key is {limit / one:.2g}",
            )
    house.limits = {clients: takes[clients].rate("by key") for clients in CLIENTS}


def _deal(house, each, agent):
    """As many conversations as one agent is dealt."""
    return [pk for pk in (deal(agent, [house.team.pk]) for _ in range(each)) if pk]


def by_verb(house, options):
    """The same through the product's verb: counters, number, event and bell with it. The stream is read meanwhile."""
    for clients in (1, 8):
        each = 600 // clients

        def one_round(_, clients=clients, each=each):
            house.free()
            count_again()
            results, take = together(partial(_deal, house, each), house.agents[:clients])
            dealt = [pk for result in results for pk in result]
            check(len(dealt) == len(set(dealt)) == each * clients, "a conversation was dealt twice or not at all")
            check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
            check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")
            return take

        takes = interleaved(options.rounds, {"verb": one_round})
        mine, limit = takes.rate("verb"), house.limits[clients]
        yield row(
            "BM-09",
            f"dealt by the verb, {clients} clients, to UPDATE by key",
            rate(mine),
            rate(limit),
            mine / limit,
            note=f"with counters, event and bell; {micro(takes.cpu('verb'))} CPU",
        )


def streams(house, options):
    """Eight people claim in one team while somebody reads its stream by number."""
    key, writers, each = house.team.stream, 8, 100
    counter = f"UPDATE inbox_stream SET n = n + 0 WHERE key = '{key}';"

    def verbs(_):
        house.free(writers * each)
        count_again()
        Stream.objects.get_or_create(key=key)
        began = Stream.objects.get(key=key).n
        jobs = [("read", began, writers * each)]
        jobs += [("claim", house.agents[n], house.ids_of(n, each)) for n in range(writers)]
        results, take = together(_work, jobs)
        read = results[0]
        check(read == list(range(began + 1, began + writers * each + 1)), "the reader missed a number or saw one late")
        take.items -= len(read)
        return take

    takes = interleaved(options.rounds, {"verbs": verbs, "counter": lambda _: pgbench(counter, writers, 2_000)})
    mine, limit = takes.rate("verbs"), takes.rate("counter")
    yield row(
        "BM-17",
        "8 writers on one stream by verbs, to the counter alone",
        rate(mine),
        rate(limit),
        mine / limit,
        note="a reader of the stream missed nothing",
    )
    yield row("BM-17", "the same in commits a second, to 300", rate(mine), "300/s", mine / 300, least=1.0)


def _work(job):
    kind, who, what = job
    if kind == "claim":
        return [one.pk for one in Conversation.objects.filter(pk__in=what) if one.claim(who)]
    return _read(who, what)


def _read(last, expected):
    """Follows the stream as a screen does: by the number it holds."""
    team = Team.objects.get(slug="support").stream
    numbers, deadline = [], timezone.now().timestamp() + 60
    while len(numbers) < expected and timezone.now().timestamp() < deadline:
        newer = list(Event.objects.after({team: last}).order_by("number").values_list("number", flat=True))
        if not newer:
            time.sleep(0.01)  # a screen asks when it is rung, not without end
        for number in newer:
            if number != last + 1:
                return [*numbers, -number]
            numbers.append(number)
            last = number
    return numbers


def _mixed(job):
    """Verbs as people use them, with losers and refusals."""
    seed, agents, ids, teams = job
    chance, done = random.Random(seed), []
    for pk in ids:
        one, agent = Conversation.objects.get(pk=pk), chance.choice(agents)
        acts = (
            partial(one.claim, agent),
            partial(one.release, agent),
            partial(one.close, agent),
            partial(one.reopen, agent),
            partial(one.assign, chance.choice(teams), None, agent),
        )
        for act in chance.choices(acts, k=3):
            act()
            done.append(pk)
    return done


def _counting(agent):
    """The same twenty numbers without counters, in one reading of the index that is there for counting."""
    return (
        "SELECT state, count(*) FILTER (WHERE team_id = 1), count(*) FILTER (WHERE team_id = 1 AND agent_id IS NULL), "
        "count(*) FILTER (WHERE team_id = 2), count(*) FILTER (WHERE team_id = 2 AND agent_id IS NULL), "
        f"count(*) FILTER (WHERE agent_id = {agent}) "
        f"FROM inbox_conversation WHERE state <= 3 AND (team_id IN (1, 2) OR agent_id = {agent}) GROUP BY state;"
    )


def _numbers(counted, scopes):
    with connection.cursor() as cursor:
        cursor.execute(counted)
        rows = {state: numbers for state, *numbers in cursor.fetchall()}
    return {(key, state): n for state in range(4) for key, n in zip(scopes, rows.get(state, (0,) * 5), strict=True)}


def tallies(house, options):
    count_again()
    scopes = ["team:1", "team:1:free", "team:2", "team:2:free", f"agent:{house.agents[0].pk}"]
    nothing = [Tally(scope=scope, state=state) for scope in scopes for state in range(4)]
    Tally.objects.bulk_create(nothing, ignore_conflicts=True)  # a counter that was never needed has no row yet
    with CaptureQueriesContext(connection) as seen:
        found = desk.standing(scopes, (), most=3)
    check(len(found) == 20, f"{len(found)} counters instead of 20")
    counters = seen[0]["sql"] + ";"
    counted = _counting(house.agents[0].pk)
    check(_numbers(counted, scopes) == found, "the counters and counting differ")
    takes = interleaved(
        options.rounds,
        {
            "both": lambda _: alternately({"one": "SELECT 1;", "counters": counters}, 12_000),
            "count": lambda _: pgbench(counted, 1, 60),
        },
    )
    one, mine, slow = (takes.each(name) for name in ("one", "counters", "count"))
    yield row("BM-06", "20 counters to SELECT 1", milli(mine), milli(one), mine / one, most=3)
    yield row("BM-06", "20 counters to counting the same", milli(mine), milli(slow), slow / mine, least=30)
    amount = (10_000 if options.full else 1_200) // 3 // 8
    teams = list(Team.objects.order_by("pk"))
    house.free()
    count_again()
    ids = random.Random(2).sample(house.ids, 60)  # few, so that the writers meet
    jobs = [(n, house.agents, random.Random(n).choices(ids, k=amount), teams) for n in range(8)]
    _, take = together(_mixed, jobs)
    check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
    check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")
    yield row(
        "BM-06",
        "mixed verbs by 8 writers on 60 conversations",
        rate(take.rate),
        "",
        1.0,
        note="counters = COUNT, numbers without gaps",
    )


def run(options):
    house = House()
    yield from claims(house, options)
    yield from by_verb(house, options)
    yield from streams(house, options)
    yield from tallies(house, options)
    count_again()
