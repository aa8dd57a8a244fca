"""Start Django for one Back Office: which database, which secret, and clear words when it is not there.

Nothing here imports a model: models exist only after :func:`start`. What needs them is loaded with
:func:`load` afterwards.
"""

import os
import secrets
from importlib import import_module
from pathlib import Path
from types import ModuleType

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from stillopen.backoffice.home import database_settings
from stillopen.domain.errors import DomainError

_HOW = "Make one with: stillopen backoffice init"


def start(folder: Path | None, database_url: str = "") -> None:
    """Set this process up for the Back Office in ``folder`` (SQLite) or at ``database_url``.

    Both may be given: the folder then keeps the secret only. Errors: ``no_place`` (neither),
    ``bad_database_url``, ``no_back_office`` (the folder does not exist).
    """
    require_place(folder, database_url)
    if folder is not None and not folder.is_dir():
        raise DomainError("no_back_office", f"There is no Back Office in {folder}. {_HOW}")
    database_settings(folder or Path(), database_url)
    os.environ["DJANGO_SETTINGS_MODULE"] = "stillopen.backoffice.settings"
    os.environ["STILLOPEN_DIR"] = str(folder.resolve()) if folder else ""
    os.environ["STILLOPEN_DATABASE_URL"] = database_url
    django.setup()


def require_place(folder: Path | None, database_url: str) -> None:
    """``no_place`` where neither is given."""
    if folder is None and not database_url:
        raise DomainError(
            "no_place", "Say where the Back Office is: --dir DIR or --database-url URL."
        )


def open_existing(folder: Path | None, database_url: str = "") -> None:
    """:func:`start`, and make sure that a Back Office of this version is there.

    Errors: those of ``start`` and of :func:`check_reachable`; ``no_back_office`` (nothing was made
    there yet), ``not_migrated`` (it was made by an older version).
    """
    if folder is not None and not database_url and not (folder / "backoffice.db").exists():
        raise DomainError("no_back_office", f"There is no Back Office in {folder}. {_HOW}")
    start(folder, database_url)
    check_reachable()
    _check_migrated()
    share_secret()


def check_reachable() -> None:
    """Connect once. Errors: ``database_missing``, ``database_refused``, ``database_unreachable``."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise _words_for(error) from error


def _words_for(error: DatabaseError) -> DomainError:
    name = connection.settings_dict["NAME"]
    where = connection.settings_dict.get("HOST") or name
    reason = (str(error).strip().splitlines() or ["no reason was given"])[-1]
    if "does not exist" in reason and "database" in reason:
        return DomainError("database_missing", f"The database server has no database named {name}.")
    if "authentication" in reason or "role" in reason:
        return DomainError("database_refused", f"The database refuses the sign-in: {reason}")
    return DomainError(
        "database_unreachable", f"The database at {where} cannot be reached: {reason}"
    )


def _check_migrated() -> None:
    executor = MigrationExecutor(connection)
    if not executor.loader.applied_migrations:
        name = connection.settings_dict["NAME"]
        raise DomainError("no_back_office", f"There is no Back Office in {name}. {_HOW}")
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise DomainError(
            "not_migrated",
            "This Back Office was made by an older version: run stillopen backoffice init on it again.",
        )


def migrate() -> None:
    """Bring the tables to this version; nothing happens when they are."""
    check_reachable()
    call_command("migrate", verbosity=0, interactive=False)
    share_secret()


def share_secret() -> None:
    """Without a folder that keeps the secret, all server processes take it from the database."""
    if os.environ.get("STILLOPEN_SECRET_KEY") or os.environ.get("STILLOPEN_DIR"):
        return
    rows = apps.get_model("accounts", "ServerSecret").objects
    row, _ = rows.get_or_create(id=1, defaults={"secret": secrets.token_urlsafe(50)})
    settings.SECRET_KEY = row.secret


def load(module: str) -> ModuleType:
    """Import a module of ours that needs models; only after :func:`start`."""
    return import_module(module)
