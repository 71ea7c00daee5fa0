from django.db import migrations, models

from inbox.migrating import BuildIndex


class Migration(migrations.Migration):
    """The table is in use: its indexes are made while it is."""

    atomic = False
    dependencies = [
        ('connectors', '0004_clusters'),
    ]

    operations = [
        BuildIndex(
            model_name='topicmention',
            index=models.Index(fields=['cluster', 'topic', 'posted_at'], name='findings_of_cluster'),
        ),
        BuildIndex(
            model_name='topicmention',
            index=models.Index(condition=models.Q(('cluster', None)), fields=['mention'], name='findings_to_cluster'),
        ),
    ]
