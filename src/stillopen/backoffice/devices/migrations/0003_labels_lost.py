from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_lineage")]

    operations = [
        migrations.AddField(
            "register",
            "labels_lost",
            models.BooleanField(default=False, db_default=False, editable=False),
        ),
    ]
