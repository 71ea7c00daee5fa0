"""What a page of posts asks first, as functions of the database that are planned once a connection: most pages bring
few posts, and planning these three took longer than running them."""

from django.db import migrations

BY = "LANGUAGE plpgsql {} SET plan_cache_mode = force_generic_plan"

KNOWN = f"""
    CREATE FUNCTION inbox_known(of_channel bigint, ids text[])
        RETURNS TABLE (post text, mention bigint, conversation bigint, thread text, identity bigint, team bigint,
                       says text, stands text, edited timestamptz, inbound boolean, seen text, allows jsonb, sort text)
        {BY.format("STABLE")} AS $$
    BEGIN
        RETURN QUERY
        SELECT m.external_id::text, m.id, c.id, c.thread_key::text, c.identity_id, c.team_id, m.version::text,
               m.state::text, m.edited_at, NOT m.ours, m.visibility::text, m.grants, m.kind::text
          FROM inbox_mention m JOIN inbox_conversation c ON c.id = m.conversation_id
         WHERE m.channel_id = of_channel AND m.external_id = ANY(ids)
        UNION ALL
        SELECT r.external_id::text, NULL, c.id, c.thread_key::text, c.identity_id, c.team_id, '', 'live', NULL, false,
               '', '{{}}'::jsonb, ''
          FROM inbox_reply r JOIN inbox_conversation c ON c.id = r.conversation_id
         WHERE r.channel_id = of_channel AND r.external_id = ANY(ids);
    END $$"""

HOLD_REPLIES = f"""
    CREATE FUNCTION inbox_hold_replies(conversations bigint[], why text)
        RETURNS TABLE (conversation bigint, reply bigint) {BY.format("")} AS $$
    BEGIN
        RETURN QUERY
        UPDATE inbox_reply r SET state = 'held', reason = why
          FROM (SELECT w.id FROM inbox_reply w WHERE w.conversation_id = ANY(conversations) AND w.state = 'queued'
                ORDER BY w.id FOR UPDATE) AS waiting
         WHERE r.id = waiting.id RETURNING r.conversation_id, r.id;
    END $$"""

RESERVE = f"""
    CREATE FUNCTION inbox_reserve(conversations int, mentions int, OUT threads bigint[], OUT posts bigint[])
        {BY.format("")} AS $$
    DECLARE
        of_threads regclass := pg_get_serial_sequence('inbox_conversation', 'id');
        of_posts regclass := pg_get_serial_sequence('inbox_mention', 'id');
    BEGIN
        threads := ARRAY(SELECT nextval(of_threads) FROM generate_series(1, conversations));
        posts := ARRAY(SELECT nextval(of_posts) FROM generate_series(1, mentions));
        INSERT INTO inbox_searchdue (kind, row_id) SELECT 1, unnest(posts);
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0007_deal'),
    ]

    operations = [
        migrations.RunSQL(KNOWN, "DROP FUNCTION inbox_known"),
        migrations.RunSQL(HOLD_REPLIES, "DROP FUNCTION inbox_hold_replies"),
        migrations.RunSQL(RESERVE, "DROP FUNCTION inbox_reserve"),
    ]
