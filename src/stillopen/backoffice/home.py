"""Where a Back Office lives: a folder with its SQLite file, or a PostgreSQL URL; and its secret."""

import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from stillopen.domain.errors import DomainError

#: Of each connection. The page size counts for a new file only: a sale's entry has 2 KB, of which a page
#: of 4 KB holds one and wastes the rest.
_SQLITE = (
    "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    " PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000;"
)

#: How often psycopg must have seen a statement to prepare it by itself. With Django's None it would not
#: prepare those either that ask for it (ingest/sql_postgresql.py, ``often``).
_ONLY_ON_DEMAND = 2**31


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
                "init_command": _SQLITE,
            },
        }
    parts, port = _split(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"prepare_threshold": _ONLY_ON_DEMAND},
    }


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of a PostgreSQL URL; ``DomainError bad_database_url`` for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise DomainError(
            "bad_database_url", "The database URL is not of the form postgresql://user@host/name."
        )
    return parts, port


def state_folder(folder: Path | None, url: str) -> Path | None:
    """Where that is kept which must survive a restored database (backups/outside.py): in ``folder`` when
    there is one, else in ``$STILLOPEN_STATE/<database>`` (default: ``$XDG_STATE_HOME/stillopen``).

    None where there is neither a folder nor a home.
    """
    if folder is not None or not url:
        return folder
    base = os.environ.get("STILLOPEN_STATE", "")
    if not base:
        home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        base = os.path.join(home, "stillopen")
    parts, port = _split(url)
    name = parts.path.strip("/")
    mark = sha256(f"{parts.hostname}:{port or 5432}/{name}".encode()).hexdigest()[:8]
    return Path(base) / f"{name}-{mark}" if Path(base).is_absolute() else None


def secret_key(folder: Path | None) -> str:
    """The signing secret: from the environment, or kept in ``folder`` (made once, mode 0600).

    With neither it is made anew: sessions then end with the process, unless bootstrap.share_secret
    puts the one from the database in its place.
    """
    given = os.environ.get("STILLOPEN_SECRET_KEY")
    if given:
        return given
    if folder is None or not folder.is_dir():
        return secrets.token_urlsafe(50)
    path = folder / "secret.key"
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(50))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Complete or not at all: two processes that start together end up with one file."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
