import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import BtreeGinExtension
from django.db import migrations, models

KINDS = [(1, 'Message'), (2, 'Reply'), (3, 'Note'), (4, 'All of a conversation'), (5, 'All of an author')]


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0003_attachments'),
    ]

    operations = [
        # A trusted extension: the owner of the database may make it.
        BtreeGinExtension(),
        migrations.CreateModel(
            name='SearchDue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.BigIntegerField(choices=KINDS)),
                ('row_id', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='SearchFill',
            fields=[
                ('kind', models.BigIntegerField(choices=KINDS, primary_key=True, serialize=False)),
                ('below', models.BigIntegerField(default=9223372036854775807)),
            ],
        ),
        migrations.CreateModel(
            name='SearchText',
            fields=[
                ('pk', models.CompositePrimaryKey('kind', 'row_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('kind', models.BigIntegerField(choices=KINDS)),
                ('row_id', models.BigIntegerField()),
                ('conversation_id', models.BigIntegerField()),
                ('team_id', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('words', django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                'indexes': [
                    django.contrib.postgres.indexes.GinIndex(fastupdate=False, fields=['team_id', 'words'], name='search_words'),
                    models.Index(models.OrderBy(models.F('at'), descending=True), models.OrderBy(models.F('kind'), descending=True), models.OrderBy(models.F('row_id'), descending=True), name='search_newest'),
                ],
            },
        ),
        # What is stored already is taken up afterwards, piece by piece, by whoever works off what is due.
        migrations.RunSQL(
            "INSERT INTO inbox_searchfill (kind, below) VALUES (1, 9223372036854775807), (2, 9223372036854775807), (3, 9223372036854775807)",
            migrations.RunSQL.noop,
        ),
    ]
