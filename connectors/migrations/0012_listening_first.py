from django.db import migrations, models


class Migration(migrations.Migration):
    """Channels that are there already may answer as they did: theirs is empty."""

    dependencies = [("connectors", "0011_following")]

    operations = [
        migrations.AddField("channel", "listens_until", models.DateTimeField(null=True)),
    ]
