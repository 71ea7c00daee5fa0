"""BM-07: words of thirteen frequencies, together, as phrases and as beginnings, as the search finds them and by the
index of words alone. BM-08: how fast words are taken up, beside storing ready ones, and how long one waits for it."""

import threading
import time

from django.db import connection, connections

from benchmarks.data import CHANNELS, NOW, TEXTS, Texts, _copy, _WithoutIndexes
from benchmarks.measure import check, interleaved, milli, rate, row, taking
from inbox.models import SearchDue, SearchKind, SearchText, Team
from inbox.searching import indexing, looking
from inbox.searching.asking import read
from inbox.searching.looking import Ask
from inbox.searching.words import address_mark, author_marks, facet_mark, vector

EVERY = (2, 10, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000)  # one of so many texts has the word
DUE, FEWER = 50_000, 30_000  # rows taken up in a round: by each way in the full run, by all ways together in the quick
PACE, LASTING = 500, 6.0  # posts a second, seconds
BATCHES = (100, 1_000)
GIN = """
    SET LOCAL enable_seqscan = off;
    SELECT kind, row_id, at FROM inbox_searchtext s WHERE {wanted} AND {place}
     ORDER BY at + interval '0' DESC, kind DESC, row_id DESC LIMIT {page}"""


def word(every):
    return f"every{every}"


def load():
    """The words of every mention, as taking them up would have made them, and those of known frequency."""
    texts = Texts(1)
    ready = [vector([texts.text()], ()) for _ in range(TEXTS)]
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("DELETE FROM inbox_searchdue")
        cursor.execute("DELETE FROM inbox_searchfill")
        cursor.execute(
            "SELECT m.id, conversation_id, team_id FROM inbox_mention m "
            "JOIN inbox_conversation c ON c.id = conversation_id ORDER BY m.id"
        )
        mentions = cursor.fetchall()
    with _WithoutIndexes("inbox_searchtext") as cursor:
        _copy(cursor, "inbox_searchtext", "kind row_id conversation_id team_id at words", _rows(ready, mentions))


def _rows(ready, mentions):
    first = NOW.timestamp() - 30 * len(mentions)
    for n, (mention, conversation, team) in enumerate(mentions, 1):
        at = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(first + 30 * n))
        spread = n * 2_654_435_761 % 2**32  # which texts have a word follows no order
        known = " ".join(f"{word(every)}:90" for every in EVERY if spread % every == 0)
        marks = {*author_marks(f"@a{n}", f"Author {n}"), facet_mark("c", 1 + n % CHANNELS)}
        marks |= {address_mark(f"m{n}"), address_mark(f"https://demo.example/m{n}")}
        words = f"{ready[n % TEXTS]} {known} {' '.join(marks)}"
        yield f"1\t{mention}\t{conversation}\t{team}\t{at}\t{words}\n"


def by_gin(ask, teams, by_team=True):
    wanted, place, values = looking.conditions(ask, teams, None)
    wanted = wanted if by_team else wanted.replace("s.team_id", "s.team_id + 0")
    return looking.run(GIN.format(wanted=wanted, place=place, page=looking.PAGE + 1), values)


def cases(teams):
    texts = Texts(1)
    pair = " ".join(texts.text().split()[3:5])
    everybody, few = sorted(teams.values()), [teams["hr"]]
    yield "the most common", texts.words[0], everybody
    for every in EVERY:
        yield f"1 in {every:,}", word(every), everybody
    yield "three words", f"{texts.words[0]} {texts.words[3]} {word(10)}", everybody
    yield "a phrase", f'"{pair}"', everybody
    yield "a beginning", f"{texts.words[700][:4]}*", everybody
    yield "1 in 10, 1 % team", word(10), few


def finds(options):
    teams = dict(Team.objects.values_list("slug", "pk"))
    mine, limit = {}, {}
    for name, typed, ids in cases(teams):
        ask = Ask(read(typed))
        found, plain = looking.keys(ask, ids, None)[0], by_gin(ask, ids)
        check([tuple(one) for one in found] == [tuple(one) for one in plain], f"{name}: not what the index gives")
        check(plain or name == "1 in 200,000", f"{name}: nothing is found")
        takes = interleaved(options.rounds, {"ours": _asked(looking.keys, ask, ids), "gin": _asked(by_gin, ask, ids)})
        mine[name], limit[name] = takes.each("ours"), takes.each("gin")
    words = [name for name in mine if name.startswith(("the most", "1 in")) and "team" not in name]
    rare = max(mine[name] - limit[name] for name in words[-3:])
    worst, slowest = max(mine[name] for name in words), max(words, key=limit.get)
    gin = limit[slowest]
    typed, ids = next(case[1:] for case in cases(teams) if case[0] == slowest)
    with taking(1) as bare:
        by_gin(Ask(read(typed)), ids, by_team=False)
    note = f"the index {milli(bare.wall)} when it is not asked for the teams"
    what = "the slowest of 13 words, to the index alone"
    yield row("BM-07", what, milli(worst), milli(gin), worst / gin, most=1 / 50, note=note)
    yield row("BM-07", "a rare word above the index alone", milli(rare), "15 ms", rare / 0.015, most=1)
    for name, value in mine.items():
        if "team" in name:
            yield row("BM-07", name, milli(value), "50 ms", value / 0.050, most=1)
        elif name not in words:
            yield row("BM-07", f"{name}, to the index alone", milli(value), milli(limit[name]), value / limit[name])


def _asked(find, ask, teams):
    def take(_round, calls=1 if find is by_gin else 3):
        with taking(calls) as taken:
            for _ in range(calls):
                arguments = (ask, teams, None) if find is looking.keys else (ask, teams)
                find(*arguments)
        return taken

    return take


def empty(ids):
    """The words of these mentions are to be taken up again."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM inbox_searchtext WHERE kind = 1 AND row_id = ANY(%s)", [ids])
        cursor.execute("VACUUM (ANALYZE) inbox_searchtext, inbox_searchdue")


def takes_up(options, ids):
    """Each way takes up posts of its own, in the next round those of another; they are emptied together, since that
    means a walk through the whole index."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE ready AS SELECT * FROM inbox_searchtext WHERE row_id = ANY(%s)", [ids])
    ways, size = (*BATCHES, "ready"), len(ids) // (len(BATCHES) + 1)
    parts = [ids[start * size :][:size] for start in range(len(ways))]

    def part_of(way, number):
        return parts[(ways.index(way) + number) % len(ways)]

    def taken_up(number, batch):
        mine = part_of(batch, number)
        SearchDue.objects.bulk_create((SearchDue(kind=SearchKind.MENTION, row_id=pk) for pk in mine), batch_size=5_000)
        with taking(size) as taken:
            indexing.index_due(seconds=120, batch=batch)
        held = SearchText.objects.filter(kind=1, row_id__in=mine).count()
        check(held == size, f"{held} of {size} mentions are found")
        return taken

    def stored(number):
        empty(ids)
        mine = part_of("ready", number)
        with taking(size) as taken, connection.cursor() as cursor:
            for start in range(mine[0], mine[-1] + 1, 1_000):
                cursor.execute(
                    "INSERT INTO inbox_searchtext SELECT * FROM ready WHERE row_id >= %s AND row_id < %s",
                    [start, min(start + 1_000, mine[-1] + 1)],
                )
        return taken

    candidates = {batch: (lambda number, batch=batch: taken_up(number, batch)) for batch in BATCHES}
    takes = interleaved(options.rounds, {"ready": stored, **candidates})
    for batch in BATCHES:
        value = takes.rate(batch)
        yield row(
            "BM-08", f"words taken up, {batch:,} a batch, to 3,000/s", rate(value), "3,000/s", value / 3_000, least=1
        )
        yield row(
            "BM-08",
            f"the same, to storing ready ones, {batch:,} a batch",
            rate(value),
            rate(takes.rate("ready")),
            value / takes.rate("ready"),
            note="",
        )


def lag(newest):
    """Posts become due at a steady pace; how long each waits until it is found."""
    ids = newest[-int(PACE * LASTING) :]
    empty(ids)
    asked, found, done = {}, {}, threading.Event()

    def write():
        began = time.perf_counter()
        for place, pk in enumerate(ids):
            wait = began + place / PACE - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            SearchDue.objects.create(kind=SearchKind.MENTION, row_id=pk)
            asked[pk] = time.perf_counter()
        connections.close_all()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    patience = time.perf_counter() + 5 * LASTING
    while len(found) < len(ids) and time.perf_counter() < patience:
        indexing.index_due(seconds=0.5)
        waiting = [pk for pk in list(asked) if pk not in found]
        there = SearchText.objects.filter(kind=1, row_id__in=waiting).values_list("row_id", flat=True)
        now = time.perf_counter()
        found.update(dict.fromkeys(there, now))
        if not waiting:
            time.sleep(0.02)
    writer.join()
    check(len(found) == len(ids), f"{len(found)} of {len(ids)} posts were found")
    waits = sorted(found[pk] - asked[pk] for pk in ids)
    p99 = waits[int(len(waits) * 0.99)]
    yield row("BM-08", f"wait until found at {PACE}/s, p99", milli(p99), "2 s", p99 / 2, most=1)


def run(options):
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    newest = sorted(SearchText.objects.order_by("-at").values_list("row_id", flat=True)[: 3 * DUE])
    yield from finds(options)
    yield from takes_up(options, newest if options.full else newest[-FEWER:])
    yield from lag(newest)
