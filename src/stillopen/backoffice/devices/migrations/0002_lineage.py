from django.db import migrations, models
from django.db.models import F


def name_epochs(apps, schema_editor):
    apps.get_model("devices", "Epoch").objects.update(epoch=F("branch"))


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]

    operations = [
        migrations.AddField("epoch", "epoch", models.CharField(max_length=32, default=""), preserve_default=False),
        migrations.AddField("epoch", "parent", models.CharField(max_length=40, blank=True, default=""), preserve_default=False),
        migrations.AddField("epoch", "base_seq", models.BigIntegerField(default=0)),
        migrations.AlterField("epoch", "label", models.CharField(max_length=8, blank=True)),
        migrations.RunPython(name_epochs, migrations.RunPython.noop),
        migrations.CreateModel(
            name="FormerDevice",
            fields=[
                ("pk", models.CompositePrimaryKey("account_id", "register_id", "public_key", blank=True, editable=False, primary_key=True, serialize=False)),
                ("account_id", models.UUIDField()),
                ("register_id", models.UUIDField()),
                ("public_key", models.BinaryField(max_length=32)),
                ("name", models.CharField(max_length=120, blank=True)),
                ("nonce", models.BinaryField(null=True)),
                ("replaced_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
