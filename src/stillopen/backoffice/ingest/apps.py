from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "stillopen.backoffice.ingest"
    label = "ingest"
    default_auto_field = "django.db.models.BigAutoField"
