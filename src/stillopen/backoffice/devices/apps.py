from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "stillopen.backoffice.devices"
    label = "devices"
    verbose_name = "Set-up"
    default_auto_field = "django.db.models.BigAutoField"
