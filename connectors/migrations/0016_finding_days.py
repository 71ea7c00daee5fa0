import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """What topics found, counted by the day, and the days in which something changed since."""

    dependencies = [
        ('connectors', '0015_proof_once'),
    ]

    operations = [
        migrations.CreateModel(
            name='FindingDue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic_id', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('noted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('waits_for', models.BigIntegerField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['topic_id', 'at'], name='findings_due')],
            },
        ),
        migrations.CreateModel(
            name='FindingDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('counts', models.JSONField()),
                ('topic', models.ForeignKey(
                    db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+',
                    to='connectors.topic',
                )),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('topic', 'since'), name='one_count_per_day')],
            },
        ),
    ]
