"""Numbers of conversations and posts stand in addresses, and people of several teams see some of each: what was missing
between two of them was what the other teams got. Now up to six numbers are left out at random before each."""

from django.db import migrations

RESERVE = """
    CREATE OR REPLACE FUNCTION inbox_reserve(conversations int, mentions int, OUT threads bigint[], OUT posts bigint[])
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        of_threads regclass := pg_get_serial_sequence('inbox_conversation', 'id');
        of_posts regclass := pg_get_serial_sequence('inbox_mention', 'id');
    BEGIN
        threads := ARRAY(SELECT max(nextval(of_threads)) FROM generate_series(1, conversations) AS one,
                                generate_series(0, floor(random() * 7 + 0 * one)::int) GROUP BY one ORDER BY one);
        posts := ARRAY(SELECT max(nextval(of_posts)) FROM generate_series(1, mentions) AS one,
                              generate_series(0, floor(random() * 7 + 0 * one)::int) GROUP BY one ORDER BY one);
        INSERT INTO inbox_searchdue (kind, row_id) SELECT 1, unnest(posts);
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0014_within_the_calendar'),
    ]

    operations = [
        migrations.RunSQL(RESERVE, migrations.RunSQL.noop),
    ]
