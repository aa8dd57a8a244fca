"""What the commands of cli.py do. Loaded when Django is set up; each prints its answer."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from stillopen.backoffice.accounts.lookup import store_of, the_account
from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.accounts.opening import FIRST_STORE, open_account, open_store
from stillopen.backoffice.accounts.people import create_employee, role_by_name
from stillopen.backoffice.accounts.users import create_token, email_of, ensure_administrator
from stillopen.backoffice.catalogue import importing
from stillopen.backoffice.catalogue.kinds import key_of
from stillopen.backoffice.catalogue.publishing import publish_records
from stillopen.backoffice.catalogue.verbs import create_tax_rate
from stillopen.backoffice.devices import verbs
from stillopen.domain.errors import DomainError

_SHORT_PASSWORD = 8


def init(account: str | None, **values: Any) -> None:
    """Open or find the account and its administrator; the last line is the Account ID."""
    found = _open_account(account, **values) if account else the_account(None)
    click.echo(f"Account: {found.name}")
    click.echo(f"Account ID: {found.public_id}")


def _open_account(
    name: str,
    *,
    currency: str | None,
    timezone: str | None,
    admin_email: str | None,
    admin_password: str | None,
    tax: Decimal | None,
) -> Account:
    needed = {
        "--currency": currency,
        "--timezone": timezone,
        "--admin-email": admin_email,
        "--admin-password": admin_password,
    }
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise DomainError("missing_option", f"To open an account, give {', '.join(missing)} too.")
    email, password = email_of(admin_email or ""), admin_password or ""
    account = open_account(name, currency or "", timezone or "", tax)
    ensure_administrator(account, email, password)
    if len(password) < _SHORT_PASSWORD:
        click.echo("The administrator's password is short: choose a longer one soon.", err=True)
    return account


def import_products(account: str | None, file: Path, publish: bool, store: str | None) -> None:
    owner = the_account(account)
    done = importing.import_products(owner, store_of(owner, store or FIRST_STORE), file, None)
    if done.unknown_columns:
        click.echo(f"Columns not used: {', '.join(done.unknown_columns)}", err=True)
    same = done.rows - done.new - done.changed
    click.echo(
        f"Read {done.rows} products: {done.new} new, {done.changed} changed, {same} as they were."
    )
    if publish:
        publication = publish_records(owner, done.keys, None)
        click.echo(f"Published {publication.records} records, publication {publication.number}.")
    elif done.new or done.changed:
        click.echo("They are drafts until somebody publishes them.")


def add_register(account: str | None, store: str, name: str) -> None:
    register, key = verbs.add_register(store_of(the_account(account), store), name, None)
    click.echo(f"Register {register} of account {register.account.public_id}")
    click.echo(f"License Key: {key}")


def add_employee(
    account: str | None,
    *,
    name: str,
    last_name: str,
    pin: str,
    role: str,
    stores: tuple[str, ...],
    code: str,
) -> None:
    owner = the_account(account)
    chosen = [store_of(owner, code) for code in stores] or list(owner.stores.all())
    employee = create_employee(
        owner,
        name=name,
        last_name=last_name,
        pin=pin,
        role=role_by_name(owner, role),
        stores=chosen,
        user=None,
        code=code,
    )
    where = ", ".join(store.code for store in chosen)
    click.echo(f"{employee}, {employee.role}, works in {where}")
    click.echo(f"Employee code: {employee.code}")


def add_tax(account: str | None, name: str, rate: Decimal) -> None:
    owner = the_account(account)
    made = create_tax_rate(owner, name, rate, None)
    publish_records(owner, [key_of(made)], None)
    click.echo(f"Tax rate: {made}")


def add_store(account: str | None, code: str, name: str, timezone: str | None) -> None:
    owner = the_account(account)
    first = owner.stores.order_by("code").first()
    zone = timezone or (first.timezone if first else "UTC")
    click.echo(f"Store: {open_store(owner, code, name, zone, None).code}")


def token(account: str | None, name: str) -> None:
    _, text = create_token(the_account(account), name, None)
    click.echo(f"Token: {text}")
