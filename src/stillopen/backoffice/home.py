"""Where a Back Office lives: a folder with its SQLite file, or a PostgreSQL URL; and its secret."""

import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stillopen.domain.errors import DomainError


def database_settings(folder: Path, url: str) -> dict[str, object]:
    """Django's ``DATABASES`` entry for ``url`` (postgresql://…), or for SQLite in ``folder``."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": folder / "backoffice.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise DomainError("bad_database_url", "The database URL is not of the form postgresql://user@host/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def secret_key(folder: Path) -> str:
    """The signing secret: from the environment, or kept in ``folder`` (made once, mode 0600)."""
    given = os.environ.get("STILLOPEN_SECRET_KEY")
    if given:
        return given
    path = folder / "secret.key"
    if not path.exists():
        if not folder.is_dir():
            return secrets.token_urlsafe(50)  # nothing is kept here: sessions end with the process
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text()
