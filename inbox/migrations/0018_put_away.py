"""What was put away, by its state: the few that are spam were looked for among all that is done."""

from django.db import migrations, models

from inbox.migrating import BuildIndex


class Migration(migrations.Migration):
    atomic = False  # nobody is locked out while it is built
    dependencies = [("inbox", "0017_resting")]

    operations = [
        BuildIndex(
            "conversation",
            models.Index(
                models.F("team"),
                models.F("state"),
                models.F("newest_at").desc(),
                models.F("id").desc(),
                name="queue_by_state",
                condition=models.Q(state__gt=2),
            ),
        ),
    ]
