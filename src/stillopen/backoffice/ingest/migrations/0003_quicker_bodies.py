from django.db import DatabaseError, migrations, transaction


def compress_with_lz4(apps, schema_editor):
    """PostgreSQL compresses what is longer than 2 KB, a sale's bytes; with lz4 in a fraction of the time."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic():
            schema_editor.execute("ALTER TABLE ingest_entry ALTER COLUMN body SET COMPRESSION lz4")
    except DatabaseError:  # a server that was built without it, or is older than 14
        pass


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0002_decisions"),
    ]

    operations = [
        migrations.RunPython(compress_with_lz4, migrations.RunPython.noop),
    ]
