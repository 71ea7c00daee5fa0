"""A file that could not be fetched for now rests, and is asked for again when somebody looks. Nothing of the tables
changes."""

from django.db import migrations, models

STATES = [
    ("due", "Wanted"),
    ("fetching", "Being fetched"),
    ("ready", "Ready"),
    ("resting", "Not to be had at the moment"),
    ("refused", "Cannot be shown"),
]


class Migration(migrations.Migration):
    dependencies = [("inbox", "0016_reserve_in_loops")]

    operations = [
        migrations.AlterField("enclosure", "state", models.TextField(choices=STATES, default="due")),
        migrations.AlterField("picture", "state", models.CharField(choices=STATES, default="due", max_length=8)),
    ]
