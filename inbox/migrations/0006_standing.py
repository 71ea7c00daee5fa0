"""Counters and where streams stand, as a function of the database that is planned once a connection: every open page
asks for them after every bell, and planning took twice as long as reading. Each counter is `scope/state/n`: one list of
texts costs less than a row for each."""

from django.db import migrations

STANDING = """
    CREATE FUNCTION inbox_standing(scopes text[], most int, streams text[], failed bigint[]) RETURNS text[]
        LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        told text[] := ARRAY(SELECT t.scope || '/' || t.state || '/' || t.n FROM inbox_tally t
                              WHERE t.scope = ANY(scopes) AND t.state <= most);
    BEGIN
        IF cardinality(streams) > 0 THEN
            told := told || ARRAY(SELECT s.key || '/-1/' || s.n FROM inbox_stream s WHERE s.key = ANY(streams));
        END IF;
        IF cardinality(failed) > 0 THEN
            told := told || ARRAY(SELECT 'failed/' || c.team_id || '/' || count(*) FROM inbox_conversation c
                                   WHERE c.trouble <> '' AND c.team_id = ANY(failed) GROUP BY c.team_id);
        END IF;
        RETURN told;
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0005_change'),
    ]

    operations = [
        migrations.RunSQL(STANDING, "DROP FUNCTION inbox_standing"),
    ]
