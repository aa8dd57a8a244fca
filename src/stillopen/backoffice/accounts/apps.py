from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "stillopen.backoffice.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
