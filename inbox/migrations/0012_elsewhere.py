"""Whom the author of a reply agreed that it goes to, where that is not who seems to have written."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0011_change_by_right'),
    ]

    operations = [
        migrations.AddField(
            model_name='reply',
            name='elsewhere',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
    ]
