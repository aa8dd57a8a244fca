"""The commands ``stillopen backoffice …``: options and words here, the work in commands.py.

commands.py needs models, so it is loaded once Django is set up for the Back Office that the options name.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click

from stillopen.backoffice.backups.restoring import put_back
from stillopen.backoffice.bootstrap import load, migrate, open_existing, require_place, start
from stillopen.domain.errors import DomainError

F = TypeVar("F", bound=Callable[..., Any])
_COMMANDS = "stillopen.backoffice.commands"
_BACKUPS = "stillopen.backoffice.backups.commands"
#: Backups that are kept unless something else is said.
KEEP = 14

_place_options = (
    click.option(
        "--dir",
        "folder",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="STILLOPEN_DIR",
        help="Folder of a Back Office on SQLite.",
    ),
    click.option(
        "--database-url",
        metavar="URL",
        default="",
        envvar="STILLOPEN_DATABASE_URL",
        help="PostgreSQL instead: postgresql://user@host/name.",
    ),
)
_account_option = click.option(
    "--account", metavar="NAME", help="Name or Account ID, where there are several."
)


def place(command: F) -> F:
    """Options that say which Back Office."""
    for option in reversed(_place_options):
        command = option(command)
    return command


def place_and_account(command: F) -> F:
    """Options that say which Back Office, and which of its accounts."""
    return place(_account_option(command))


class Rate(click.ParamType):
    """A percentage, exact."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            return Decimal(str(value).strip().removesuffix("%").strip())
        except InvalidOperation:
            self.fail(f"“{value}” is not a percentage.", param, ctx)


def _open(folder: Path | None, database_url: str) -> ModuleType:
    open_existing(folder, database_url)
    return load(_COMMANDS)


@click.group()
def backoffice() -> None:
    """The Back Office: set it up, import products, add registers and people, serve."""


@backoffice.command()
@place
@click.option("--account", metavar="NAME", help="Name of the business.")
@click.option("--currency", metavar="CODE", help="Such as EUR; it never changes afterwards.")
@click.option("--timezone", metavar="ZONE", help="Of the first store, such as Europe/Berlin.")
@click.option("--admin-email", metavar="EMAIL", help="With this the administrator signs in.")
@click.option(
    "--admin-password",
    metavar="PASSWORD",
    envvar="STILLOPEN_ADMIN_PASSWORD",
    help="Or in the environment as STILLOPEN_ADMIN_PASSWORD.",
)
@click.option("--tax", type=Rate(), metavar="PERCENT", help="The default tax rate; none: 0 %.")
def init(folder: Path | None, database_url: str, account: str | None, **values: Any) -> None:
    """Make a Back Office, or bring it up to date; safe to repeat.

    Makes the tables and an account with one store S1. Repeated, it keeps what is there, the
    administrator's password too. Without --account it only brings the tables up to date.
    """
    if folder is not None:
        _make_folder(folder)
    start(folder, database_url)
    migrate()
    load(_COMMANDS).init(account, **values)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DomainError("bad_dir", f"{folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DomainError("bad_dir", f"{folder} cannot be written to.")


@backoffice.command("import-products")
@place_and_account
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--publish", is_flag=True, help="Publish them; otherwise they are drafts.")
@click.option("--store", metavar="CODE", help="Whose stock the column stock is; S1 if not given.")
def import_products(
    folder: Path | None,
    database_url: str,
    account: str | None,
    file: Path,
    publish: bool,
    store: str | None,
) -> None:
    """Import products from a CSV file.

    Columns sku, name, price, and optional barcode (several with | between), category, tax (name of
    a rate or a percentage that exists), cost, unit, stock, quick_key (yes, a place, a page, or
    page:place), pictogram, category_colour (for new categories). Prices in major units with a
    decimal point. Products are found by SKU; columns that the file has not are left as they are.
    One bad row and nothing is imported.
    """
    _open(folder, database_url).import_products(account, file, publish, store)


@backoffice.command("add-register")
@place_and_account
@click.option("--store", metavar="CODE", required=True, help="The store's code, such as S1.")
@click.option("--name", required=True, help="Stands in receipt numbers, such as R1.")
def add_register(
    folder: Path | None, database_url: str, account: str | None, store: str, name: str
) -> None:
    """Add a register and show its License Key, once."""
    _open(folder, database_url).add_register(account, store, name)


@backoffice.command("add-employee")
@place_and_account
@click.option("--name", required=True, help="First name, as it stands on the login screen.")
@click.option("--last-name", required=True, help="Last name.")
@click.option("--pin", required=True, help="4 to 8 digits.")
@click.option("--role", required=True, help="Such as Salesperson, Manager or Administrator.")
@click.option("--store", "stores", multiple=True, metavar="CODE", help="Repeatable; all if none.")
@click.option("--code", default="", help="Employee code; the next number if not given.")
def add_employee(
    folder: Path | None, database_url: str, account: str | None, **values: Any
) -> None:
    """Add a person who works at registers; they know the person at once."""
    _open(folder, database_url).add_employee(account, **values)


@backoffice.command("add-tax")
@place_and_account
@click.option("--name", required=True, help="Such as “VAT 7 %”.")
@click.option("--rate", type=Rate(), required=True, metavar="PERCENT", help="Such as 7 or 5.5.")
def add_tax(
    folder: Path | None, database_url: str, account: str | None, name: str, rate: Decimal
) -> None:
    """Add a tax rate and publish it."""
    _open(folder, database_url).add_tax(account, name, rate)


@backoffice.command("add-store")
@place_and_account
@click.option("--code", required=True, help="Stands in receipt numbers, such as S2.")
@click.option("--name", required=True, help="Name of the store.")
@click.option("--timezone", metavar="ZONE", help="As the first store's if not given.")
def add_store(
    folder: Path | None,
    database_url: str,
    account: str | None,
    code: str,
    name: str,
    timezone: str | None,
) -> None:
    """Add a store."""
    _open(folder, database_url).add_store(account, code, name, timezone)


@backoffice.command()
@place_and_account
@click.option("--name", required=True, help="What the token is for.")
def token(folder: Path | None, database_url: str, account: str | None, name: str) -> None:
    """Make a token for the REST API and show it, once."""
    _open(folder, database_url).token(account, name)


@backoffice.command()
@place
@click.option("--port", type=click.IntRange(0, 65535), default=8700, help="Default: 8700.")
@click.option("--host", default="127.0.0.1", help="Address to listen on; default: 127.0.0.1.")
def serve(folder: Path | None, database_url: str, port: int, host: str) -> None:
    """Serve the Back Office until SIGTERM: pages, REST API and registers on one port."""
    open_existing(folder, database_url)
    load("stillopen.backoffice.serve").serve(host, port)


@backoffice.command()
@place
@click.argument("target", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(1, 10_000),
    default=KEEP,
    show_default=True,
    help="How many backups of this Back Office stay in DIR.",
)
@click.option(
    "--verify", "try_it", is_flag=True, help="Restore the copy into a scratch database, too."
)
def backup(folder: Path | None, database_url: str, target: Path, keep: int, try_it: bool) -> None:
    """Copy the whole database into DIR, while it is being served.

    Each backup is checked, and has a manifest beside it. The oldest ones go; the last one never.
    The last line names the file.
    """
    open_existing(folder, database_url)
    load(_BACKUPS).backup(target, keep, try_it)


@backoffice.command()
@place
@click.argument("target", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--replace", is_flag=True, help="Over a Back Office that is there; it is kept beside."
)
def restore(folder: Path | None, database_url: str, target: Path, replace: bool) -> None:
    """Put a backup in the place of the database: FILE, or the newest in DIR.

    Refused while the Back Office is served. The registers notice it and send again what the backup
    does not hold; what people must confirm again is listed here and on the page Restored.
    """
    require_place(folder, database_url)
    done = put_back(target, folder, database_url, replace, datetime.now(UTC))
    start(folder, database_url)
    migrate()
    load(_BACKUPS).restored(done)


@backoffice.command("import-journal")
@place_and_account
@click.option(
    "--as",
    "called",
    metavar="S1-R3",
    help="What the register was called, where this database does not know it: a backup may be older.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_journal(
    folder: Path | None, database_url: str, account: str | None, called: str | None, file: Path
) -> None:
    """Take in the journal of an old disk: FILE as “stillopen journal export” wrote it.

    What is here already is passed over. What a revoked or replaced register made waits for a yes on
    the page Exceptions. A file that was cut or edited is refused, with the number of the line.
    """
    open_existing(folder, database_url)
    load(_BACKUPS).import_journal(file, account, called)
