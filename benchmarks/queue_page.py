"""BM-04: the statements of a queue page as the desk asks them, beside SELECT 1 and beside a list by one column's index
with an offset."""

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.clients import alternately, pgbench
from benchmarks.measure import check, interleaved, milli, row
from inbox import desk
from inbox.models import Agent, Conversation, Team
from inbox.queue import PAGE, Queue

ORDERS = ("newest", "priority", "oldest")
DEPTH = 10_000


def statements(queue, cursor=""):
    """The page's statements as they are sent, and the ids on it."""
    with CaptureQueriesContext(connection) as seen:
        rows, _ = queue.page(cursor)
    return [query["sql"] for query in seen], [one["id"] for one in rows]


def buffers(statement):
    """Shared buffers the statement touches, also inside a function, and how often it reads the whole table."""
    scans = "SELECT pg_stat_get_xact_numscans('inbox_conversation'::regclass)"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(scans)
        (before,) = cursor.fetchone()
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute(scans)
        (after,) = cursor.fetchone()
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], after - before


def plainly(queue, count):
    """Ids of the first of the order, by sorting all in Python."""
    names = queue.order.names()
    found = Conversation.objects.filter(queue.belongs, team__in=[team.pk for team in queue.teams]).values(*names)
    signs = [-1 if column.startswith("-") else 1 for column in queue.order.columns]

    def place(one):
        values = [one[column.lstrip("-")] for column in queue.order.columns]
        return tuple(
            sign * (value.timestamp() if hasattr(value, "timestamp") else value)
            for sign, value in zip(signs, values, strict=True)
        )

    return [one["id"] for one in sorted(found, key=place)[:count]]


def cursor_at(queue, depth):
    """The cursor of the page that begins after that many rows, "" when there are not so many."""
    base = Conversation.objects.filter(queue.belongs, team__in=[team.pk for team in queue.teams])
    last = base.order_by(*queue.order.columns).values_list(*queue.order.names())[depth - 1 : depth]
    return next((queue.order.cursor(one) for one in last), "")


def cases():
    """(name, queue, cursor) of what is measured."""
    agent = Agent.objects.order_by("pk").first()  # reads all four teams
    teams = {team.slug: team for team in Team.objects.all()}
    check(len(agent.readable_teams) == 4, "the reader does not read four teams")
    for order in ORDERS:
        big = Queue(desk.All, agent, slug="all", team=teams["support"], order=order)
        yield f"{order}, big team", big, ""
        yield f"{order}, big team, after {DEPTH:,}", big, cursor_at(big, DEPTH)
        yield f"{order}, 1 % team", Queue(desk.All, agent, slug="all", team=teams["hr"], order=order), ""
        yield f"{order}, four teams", Queue(desk.All, agent, slug="all", order=order), ""
    yield "mine", Queue(desk.Mine, agent, slug="mine"), ""


def run(options):
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) inbox_conversation")
    peer = (
        "SELECT * FROM inbox_conversation WHERE team_id IN (1,2,3,4) AND state IN (0,1,2) "
        "ORDER BY newest_at DESC OFFSET 10000 LIMIT 50;"
    )
    for name, queue, cursor in cases():
        if name.endswith(f"after {DEPTH:,}") and not cursor:
            continue
        sent, ids = statements(queue, cursor)
        start = DEPTH if cursor else 0
        check(ids == plainly(queue, start + PAGE)[start:], f"{name}: the page is not what a plain sort gives")
        keys, _ = sent
        touched, scans = buffers(keys)
        per_team = touched / len(queue.teams)
        check(not scans, f"{name}: the whole table is read")
        both = {"one": "SELECT 1;", "keys": keys + ";"}
        candidates = {
            "both": lambda _, both=both: alternately(both, 3_000),
            "page": lambda _, sent=sent: pgbench(";\n".join(sent) + ";", 1, 500),
        }
        if name == "newest, four teams":
            candidates["peer"] = lambda _: pgbench(peer, 1, 10)
        takes = interleaved(options.rounds, candidates)
        mine, one = takes.each("keys"), takes.each("one")
        yield row("BM-04", f"{name}: ids, to SELECT 1", milli(mine), milli(one), mine / one, most=3)
        yield row(
            "BM-04",
            f"{name}: buffers a team",
            f"{per_team:.0f}",
            "60",
            per_team / 60,
            most=1,
            note=f"with all columns {milli(takes.each('page'))}",
        )
        if "peer" in candidates:
            yield row(
                "BM-04",
                "four teams by IN and OFFSET 10,000, to our first page",
                milli(takes.each("peer")),
                milli(takes.each("page")),
                takes.each("peer") / takes.each("page"),
                least=10,
            )
