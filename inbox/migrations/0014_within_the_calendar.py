"""Who lived west of Greenwich could set a conversation aside until after the year 9999, which Python cannot read: now it
comes back in two years, for which it may be set aside at most."""

from django.db import migrations

NEARER = """
    UPDATE inbox_conversation SET snoozed_until = now() + interval '2 years'
     WHERE state = 3 AND snoozed_until >= '10000-01-01+00'"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0013_enclosures'),
    ]

    operations = [
        migrations.RunSQL(NEARER, migrations.RunSQL.noop),
    ]
