from django.apps import AppConfig


class AdministrationConfig(AppConfig):
    name = "stillopen.backoffice.administration"
    label = "administration"
