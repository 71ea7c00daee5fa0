from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from inbox.migrating import BuildIndex


class Migration(migrations.Migration):
    """The tables are in use: their indexes are made while they are."""

    atomic = False
    dependencies = [
        ('connectors', '0008_themes'),
    ]

    operations = [
        BuildIndex(
            model_name='topic',
            index=models.Index(condition=models.Q(('sort_at__isnull', False)), fields=['sort_at'], name='topics_to_sort'),
        ),
        BuildIndex(
            model_name='topicmention',
            index=models.Index(condition=models.Q(('is_sorted', False)), fields=['topic', 'mention'], name='findings_to_sort'),
        ),
        BuildIndex(
            model_name='topicmention',
            index=models.Index(condition=models.Q(('hidden_by__isnull', False)), fields=['hidden_by', '-posted_at'], name='hidden_findings'),
        ),
        BuildIndex(
            model_name='topicmention',
            index=GinIndex(condition=models.Q(('themes', []), _negated=True), fields=['themes'], name='findings_of_theme'),
        ),
    ]
