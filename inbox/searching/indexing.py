"""Working off what is due: the words of changed rows are taken up in batches, each in one transaction with the list it
empties, so that whoever dies leaves the batch to the next one. One at a time does this, in the order of the changes:
two could write an older text over a newer one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import DatabaseError, connection, transaction

from inbox.failpoints import failpoint
from inbox.models.arrays import array, columns
from inbox.models.search_text import SearchKind
from inbox.searching.words import address_mark, author_marks, facet_mark, vector

log = structlog.get_logger(__name__)
BATCH = 1_000
PIECE = 2_000  # rows of the past made due at once, when nothing newer is
SECONDS = 20.0  # that one call goes on for
LOCK = 7_306_124_881  # of PostgreSQL's advisory locks; any number that nothing else takes
Due = dict[int, set[int]]


class Source(NamedTuple):
    """One row as its words are made: which, where, when, what, whose."""

    kind: int
    row_id: int
    conversation_id: int
    team_id: int
    at: datetime
    subject: str
    text: str
    channel_id: int | None
    handle: str
    author: str
    writer_id: int | None
    external_id: str
    url: str


def index_due(seconds: float = SECONDS, batch: int = BATCH) -> int:
    """Works off what is due, then what was there before; how many rows were taken up. Returns at once when somebody
    else is at it."""
    done, size, until = 0, batch, time.monotonic() + seconds
    tried: Due = {}
    while time.monotonic() < until:
        try:
            taken = _one_batch(size, tried)
        except DatabaseError as error:
            if not _is_unfit(error):
                raise
            # One row of these is to blame; alone, it is left out, so that it does not hold up the others.
            taken, size = (_leave_out(tried), batch) if size == 1 else (0, 1)
            continue
        if not taken and not fill():
            break
        done += taken
    return done


@transaction.atomic
def _one_batch(batch: int, tried: Due) -> int:
    """`tried` is told what was taken, which the list has again when this fails."""
    if not _mine():
        return 0
    due = _take(batch)
    tried.clear()
    tried.update(due)
    failpoint("search.after_take")
    rows = read(due) if due else []
    if due:
        _expand(due)
        _write(rows, due)
        failpoint("search.before_commit")
    return sum(map(len, due.values()))


def _is_unfit(error: DatabaseError) -> bool:
    """Whether PostgreSQL refused a value: its form, its size, or what it would be a text of."""
    code = getattr(error.__cause__, "pgcode", None) or ""
    return code.startswith(("22", "54")) or code == "42601"


@transaction.atomic
def _leave_out(blamed: Due) -> int:
    """Takes the one to blame off the list without taking it up, unless somebody else did so meanwhile."""
    if not _mine() or _take(1) != blamed:
        transaction.set_rollback(True)
        return 0
    for kind, ids in blamed.items():
        log.error("a text cannot be taken up for search", kind=SearchKind(kind).name, row=min(ids))
    return 0


def _mine() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
        (mine,) = cursor.fetchone()
    return bool(mine)


def _take(batch: int) -> Due:
    """The oldest of the list, off it, by kind."""
    due: Due = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM inbox_searchdue WHERE id IN (SELECT id FROM inbox_searchdue ORDER BY id LIMIT %s)
               RETURNING kind, row_id""",
            (batch,),
        )
        for kind, row_id in cursor.fetchall():
            due.setdefault(kind, set()).add(row_id)
    return due


_MENTIONS = """
    SELECT 1, m.id, c.id, c.team_id, m.posted_at,
           CASE WHEN c.subject <> '' AND m.posted_at = (
               SELECT min(f.posted_at) FROM inbox_mention f WHERE f.conversation_id = c.id) THEN c.subject ELSE '' END,
           m.text, m.channel_id, i.handle, i.name, NULL::bigint, m.external_id, m.url
      FROM inbox_mention m JOIN inbox_conversation c ON c.id = m.conversation_id
      JOIN inbox_identity i ON i.id = m.identity_id
     WHERE m.id = ANY(%s::bigint[]) AND m.state IN ('live', 'edited') AND NOT (m.ours AND EXISTS (
           SELECT 1 FROM inbox_reply own WHERE own.channel_id = m.channel_id AND own.external_id = m.external_id))"""
_REPLIES = """
    SELECT 2, r.id, c.id, c.team_id, r.created_at, '', r.text, r.channel_id, '', a.name, r.author_id,
           coalesce(r.external_id, ''), r.url
      FROM inbox_reply r JOIN inbox_conversation c ON c.id = r.conversation_id
      JOIN inbox_agent a ON a.id = r.author_id
     WHERE r.id = ANY(%s::bigint[]) AND r.state NOT IN ('undone', 'dropped', 'removed')"""
_NOTES = """
    SELECT 3, n.id, c.id, c.team_id, n.at, '', n.text, c.channel_id, '', a.name, n.author_id, '', ''
      FROM inbox_note n JOIN inbox_conversation c ON c.id = n.conversation_id
      JOIN inbox_agent a ON a.id = n.author_id
     WHERE n.id = ANY(%s::bigint[])"""
_SOURCES = {SearchKind.MENTION: _MENTIONS, SearchKind.REPLY: _REPLIES, SearchKind.NOTE: _NOTES}


def read(due: Due) -> list[Source]:
    """The rows as they stand, without those that are gone and what came back as the copy of a reply of ours."""
    wanted = [(sql, array(sorted(due[kind]))) for kind, sql in _SOURCES.items() if due.get(kind)]
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sql for sql, _ in wanted), [ids for _, ids in wanted])
        return [Source(*row) for row in cursor.fetchall()]


_WRITE = """
    INSERT INTO inbox_searchtext (kind, row_id, conversation_id, team_id, at, words)
    SELECT kind, row_id, conversation_id, team_id, at, words::tsvector
      FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[])
           AS t(kind, row_id, conversation_id, team_id, at, words)
    ON CONFLICT (kind, row_id) DO UPDATE SET conversation_id = excluded.conversation_id, team_id = excluded.team_id,
           at = excluded.at, words = excluded.words"""
_FORGET = """
    DELETE FROM inbox_searchtext s USING unnest(%s::bigint[], %s::bigint[]) AS t(kind, row_id)
     WHERE s.kind = t.kind AND s.row_id = t.row_id"""


def _write(rows: Iterable[Source], due: Due) -> None:
    """Takes up what stands and takes out what does not any more."""
    standing = [(*row[:5], words_of(row)) for row in rows]
    gone = {(int(kind), row_id) for kind in _SOURCES for row_id in due.get(kind, ())} - {row[:2] for row in standing}
    with connection.cursor() as cursor:
        if gone:
            cursor.execute(_FORGET, columns(sorted(gone)))
        if standing:
            cursor.execute(_WRITE, columns(sorted(standing)))


def words_of(row: Source) -> str:
    """All that the row is found by."""
    marks = author_marks(row.handle, row.author)
    marks |= {address_mark(said) for said in (row.external_id, row.url) if said}
    if row.channel_id is not None:
        marks.add(facet_mark("c", row.channel_id))
    if row.writer_id is not None:
        marks |= {facet_mark("w", row.writer_id), facet_mark("k", row.kind)}
    return vector([row.subject, row.text] if row.subject else [row.text], marks)


_ALL_OF_CONVERSATIONS = """
    INSERT INTO inbox_searchdue (kind, row_id)
    SELECT 1, id FROM inbox_mention WHERE conversation_id = ANY(%(ids)s::bigint[])
    UNION ALL SELECT 2, id FROM inbox_reply WHERE conversation_id = ANY(%(ids)s::bigint[])
    UNION ALL SELECT 3, id FROM inbox_note WHERE conversation_id = ANY(%(ids)s::bigint[])"""
_ALL_OF_AUTHORS = """
    INSERT INTO inbox_searchdue (kind, row_id)
    SELECT 1, m.id FROM inbox_conversation c JOIN inbox_mention m ON m.conversation_id = c.id
     WHERE c.identity_id = ANY(%(ids)s::bigint[]) AND m.identity_id = c.identity_id"""


def _expand(due: Due) -> None:
    """What is due as a whole becomes its rows, at the end of the list."""
    wholes = {SearchKind.CONVERSATION: _ALL_OF_CONVERSATIONS, SearchKind.IDENTITY: _ALL_OF_AUTHORS}
    with connection.cursor() as cursor:
        for kind, sql in wholes.items():
            if due.get(kind):
                cursor.execute(sql, {"ids": array(sorted(due[kind]))})


_TABLES = {SearchKind.MENTION: "inbox_mention", SearchKind.REPLY: "inbox_reply", SearchKind.NOTE: "inbox_note"}


@transaction.atomic
def fill() -> int:
    """Makes the next piece of what was stored before there was a search due, the newest first; how many rows."""
    if not _mine():
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, below FROM inbox_searchfill ORDER BY kind DESC LIMIT 1 FOR UPDATE")
        row = cursor.fetchone()
        if row is None:
            return 0
        kind, below = row
        cursor.execute(
            f"""WITH piece AS (SELECT id FROM {_TABLES[SearchKind(kind)]} WHERE id < %s ORDER BY id DESC LIMIT %s),
                made AS (INSERT INTO inbox_searchdue (kind, row_id) SELECT %s, id FROM piece)
                SELECT min(id), count(*) FROM piece""",  # noqa: S608  the table is one of three constants
            (below, PIECE, kind),
        )
        found: tuple[int, int] = cursor.fetchone()
        lowest, count = found
        if count < PIECE:
            cursor.execute("DELETE FROM inbox_searchfill WHERE kind = %s", (kind,))
        else:
            cursor.execute("UPDATE inbox_searchfill SET below = %s WHERE kind = %s", (lowest, kind))
    return max(count, 1)
