from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connectors", "0009_themes_found")]

    operations = [
        migrations.AddField("channel", "removing_since", models.DateTimeField(null=True)),
    ]
