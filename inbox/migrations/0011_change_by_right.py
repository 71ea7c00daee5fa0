"""Every verb again (see 0005), and now under the row's lock: who gets a conversation still works in its team, and tags
are as whoever changes them read them."""

from django.db import migrations

CHANGE = """
    CREATE OR REPLACE FUNCTION inbox_change(pk bigint, expected jsonb, wanted jsonb, actor bigint, at timestamptz,
        happenings text[], payloads jsonb, OUT seq bigint, OUT moved boolean, OUT numbers jsonb)
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        old inbox_conversation;
        new inbox_conversation;
        steps int := cardinality(happenings);
        given boolean;
        owner inbox_agent;
    BEGIN
        -- Who gets it is locked first, as by whoever takes rights away: either the rights are gone by now, or what is
        -- given here is handed back there.
        IF wanted->>'agent_id' IS NOT NULL THEN
            SELECT * INTO owner FROM inbox_agent a WHERE a.id = (wanted->>'agent_id')::bigint AND a.is_active FOR SHARE;
            IF NOT FOUND THEN
                RETURN;
            END IF;
        END IF;
        SELECT * INTO old FROM inbox_conversation c WHERE c.id = pk
           AND (NOT expected ? 'team_id' OR c.team_id = (expected->>'team_id')::bigint)
           AND (NOT expected ? 'agent_id' OR c.agent_id IS NOT DISTINCT FROM (expected->>'agent_id')::bigint)
           AND (NOT expected ? 'state' OR expected->'state' @> to_jsonb(c.state))
           AND (NOT expected ? 'snoozed_until'
                OR c.snoozed_until IS NOT DISTINCT FROM (expected->>'snoozed_until')::timestamptz)
           AND (NOT expected ? 'tags' OR to_jsonb(c.tags) = expected->'tags')
           FOR UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        new := jsonb_populate_record(old, wanted);
        seq := old.seen_seq + steps;
        moved := new.team_id <> old.team_id;
        given := new.agent_id IS DISTINCT FROM old.agent_id;
        IF given AND new.agent_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM inbox_membership m WHERE m.agent_id = new.agent_id AND m.team_id = new.team_id)
           AND NOT (owner.is_admin AND EXISTS (SELECT 1 FROM inbox_team t WHERE t.id = new.team_id AND NOT t.private))
        THEN
            seq := NULL;
            RETURN;
        END IF;
        UPDATE inbox_conversation SET team_id = new.team_id, agent_id = new.agent_id, state = new.state,
               priority = new.priority, rank = new.rank, tags = new.tags, snoozed_until = new.snoozed_until,
               trouble = new.trouble, closed_at = new.closed_at, waiting_since = new.waiting_since,
               inbound_seq = new.inbound_seq, seen_seq = seq
         WHERE id = pk;
        IF moved THEN
            INSERT INTO inbox_searchdue (kind, row_id) VALUES (4, pk);
        END IF;
        IF moved OR given OR new.state <> old.state THEN
            INSERT INTO inbox_tally (scope, state, n) SELECT scope, state, sum(step) FROM (VALUES
                ('team:' || old.team_id, old.state, -1),
                (coalesce('agent:' || old.agent_id, 'team:' || old.team_id || ':free'), old.state, -1),
                ('team:' || new.team_id, new.state, 1),
                (coalesce('agent:' || new.agent_id, 'team:' || new.team_id || ':free'), new.state, 1)
                ) AS steps(scope, state, step)
             GROUP BY scope, state HAVING sum(step) <> 0 ORDER BY scope, state
            ON CONFLICT (scope, state) DO UPDATE SET n = inbox_tally.n + excluded.n;
        END IF;
        -- Home is the team that has it now; the team that had it hears it too, and an agent who was given it by
        -- somebody else.
        WITH told AS (
            SELECT stream, place FROM (VALUES
                ('team:' || new.team_id, 0), ('team:' || old.team_id, 1), ('agent:' || new.agent_id, 2)
                ) AS streams(stream, place)
             WHERE place = 0 OR place = 1 AND moved
                OR place = 2 AND given AND new.agent_id IS NOT NULL AND new.agent_id IS DISTINCT FROM actor),
        raised AS (
            INSERT INTO inbox_stream (key, n) SELECT stream, steps FROM told ORDER BY stream
            ON CONFLICT (key) DO UPDATE SET n = inbox_stream.n + excluded.n RETURNING key, n),
        stored AS (
            INSERT INTO inbox_event (stream, number, happening, conversation_id, seq, actor_id, at, payload, echo)
            SELECT stream, raised.n - steps + step, happening, pk, inbox_change.seq - steps + step, actor,
                   inbox_change.at, payload, place > 0
              FROM told JOIN raised ON key = stream CROSS JOIN
                   ROWS FROM (unnest(happenings), jsonb_array_elements(payloads)) WITH ORDINALITY
                   AS t(happening, payload, step)
             ORDER BY step, place)
        SELECT jsonb_object_agg(key, n) INTO numbers FROM raised;
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0010_history'),
    ]

    operations = [
        migrations.RunSQL(CHANGE, migrations.RunSQL.noop),
    ]
