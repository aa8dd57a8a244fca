from django.db import migrations


class Migration(migrations.Migration):
    """Nobody asks for the movements of a product, and each sale paid for it in as many places of the file."""

    dependencies = [
        ("stock", "0002_dirty"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="movement", name="movement_product"),
    ]
