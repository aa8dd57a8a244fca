"""A shift is unique per branch: two tills from one disk each have their own row of it."""

import uuid

from django.db import migrations, models

_FIELDS = (
    "account_id", "id", "branch", "store_id", "register_id", "opened_at", "opened_by", "float",
    "closed_at", "closed_by", "business_day", "z_number", "expected", "counted", "difference",
    "report",
)  # fmt: skip


def copy_shifts(apps, schema_editor):
    columns = ", ".join(f'"{name}"' for name in _FIELDS)
    schema_editor.execute(
        f"INSERT INTO ledger_shift ({columns}) SELECT {columns} FROM ledger_oldshift"
    )


def name_branches(apps, schema_editor):
    """Of cash movements: as their entries say."""
    movements = apps.get_model("ledger", "CashMovement").objects
    entries = apps.get_model("ingest", "Entry").objects.filter(kind="cash_movement")
    for account, entry, branch in entries.values_list("account_id", "entry_id", "branch"):
        try:
            key = uuid.UUID(entry)
        except ValueError:
            continue
        movements.filter(account_id=account, id=key, branch="").update(branch=branch)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial"), ("ingest", "0001_initial")]

    operations = [
        migrations.RemoveIndex("shift", "shift_time"),
        migrations.RenameModel("Shift", "OldShift"),
        migrations.CreateModel(
            name="Shift",
            fields=[
                ("pk", models.CompositePrimaryKey("account_id", "id", "branch", blank=True, editable=False, primary_key=True, serialize=False)),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("branch", models.CharField(max_length=40)),
                ("store_id", models.UUIDField()),
                ("register_id", models.UUIDField()),
                ("opened_at", models.DateTimeField(null=True)),
                ("opened_by", models.CharField(blank=True, max_length=130)),
                ("float", models.BigIntegerField(default=0)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.CharField(blank=True, max_length=130)),
                ("business_day", models.DateField(null=True)),
                ("z_number", models.BigIntegerField(null=True)),
                ("expected", models.BigIntegerField(null=True)),
                ("counted", models.BigIntegerField(null=True)),
                ("difference", models.BigIntegerField(null=True)),
                ("report", models.JSONField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["account_id", "opened_at"], name="shift_time")]},
        ),
        migrations.RunPython(copy_shifts, migrations.RunPython.noop),
        migrations.DeleteModel("OldShift"),
        migrations.AddField("cashmovement", "branch", models.CharField(max_length=40, default=""), preserve_default=False),
        migrations.RunPython(name_branches, migrations.RunPython.noop),
    ]
