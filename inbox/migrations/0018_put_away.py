"""What was put away, by its state: the few that are spam were looked for among all that is done."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # nobody is locked out while it is built
    dependencies = [("inbox", "0017_resting")]

    operations = [
        AddIndexConcurrently(
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
        RemoveIndexConcurrently("conversation", "queue_put_away"),
    ]
