"""The same numbers as before with up to six left out at random before each, drawn in loops: of what a page took, the
server spent a twentieth on grouping them."""

from django.db import migrations

RESERVE = """
    CREATE OR REPLACE FUNCTION inbox_reserve(conversations int, mentions int, OUT threads bigint[], OUT posts bigint[])
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        of_threads CONSTANT regclass := pg_get_serial_sequence('inbox_conversation', 'id');
        of_posts CONSTANT regclass := pg_get_serial_sequence('inbox_mention', 'id');
        left_out bigint;
    BEGIN
        threads := '{}';
        posts := '{}';
        FOR one IN 1..conversations LOOP
            FOR another IN 1..floor(random() * 7)::int LOOP
                left_out := nextval(of_threads);
            END LOOP;
            threads := threads || nextval(of_threads);
        END LOOP;
        FOR one IN 1..mentions LOOP
            FOR another IN 1..floor(random() * 7)::int LOOP
                left_out := nextval(of_posts);
            END LOOP;
            posts := posts || nextval(of_posts);
        END LOOP;
        INSERT INTO inbox_searchdue (kind, row_id) SELECT 1, unnest(posts);
    END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0015_reserve_with_gaps'),
    ]

    operations = [
        migrations.RunSQL(RESERVE, migrations.RunSQL.noop),
    ]
