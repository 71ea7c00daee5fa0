import django.db.models.deletion
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the share of voice needs to know of each post, day by day."""

    dependencies = [
        ('connectors', '0018_revisit'),
    ]

    operations = [
        migrations.CreateModel(
            name='FindingPosts',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('teams', ArrayField(base_field=models.BigIntegerField())),
                ('mentions', ArrayField(base_field=models.BigIntegerField())),
                ('stories', ArrayField(base_field=models.BigIntegerField())),
                ('followers', ArrayField(base_field=models.BigIntegerField(null=True))),
                ('times', ArrayField(base_field=models.DateTimeField())),
                ('topic', models.ForeignKey(
                    db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+',
                    to='connectors.topic',
                )),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('topic', 'since'), name='posts_of_a_day_once')],
            },
        ),
    ]
