from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table is in use: its indexes are made while it is."""

    atomic = False
    dependencies = [
        ('connectors', '0004_clusters'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='topicmention',
            index=models.Index(fields=['cluster', 'topic', 'posted_at'], name='findings_of_cluster'),
        ),
        AddIndexConcurrently(
            model_name='topicmention',
            index=models.Index(condition=models.Q(('cluster', None)), fields=['mention'], name='findings_to_cluster'),
        ),
    ]
