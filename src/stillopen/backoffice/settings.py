"""Django settings. The database and the secret come from the environment, see backoffice/home.py."""

import os
from pathlib import Path

from stillopen.backoffice.home import database_settings, secret_key, state_folder

_dir = os.environ.get("STILLOPEN_DIR", "")
DIR = Path(_dir) if _dir else None
#: What must survive a restored database lies here; None: nowhere.
STATE_DIR = state_folder(DIR, os.environ.get("STILLOPEN_DATABASE_URL", ""))
SECRET_KEY = secret_key(DIR)
DEBUG = False
ALLOWED_HOSTS = os.environ.get("STILLOPEN_HOSTS", "*").split(",")
DATABASES = {
    "default": database_settings(DIR or Path(), os.environ.get("STILLOPEN_DATABASE_URL", ""))
}

INSTALLED_APPS = [
    "stillopen.backoffice.administration",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "stillopen.backoffice.accounts",
    "stillopen.backoffice.backups",
    "stillopen.backoffice.catalogue",
    "stillopen.backoffice.devices",
    "stillopen.backoffice.feed",
    "stillopen.backoffice.ingest",
    "stillopen.backoffice.ledger",
    "stillopen.backoffice.live",
    "stillopen.backoffice.stock",
    "stillopen.backoffice.worker",
]
AUTH_USER_MODEL = "accounts.User"
ROOT_URLCONF = "stillopen.backoffice.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "stillopen.backoffice.administration.clock.StoreTime",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "stillopen.backoffice.administration.formats"
STATIC_URL = "/static/"
STATICFILES_DIRS = [
    Path(__file__).parent / "web" / "static",
    Path(__file__).parent.parent / "design",
]
WHITENOISE_USE_FINDERS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 33 * 1024 * 1024
UNFOLD = {
    "SITE_TITLE": "Stillopen",
    "SITE_HEADER": "Stillopen",
    "SITE_SUBHEADER": "Back Office",
    "SITE_URL": "/",
    "SITE_SYMBOL": "storefront",
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "10px",
    "STYLES": [
        "/static/tokens.css",
        "/static/administration/administration.css",
    ],
    "SIDEBAR": {"navigation": "stillopen.backoffice.administration.navigation.navigation"},
    # The ramps around the accent and the grays of design/tokens.css.
    "COLORS": {
        "primary": {
            "50": "#f3f6fe",
            "100": "#e5ebfd",
            "200": "#c8d4fb",
            "300": "#a3b8ff",
            "400": "#6e8cf2",
            "500": "#3d64ea",
            "600": "#2a4fd0",
            "700": "#2141b3",
            "800": "#1e378f",
            "900": "#1e2a50",
            "950": "#141c38",
        },
        "base": {
            "50": "#f3f4f7",
            "100": "#e9ebf0",
            "200": "#d5d9e1",
            "300": "#aab2c0",
            "400": "#838b9a",
            "500": "#666e7d",
            "600": "#4f5766",
            "700": "#303845",
            "800": "#232933",
            "900": "#181c23",
            "950": "#0f1217",
        },
    },
}
