"""The people a page of posts is about: who wrote, stored before the page, and who of us gets what begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connection

from inbox.arrival import Place
from inbox.models.arrays import array, columns
from inbox.models.page_conversation import Birth
from inbox.models.page_facts import KnownIdentity


class Faster(Exception):
    """Somebody else stored a post or conversation of this page since its facts were read, or lost rights."""


def is_taken(error: IntegrityError) -> bool:
    """Whether a row of this key is there already."""
    return getattr(error.__cause__, "pgcode", "") == "23505"


_ARRAYS = "%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::boolean[]"
_NEW_IDENTITIES = f"SELECT * FROM inbox_add_authors(%s, %s, {_ARRAYS})"  # noqa: S608  a constant of ours
# The same where somebody may have been faster, for a fifth more. In the order in which everybody adds them.
_MISSING_IDENTITIES = f"""
    WITH born AS (
        INSERT INTO inbox_identity (id, person_id, network, external_id, handle, name, url, avatar_url, followers, bot,
                                    created_at)
        SELECT n, n, %s, external_id, handle, name, url, avatar_url, followers, bot, %s FROM (
            SELECT nextval((SELECT pg_get_serial_sequence('inbox_identity', 'id')::regclass)) AS n, t.* FROM (
                SELECT * FROM unnest({_ARRAYS})
                    AS t(external_id, handle, name, url, avatar_url, followers, bot) ORDER BY external_id) AS t) AS s
        ON CONFLICT (network, external_id) DO UPDATE SET handle = excluded.handle
        RETURNING external_id, id, person_id, name, handle, (xmax = 0) AS fresh
    ), persons AS (
        INSERT INTO inbox_person (id, name, created_at)
        SELECT person_id, coalesce(nullif(name, ''), handle), %s FROM born WHERE fresh
    )
    SELECT external_id, id, fresh FROM born"""  # noqa: S608  constants of ours
_CHANGED_IDENTITIES = """
    WITH locked AS (
        SELECT id, handle, name FROM inbox_identity WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
    ), t AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::boolean[])
            AS t(id, handle, name, url, avatar_url, followers, bot)
    ), renamed AS (
        INSERT INTO inbox_searchdue (kind, row_id) SELECT 5, id FROM locked JOIN t USING (id)
         WHERE (locked.handle, locked.name) <> (t.handle, t.name)
    )
    UPDATE inbox_identity i SET handle = t.handle, name = t.name, url = t.url, avatar_url = t.avatar_url,
           followers = t.followers, bot = t.bot
      FROM locked JOIN t USING (id) WHERE i.id = locked.id"""


def add_identities(
    place: Place, authors: Mapping[str, Any], known: Mapping[str, KnownIdentity]
) -> tuple[dict[str, int], bool]:
    """{author's external id: identity id} of those who were not known, and whether it was we who added them all."""
    missing = sorted((key, *_author_facts(author)) for key, author in authors.items() if key not in known)
    if not missing:
        return {}, True
    if not connection.in_atomic_block:
        try:
            return _add_alone(place, missing), True
        except IntegrityError as error:
            if not is_taken(error):
                raise
    with connection.cursor() as cursor:
        cursor.execute(_MISSING_IDENTITIES, [place.network, place.now, *columns(missing), place.now])
        rows = cursor.fetchall()
    return {key: pk for key, pk, _ in rows}, all(fresh for _, _, fresh in rows)


def _add_alone(place: Place, missing: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """{author's external id: identity id}; all of them are new, or none is there. They need not be on the disk before
    the page is, and its commit puts there whatever was written before it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL synchronous_commit = off;{_NEW_IDENTITIES}",
            [place.network, place.now, *columns(missing)],
        )
        return dict(cursor.fetchall())


def change_identities(authors: Mapping[str, Any], known: Mapping[str, KnownIdentity]) -> None:
    """Writes what is known of an author now; who has not changed is not touched."""
    given = {key: _author_facts(author) for key, author in authors.items() if key in known}
    if changed := sorted((known[key].id, *facts) for key, facts in given.items() if facts != known[key].facts):
        with connection.cursor() as cursor:
            cursor.execute(_CHANGED_IDENTITIES, [array(row[0] for row in changed), *columns(changed)])


def _author_facts(author: Any) -> tuple[Any, ...]:
    return (
        author.handle[:200],
        author.name[:200],
        author.url,
        author.avatar_url,
        author.followers,
        author.bot,
    )


def hold_owners(born: Iterable[Birth]) -> None:
    """Whoever rules give a conversation to keeps the rights to it until the page is stored; Faster when they are gone
    since it was decided. Locked before conversations, as by whoever takes rights away."""
    wanted = {(birth.decision.agent_id, birth.decision.team_id) for birth in born if birth.decision.agent_id}
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.id, m.team_id FROM inbox_agent a JOIN inbox_membership m ON m.agent_id = a.id
                WHERE a.id = ANY(%s::bigint[]) AND a.is_active ORDER BY a.id FOR SHARE OF a""",
            (array(agent for agent, _ in wanted),),
        )
        if wanted - set(cursor.fetchall()):
            raise Faster
