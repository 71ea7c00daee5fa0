"""The top of the queue given to whoever asks, as one function of the database: found, locked and changed without an
answer in between, and planned once a connection."""

from django.db import migrations

DEAL = """
    CREATE FUNCTION inbox_deal(teams bigint[], actor bigint, at timestamptz, happenings text[], payloads jsonb,
        OUT pk bigint, OUT seq bigint, OUT numbers jsonb)
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        team bigint;
    BEGIN
        -- The top of each team is found by its index; `team_id = ANY` with an order would sort all that waits.
        SELECT top.id, top.team_id INTO pk, team FROM unnest(teams) AS t(team) CROSS JOIN LATERAL (
            SELECT c.id, c.team_id, c.rank, c.waiting_since FROM inbox_conversation c
             WHERE c.team_id = t.team AND c.state = 0 AND c.agent_id IS NULL
             ORDER BY c.rank, c.waiting_since, c.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS top
         ORDER BY top.rank, top.waiting_since, top.id LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT changed.seq, changed.numbers INTO seq, numbers FROM inbox_change(
            pk, jsonb_build_object('team_id', team, 'agent_id', NULL), jsonb_build_object('agent_id', actor), actor,
            at, happenings, payloads) AS changed;
        IF seq IS NULL THEN
            pk := NULL;
        END IF;
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0006_standing'),
    ]

    operations = [
        migrations.RunSQL(DEAL, "DROP FUNCTION inbox_deal"),
    ]
