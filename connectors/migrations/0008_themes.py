import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

COLOURS = [
    ('blue', 'Blue'), ('teal', 'Teal'), ('amber', 'Amber'), ('pink', 'Pink'), ('green', 'Green'), ('violet', 'Violet'), ('red', 'Red'), ('grey', 'Grey'),
]


class Migration(migrations.Migration):
    """What was found before stands as sorted, because there was nothing to sort it by; what programs of before this
    store while they run beside it does not."""

    dependencies = [
        ('connectors', '0007_rival_answers'),
        ('inbox', '0003_search'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Theme',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField()),
                ('query', models.TextField()),
                ('colour', models.TextField(choices=COLOURS, default='blue')),
                ('version', models.BigIntegerField(default=0)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('topic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='themes', to='connectors.topic')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('topic', 'name'), name='one_theme_of_a_name_per_topic')],
            },
        ),
        migrations.CreateModel(
            name='Exclusion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.TextField()),
                ('text', models.TextField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('topic', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='exclusions', to='connectors.topic')),
            ],
            options={
                'ordering': ['kind', 'text'],
                'constraints': [models.UniqueConstraint(fields=('topic', 'kind', 'text'), name='one_exclusion_of_a_text', nulls_distinct=False)],
            },
        ),
        migrations.AddField('topic', 'sort_version', models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField('topic', 'sort_at', models.DateTimeField(null=True)),
        migrations.AddField('topic', 'sort_below', models.BigIntegerField(null=True)),
        migrations.AddField('topic', 'sort_done', models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField('topic', 'sort_whole', models.BigIntegerField(null=True)),
        migrations.AddField(
            'topicmention', 'themes', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), db_default=[], default=list),
        ),
        migrations.AddField(
            'topicmention',
            'hidden_by',
            models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='hidden', to='connectors.exclusion'),
        ),
        migrations.AddField('topicmention', 'restored', models.BooleanField(db_default=False, default=False)),
        migrations.AddField('topicmention', 'read', models.TextField(db_default='', default='')),
        migrations.AddField('topicmention', 'is_sorted', models.BooleanField(db_default=True, default=False)),
        migrations.AlterField('topicmention', 'is_sorted', models.BooleanField(db_default=False, default=False)),
    ]
