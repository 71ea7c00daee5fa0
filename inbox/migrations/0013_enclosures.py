"""Our own copies of films, sounds and files. Their bytes are kept as they are: they do not get smaller, and of what is
not compressed a player can be given a piece."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

STATES = [("due", "Wanted"), ("fetching", "Being fetched"), ("ready", "Ready"), ("refused", "Cannot be shown")]


class Migration(migrations.Migration):
    dependencies = [("inbox", "0012_elsewhere")]

    operations = [
        migrations.CreateModel(
            name="Enclosure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.TextField(db_default="", default="")),
                ("state", models.TextField(choices=STATES, default="due")),
                ("body", models.BinaryField(default=b"")),
                ("tries", models.IntegerField(default=0)),
                ("not_before", models.DateTimeField(default=django.utils.timezone.now)),
                ("lease_until", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True)),
                ("place", models.IntegerField()),
                ("type", models.TextField(blank=True)),
                ("wanted_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "mention",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="enclosures",
                        to="inbox.mention",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["not_before"],
                        name="enclosures_due",
                        condition=models.Q(state__in=["due", "fetching"]),
                    ),
                    models.Index(fields=["wanted_at"], name="enclosures_old"),
                ],
                "constraints": [models.UniqueConstraint(fields=["mention", "place"], name="one_enclosure_per_place")],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE inbox_enclosure ALTER COLUMN body SET STORAGE EXTERNAL",
            "ALTER TABLE inbox_enclosure ALTER COLUMN body SET STORAGE EXTENDED",
        ),
    ]
