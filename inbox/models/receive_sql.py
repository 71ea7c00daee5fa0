"""The statements of `receive`: one each for conversations, mentions, edits and held replies, however
long the page. Rows are locked in the house's order: new conversations by key, conversations by id,
counters and streams by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import IntegrityError, connection

from inbox.arrival import Place
from inbox.language import language_of
from inbox.models.arrays import array, columns
from inbox.models.copying import copy
from inbox.models.page_conversation import Birth, Change, NewConversation, OldConversation
from inbox.models.page_facts import CONVERSATIONS
from inbox.models.page_plan import BirthKey, Plan
from inbox.models.receive_people import Faster, is_taken

HELD_BECAUSE = "The customer wrote again before it left."


def _run(sql: str, rows: Sequence[tuple[Any, ...]], *scalars: Any) -> list[tuple[Any, ...]]:
    """Executes with the scalars first and then the columns of the rows as arrays; returns the rows given back."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [*scalars, *columns(rows)])
        return cursor.fetchall() if cursor.description else []


def lock_conversations(ids: Iterable[int]) -> dict[int, OldConversation]:
    """Locks the conversations in order of id and returns them as they are."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, team_id, state, agent_id, newest_at, waiting_since, excerpt,
                      CASE WHEN state = 6 THEN coalesce((trace->>'heard_only')::boolean, false) ELSE false END
                 FROM inbox_conversation
                WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE""",
            (array(wanted),),
        )
        return {row[0]: OldConversation(*row[1:]) for row in cursor.fetchall()}


_UPDATE = """
    UPDATE inbox_conversation c SET state = t.state, newest_at = t.newest_at, waiting_since = t.waiting_since,
           excerpt = t.excerpt, seen_seq = c.seen_seq + t.steps,
           trouble = CASE WHEN c.trouble IN ('failed', 'in_doubt') THEN c.trouble
                          ELSE coalesce(t.trouble, c.trouble) END,
           inbound_seq = CASE WHEN t.inbound_step > 0 THEN c.seen_seq + t.inbound_step ELSE c.inbound_seq END,
           snoozed_until = CASE WHEN t.state = 3 THEN c.snoozed_until END,
           closed_at = CASE WHEN t.state >= 4 THEN c.closed_at END
      FROM unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[],
                  %s::bigint[], %s::bigint[])
           AS t(id, state, newest_at, waiting_since, excerpt, trouble, steps, inbound_step)
     WHERE c.id = t.id RETURNING c.id, c.seen_seq"""


def update_conversations(after: Mapping[int, NewConversation]) -> dict[int, int]:
    """Writes what the conversations become; {id: their number afterwards}."""
    return dict(_run(_UPDATE, [(pk, *new) for pk, new in after.items()])) if after else {}


def reserve(conversations: int, mentions: int) -> tuple[list[int], list[int]]:
    """Ascending ids for as many new conversations and mentions, with up to six left out before each, so that nobody
    counts what others got; the words of the mentions are due to be taken up."""
    if not mentions:
        return [], []
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM inbox_reserve(%s, %s)", (conversations, mentions))
        row: tuple[list[int], list[int]] = cursor.fetchone()
    return row


def _add(table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Raises Faster when one of them was stored by somebody else since the facts were read."""
    try:
        copy(table, columns, rows)
    except IntegrityError as error:
        if is_taken(error):
            raise Faster from error
        raise


_CONVERSATION = (
    "id, channel_id, created_at, thread_key, identity_id, team_id, agent_id, state, priority, rank, "
    "tags, subject, excerpt, language, visibility, newest_at, waiting_since, seen_seq, inbound_seq, "
    "trouble, trace, context"
)


def insert_conversations(
    place: Place, born: Mapping[BirthKey, Birth], identities: Mapping[str, int], ids: Sequence[int]
) -> dict[BirthKey, int]:
    """{key: id} of the new ones, which get their ids in the order in which everybody adds them."""
    if not born:
        return {}
    keys = sorted((thread, identities[author], author) for thread, author in born)
    made = {(thread, author): pk for (thread, _, author), pk in zip(keys, ids, strict=False)}
    rows = (_birth_row(place, pk, identities[key[1]], key[0], born[key]) for key, pk in made.items())
    _add("inbox_conversation", _CONVERSATION, rows)
    return made


def begun(born: Iterable[BirthKey], identities: Mapping[str, int]) -> dict[BirthKey, int]:
    """{key: id} of those conversations that exist by now."""
    keys = {(thread, identities[author]): (thread, author) for thread, author in born}
    with connection.cursor() as cursor:
        threads = array({thread for thread, _ in keys})
        cursor.execute(CONVERSATIONS, (threads, array({identity for _, identity in keys})))
        return {keys[thread, pk]: found for thread, pk, found in cursor.fetchall() if (thread, pk) in keys}


def _birth_row(place: Place, pk: int, identity: int, thread: str, birth: Birth) -> tuple[Any, ...]:
    first, decision, new = birth.first, birth.decision, birth.begins
    return (
        pk,
        place.channel_id,
        place.now,
        thread,
        identity,
        decision.team_id,
        decision.agent_id,
        new.state,
        decision.priority,
        -decision.priority,
        array(sorted(decision.tags)) if decision.tags else "{}",
        first.subject[:300],
        new.excerpt,
        language_of(first.text, first.lang),
        first.visibility,
        new.newest_at,
        new.waiting_since,
        new.steps,
        new.inbound_step,
        "",
        birth.trace,
        place.context.get(first.external_id, []),
    )


_MENTION = (
    "id, channel_id, seen_at, external_id, conversation_id, identity_id, kind, source, text, posted_at, "
    "edited_at, version, language, parent_id, url, media, visibility, state, ours, history, late, "
    "rating, followers, grants, raw"
)


def insert_mentions(
    place: Place, plan: Plan, identities: Mapping[str, int], born: Mapping[BirthKey, int], ids: Sequence[int]
) -> dict[str, int]:
    """{external id: mention id} of the posts stored."""
    if not plan.mentions:
        return {}
    stored = {post.external_id: pk for pk, (post, _) in zip(ids, plan.mentions, strict=True)}
    rows = (
        _mention_row(
            place,
            pk,
            post,
            where if isinstance(where, int) else born[where],
            identities[post.author.external_id],
        )
        for pk, (post, where) in zip(ids, plan.mentions, strict=True)
    )
    _add("inbox_mention", _MENTION, rows)
    return stored


def _mention_row(place: Place, pk: int, post: Any, conversation: int, identity: int) -> tuple[Any, ...]:
    late_before = place.late_before.get(post.source)
    return (
        pk,
        place.channel_id,
        place.now,
        post.external_id,
        conversation,
        identity,
        post.kind,
        post.source,
        post.text,
        post.created_at,
        post.edited_at,
        post.version,
        language_of(post.text, post.lang),
        post.parent_id or "",
        post.url,
        _media(post) if post.media else [],
        post.visibility,
        post.state,
        post.ours,
        post.history,
        late_before is not None and post.created_at < late_before,
        post.rating,
        post.author.followers,
        dict(post.grants),
        dict(post.raw),
    )


def _media(post: Any) -> list[dict[str, Any]]:
    return [asdict(item) for item in post.media]


_CHANGE = """
    WITH t AS (SELECT * FROM ROWS FROM (
                   unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                          %s::numeric[]),
                   jsonb_array_elements(%s::jsonb), jsonb_array_elements(%s::jsonb))
                 AS t(id, text, version, was, state, edited_at, rating, media, raw)),
    kept AS (INSERT INTO inbox_revision (mention_id, text, until)
             SELECT m.id, m.text, %s FROM inbox_mention m JOIN t ON t.id = m.id
              WHERE t.state = 'edited' AND m.text <> t.text AND m.state <> 'deleted'
                AND (m.state <> 'withheld' OR t.was = 'withheld')),
    due AS (INSERT INTO inbox_searchdue (kind, row_id) SELECT 1, id FROM t)
    UPDATE inbox_mention m SET version = t.version,
           state = CASE WHEN t.state = 'edited' AND t.was = 'withheld' AND m.text = t.text THEN 'live' ELSE t.state END,
           edited_at = coalesce(t.edited_at, CASE WHEN t.was = 'withheld' AND m.text = t.text THEN NULL ELSE %s END),
           text = CASE WHEN t.state = 'edited' THEN t.text ELSE m.text END,
           rating = CASE WHEN t.state = 'edited' THEN t.rating ELSE m.rating END,
           media = CASE WHEN t.state = 'edited' THEN t.media ELSE m.media END,
           raw = CASE WHEN t.state = 'edited' THEN t.raw ELSE m.raw END
      FROM t WHERE m.id = t.id AND m.state <> 'deleted' AND (m.state <> 'withheld' OR t.was = 'withheld')"""


def change_mentions(place: Place, changes: Sequence[Change]) -> None:
    """Edited posts get the new text and keep the old one as a revision; deleted ones are marked, their text stays
    until a retention rule removes it. That is final; what was withheld is shown again by whoever knew that it was,
    and not by who read the post before it went."""
    if not changes:
        return
    rows = []
    for change in changes:
        post, state = change.post, change.post.state if change.is_gone else "edited"
        told = (post.edited_at, post.rating, _media(post), dict(post.raw))
        rows.append((change.mention_id, post.text, post.version, change.was.state, state, *told))
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE, [*columns(rows), place.now, place.now])


_ALLOW = """
    UPDATE inbox_mention m SET visibility = t.visibility, grants = t.grants,
           kind = coalesce(nullif(t.kind, ''), m.kind), source = coalesce(nullif(t.source, ''), m.source)
      FROM ROWS FROM (unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]), jsonb_array_elements(%s::jsonb))
        AS t(id, kind, source, visibility, grants)
     WHERE m.id = t.id"""


def allow_mentions(allowed: Sequence[tuple[int, str, str, str, dict[str, Any]]]) -> None:
    """What the networks allow for stored posts now, and how they are heard. Nobody is told: it is asked when somebody
    wants to act."""
    if allowed:
        with connection.cursor() as cursor:
            cursor.execute(_ALLOW, columns(allowed))


def hold_replies(conversations: Sequence[int]) -> dict[int, list[int]]:
    """Replies that have not left, also those that wait for the network, are held back where the customer just wrote:
    {conversation id: reply ids}."""
    if not conversations:
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM inbox_hold_replies(%s::bigint[], %s)", (array(conversations), HELD_BECAUSE))
        held: dict[int, list[int]] = {}
        for conversation, reply in cursor.fetchall():
            held.setdefault(conversation, []).append(reply)
    return held
