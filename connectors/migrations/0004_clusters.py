import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0003_looking_back'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cluster',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('words', models.TextField(blank=True)),
                ('newest_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['newest_at'], name='clusters_by_time')],
            },
        ),
        migrations.CreateModel(
            name='ClusterKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.BigIntegerField()),
                ('cluster', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='connectors.cluster')),
            ],
            options={
                'indexes': [models.Index(fields=['key'], name='cluster_keys')],
            },
        ),
        migrations.AddField(
            model_name='topicmention',
            name='cluster',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='found', to='connectors.cluster'),
        ),
    ]
