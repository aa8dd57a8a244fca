from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_labels_lost")]

    operations = [
        migrations.AddField(
            "register",
            "yellow_after",
            models.FloatField("Show Reconnecting after", blank=True, null=True),
        ),
        migrations.AddField(
            "register",
            "red_after",
            models.FloatField("Show Offline after", blank=True, null=True),
        ),
        migrations.AddField(
            "register",
            "probe_every",
            models.FloatField("Try a lost line every", blank=True, null=True),
        ),
    ]
