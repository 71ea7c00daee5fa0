"""More of what a page of posts asks, as functions of the database that are planned once a connection: to read and plan
these four took longer than to run them where a page is one post, as deliveries are."""

from django.db import migrations

PLANNED = "LANGUAGE plpgsql {} SET plan_cache_mode = force_generic_plan"

AUTHORS = f"""
    CREATE FUNCTION inbox_authors(of_network text, ids text[])
        RETURNS TABLE (author text, identity bigint, handle text, name text, url text, avatar_url text,
                       followers bigint, bot boolean) {PLANNED.format("STABLE")} AS $$
    BEGIN
        RETURN QUERY
        SELECT i.external_id::text, i.id, i.handle::text, i.name::text, i.url::text, i.avatar_url::text, i.followers,
               i.bot
          FROM inbox_identity i WHERE i.network = of_network AND i.external_id = ANY(ids);
    END $$"""

THREADS = f"""
    CREATE FUNCTION inbox_threads(threads text[], identities bigint[])
        RETURNS TABLE (thread text, identity bigint, conversation bigint) {PLANNED.format("STABLE")} AS $$
    BEGIN
        RETURN QUERY
        SELECT c.thread_key::text, c.identity_id, c.id FROM inbox_conversation c
         WHERE c.thread_key = ANY(threads) AND c.identity_id = ANY(identities);
    END $$"""

# In the order in which everybody adds them.
ADD_AUTHORS = f"""
    CREATE FUNCTION inbox_add_authors(of_network text, at timestamptz, ids text[], handles text[], names text[],
            urls text[], avatars text[], followings bigint[], bots boolean[])
        RETURNS TABLE (author text, identity bigint) {PLANNED.format("")} AS $$
    DECLARE
        numbers CONSTANT regclass := pg_get_serial_sequence('inbox_identity', 'id');
    BEGIN
        RETURN QUERY
        WITH given AS MATERIALIZED (
            SELECT nextval(numbers) AS n, t.* FROM (
                SELECT * FROM unnest(ids, handles, names, urls, avatars, followings, bots)
                    AS u(external_id, handle, name, url, avatar_url, followers, bot) ORDER BY u.external_id) AS t),
        persons AS (
            INSERT INTO inbox_person (id, name, created_at)
            SELECT g.n, coalesce(nullif(g.name, ''), g.handle), at FROM given g),
        born AS (
            INSERT INTO inbox_identity
                (id, person_id, network, external_id, handle, name, url, avatar_url, followers, bot, created_at)
            SELECT g.n, g.n, of_network, g.external_id, g.handle, g.name, g.url, g.avatar_url, g.followers, g.bot, at
              FROM given g)
        SELECT g.external_id, g.n FROM given g;
    END $$"""

# The counters before the numbers, because both are locked in this order everywhere.
NUMBERS = f"""
    CREATE FUNCTION inbox_numbers(scopes text[], states smallint[], changes bigint[], streams text[], steps bigint[])
        RETURNS TABLE (stream text, newest bigint) {PLANNED.format("")} AS $$
    BEGIN
        INSERT INTO inbox_tally (scope, state, n)
        SELECT t.scope, t.state, t.n FROM unnest(scopes, states, changes) AS t(scope, state, n) ORDER BY 1, 2
        ON CONFLICT (scope, state) DO UPDATE SET n = inbox_tally.n + excluded.n;
        RETURN QUERY
        INSERT INTO inbox_stream (key, n) SELECT t.key, t.k FROM unnest(streams, steps) AS t(key, k) ORDER BY t.key
        ON CONFLICT (key) DO UPDATE SET n = inbox_stream.n + excluded.n RETURNING inbox_stream.key::text, inbox_stream.n;
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0018_put_away'),
    ]

    operations = [
        migrations.RunSQL(AUTHORS, "DROP FUNCTION inbox_authors"),
        migrations.RunSQL(THREADS, "DROP FUNCTION inbox_threads"),
        migrations.RunSQL(ADD_AUTHORS, "DROP FUNCTION inbox_add_authors"),
        migrations.RunSQL(NUMBERS, "DROP FUNCTION inbox_numbers"),
    ]
