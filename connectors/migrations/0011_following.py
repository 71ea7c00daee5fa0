from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("connectors", "0010_removing")]

    operations = [
        migrations.AddField(
            "channel", "following", models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
        ),
    ]
