from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "stillopen.backoffice.accounts"
    label = "accounts"
    verbose_name = "People and set-up"
    default_auto_field = "django.db.models.BigAutoField"
