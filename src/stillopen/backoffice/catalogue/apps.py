from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "stillopen.backoffice.catalogue"
    label = "catalogue"
    default_auto_field = "django.db.models.BigAutoField"
