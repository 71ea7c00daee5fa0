"""What the set-up's history reads: the few of the admins' events that it tells of, and those of one kind of setting."""

from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from inbox.migrating import BuildIndex

OF_SET_UP = models.Q(stream="admin", happening__in=("set_up_changed", "rights_changed", "joined_team", "left_team"))
ABOUT = Coalesce(KeyTextTransform("kind", "payload"), models.Value("agent"), output_field=models.TextField())
NEWEST = models.F("number").desc()


class Migration(migrations.Migration):
    atomic = False  # the table is in use
    dependencies = [("inbox", "0009_queue_followed")]

    operations = [
        BuildIndex("event", models.Index(NEWEST, name="history", condition=OF_SET_UP)),
        BuildIndex("event", models.Index(ABOUT, NEWEST, name="history_of_kind", condition=OF_SET_UP)),
    ]
