# The tables as first released; regenerated while nothing is.

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'register_id', 'branch', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('register_id', models.UUIDField()),
                ('branch', models.CharField(max_length=40)),
                ('label', models.CharField(blank=True, max_length=4)),
                ('acked_seq', models.BigIntegerField(default=0)),
                ('acked_hash', models.BinaryField()),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'devices_epoch',
            },
        ),
        migrations.CreateModel(
            name='Register',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=12)),
                ('state', models.CharField(choices=[('new', 'Not activated'), ('active', 'Active'), ('revoked', 'Revoked')], default='new', editable=False, max_length=10)),
                ('license_digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('several_employees', models.BooleanField(default=False, verbose_name='Sign out after each sale')),
                ('unblock', models.UUIDField(editable=False, null=True)),
                ('public_key', models.BinaryField(null=True)),
                ('fingerprint', models.CharField(blank=True, editable=False, max_length=100)),
                ('device_name', models.CharField(blank=True, editable=False, max_length=120)),
                ('activated_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('nonce', models.BinaryField(null=True)),
                ('software', models.CharField(blank=True, editable=False, max_length=40)),
                ('last_seen_at', models.DateTimeField(editable=False, null=True)),
                ('head_epoch', models.CharField(blank=True, editable=False, max_length=32)),
                ('head_seq', models.BigIntegerField(default=0, editable=False)),
                ('unsent_count', models.BigIntegerField(default=0, editable=False)),
                ('unsent_value', models.BigIntegerField(default=0, editable=False)),
                ('unsent_oldest_at', models.DateTimeField(editable=False, null=True)),
                ('receipts_made', models.BigIntegerField(default=0, editable=False)),
                ('shift_open', models.BooleanField(editable=False, null=True)),
                ('clock_offset', models.FloatField(editable=False, null=True)),
                ('cursors', models.JSONField(default=dict, editable=False)),
                ('blocked', models.BooleanField(default=False, editable=False)),
                ('account', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='registers', to='accounts.account')),
                ('store', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='registers', to='accounts.store')),
            ],
            options={
                'ordering': ['store__code', 'name'],
                'constraints': [models.UniqueConstraint(fields=('store', 'name'), name='register_name')],
            },
        ),
    ]
