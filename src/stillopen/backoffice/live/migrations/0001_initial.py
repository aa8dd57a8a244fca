
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Figures',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'store_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('store_id', models.UUIDField()),
                ('included', models.TextField()),
                ('left_out', models.TextField()),
                ('as_of', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'register_id', 'branch', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('register_id', models.UUIDField()),
                ('branch', models.CharField(max_length=40)),
                ('through', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Pending',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'register_id', 'branch', 'entry_seq', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('register_id', models.UUIDField()),
                ('branch', models.CharField(max_length=40)),
                ('entry_seq', models.BigIntegerField()),
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
                ('published_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['published_at'], name='live_publication_age')],
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'register_id', 'branch', 'entry_seq', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('register_id', models.UUIDField()),
                ('branch', models.CharField(max_length=40)),
                ('entry_seq', models.BigIntegerField()),
                ('store_id', models.UUIDField()),
                ('seq', models.BigIntegerField()),
                ('occurred_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['account_id', 'store_id', 'seq'], name='live_receipt_feed'), models.Index(fields=['occurred_at'], name='live_receipt_age')],
            },
        ),
        migrations.CreateModel(
            name='Stock',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'store_id', 'product_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('store_id', models.UUIDField()),
                ('product_id', models.CharField(max_length=40)),
                ('seq', models.BigIntegerField()),
                ('quantity', models.DecimalField(decimal_places=3, max_digits=16)),
            ],
            options={
                'indexes': [models.Index(fields=['account_id', 'store_id', 'seq'], name='live_stock_feed')],
            },
        ),
    ]
