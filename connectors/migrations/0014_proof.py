from django.db import migrations, models


class Migration(migrations.Migration):
    """A signature that does not cover the name of its delivery is kept beside it."""

    dependencies = [
        ('connectors', '0013_deliveries_wait'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='proof',
            field=models.TextField(db_default='', default=''),
        ),
    ]
