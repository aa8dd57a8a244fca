# The digests of what was published before there were any.

from collections import defaultdict
from uuid import UUID

from django.db import migrations, models

from stillopen.sync.digest import add, row_digest, to_bytes


def compute(apps, schema_editor):
    published = apps.get_model("feed", "Published").objects.filter(deleted=False)
    accounts: dict[UUID, dict[tuple[str, str], int]] = defaultdict(dict)
    rows = published.values_list("account_id", "scope", "kind", "record", "payload")
    for account, scope, kind, record, payload in rows.iterator(chunk_size=2000):
        value = row_digest(kind, str(UUID(str(record))), bytes(payload))
        add(accounts[account], (scope, kind), value)
    model = apps.get_model("feed", "Digest")
    model.objects.bulk_create(
        [
            model(account_id=account, scope=scope, kind=kind, sum=to_bytes(value))
            for account, sums in accounts.items()
            for (scope, kind), value in sums.items()
        ],
        batch_size=1000,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('feed', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Digest',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'scope', 'kind', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.UUIDField()),
                ('scope', models.CharField(max_length=60)),
                ('kind', models.CharField(max_length=30)),
                ('sum', models.BinaryField()),
            ],
        ),
        migrations.RunPython(compute, migrations.RunPython.noop),
    ]
