# The tables as first released; regenerated while nothing is.

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Head',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'scope', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('scope', models.CharField(max_length=60)),
                ('seq', models.BigIntegerField(default=0)),
                ('chain', models.BinaryField()),
                ('publications', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Publication',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'scope', 'seq', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('scope', models.CharField(max_length=60)),
                ('seq', models.BigIntegerField()),
                ('chain', models.BinaryField()),
                ('records', models.IntegerField()),
                ('published_at', models.DateTimeField()),
                ('published_by', models.CharField(blank=True, max_length=150)),
                ('number', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Pulse',
            fields=[
                ('account_id', models.UUIDField(primary_key=True, serialize=False)),
                ('count', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='ServerEpoch',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('epoch', models.CharField(max_length=40)),
            ],
        ),
        migrations.CreateModel(
            name='Published',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'scope', 'kind', 'record', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('scope', models.CharField(max_length=60)),
                ('kind', models.CharField(max_length=30)),
                ('record', models.UUIDField()),
                ('seq', models.BigIntegerField()),
                ('version', models.IntegerField(default=1)),
                ('payload', models.BinaryField()),
                ('deleted', models.BooleanField(default=False)),
                ('published_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['account_id', 'scope', 'seq'], name='published_feed'), models.Index(condition=models.Q(('deleted', True)), fields=['account_id', 'scope', 'seq'], name='published_tombstone')],
            },
        ),
    ]
