"""The open conversations of a channel in the order in which they began: the way the rounds go that ask networks how
posts stand now."""

from django.db import migrations, models

from inbox.migrating import BuildIndex


class Migration(migrations.Migration):
    atomic = False  # nobody is locked out while it is built
    dependencies = [("inbox", "0008_page")]

    operations = [
        BuildIndex(
            "conversation",
            models.Index(fields=["channel", "id"], name="queue_followed", condition=models.Q(state__lte=2)),
        ),
    ]
