from django.db import migrations, models


class Migration(migrations.Migration):
    """Whatever waits is due: theirs is empty."""

    dependencies = [("connectors", "0012_listening_first")]

    operations = [
        migrations.AddField("delivery", "not_before", models.DateTimeField(null=True)),
    ]
