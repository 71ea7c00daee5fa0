from django.db import migrations, models

GONE = "DROP INDEX CONCURRENTLY IF EXISTS one_delivery_per_proof"
MADE = """
    CREATE UNIQUE INDEX CONCURRENTLY one_delivery_per_proof ON connectors_delivery (channel_id, proof)
        WHERE proof <> ''"""


class Migration(migrations.Migration):
    """The table is in use: what makes a signature count once is made while it is."""

    atomic = False
    dependencies = [
        ('connectors', '0014_proof'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            # What an interrupted run left behind holds nobody to anything.
            [migrations.RunSQL([GONE, MADE], GONE)],
            [
                migrations.AddConstraint(
                    model_name='delivery',
                    constraint=models.UniqueConstraint(
                        condition=models.Q(('proof', ''), _negated=True),
                        fields=('channel', 'proof'),
                        name='one_delivery_per_proof',
                    ),
                ),
            ],
        ),
    ]
