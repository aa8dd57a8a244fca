"""Opening an account: everything that a new business starts with, published."""

import secrets
from datetime import time
from decimal import Decimal
from zoneinfo import available_timezones

from babel.numbers import list_currencies
from django.db import transaction

from stillopen.backoffice.accounts.access import name_of, require
from stillopen.backoffice.accounts.models import Account, Role, Store, User
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.drafts import record_changes
from stillopen.backoffice.catalogue.editing import storing
from stillopen.backoffice.catalogue.models import PaymentType, TaxRate
from stillopen.backoffice.catalogue.publishing import publish_now, publish_records
from stillopen.backoffice.catalogue.values import check_rate
from stillopen.backoffice.devices.licensing import new_code
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.publish import ACCOUNT_SCOPE, published
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import check_code
from stillopen.domain.permission import DEFAULT_ROLES, Permission
from stillopen.domain.tender import TenderType

PEPPER_BYTES = 32
FIRST_STORE = "S1"
_PAYMENT_TYPES = ((TenderType.CASH, "Cash"), (TenderType.EXTERNAL_CARD, "External card"))


def open_account(name: str, currency: str, timezone: str, tax: Decimal | None = None) -> Account:
    """The account called ``name``: made and published with its first store S1, or, if it is there
    already, as it is.

    ``tax`` (percent) is the one default rate; None stands for 0 %. Errors: ``bad_name``,
    ``bad_currency``, ``bad_timezone``, ``bad_tax``, ``account_exists`` (in another currency).
    """
    currency = currency.strip().upper()
    _check(name, currency, timezone, tax)
    account = Account.objects.filter(name=name.strip()).order_by("created_at").first()
    if account is None:
        account = _create(name.strip(), currency, timezone, tax)
    elif account.currency != currency:
        raise DomainError(
            "account_exists", f"“{name}” exists already and counts in {account.currency}."
        )
    if not published(account.id, ACCOUNT_SCOPE, kinds.ACCOUNT_SETTINGS, [account.id]):
        publish_records(account, _first_records(account), None)
    return account


def _check(name: str, currency: str, timezone: str, tax: Decimal | None) -> None:
    if not name.strip() or len(name) > 120:
        raise DomainError("bad_name", "The name of an account has 1 to 120 letters.")
    if currency not in list_currencies():
        raise DomainError("bad_currency", f"“{currency}” is not a currency code such as EUR.")
    check_timezone(timezone)
    if tax is not None:
        check_rate(tax)


def check_timezone(timezone: str) -> None:
    if timezone not in available_timezones():
        raise DomainError("bad_timezone", f"“{timezone}” is not a time zone such as Europe/Berlin.")


def default_rate_name(rate: Decimal | None) -> str:
    """``VAT 19 %``; ``No tax`` for none."""
    return f"VAT {rate.normalize():f} %" if rate else "No tax"


@transaction.atomic
def _create(name: str, currency: str, timezone: str, tax: Decimal | None) -> Account:
    server_epoch()
    account = Account(
        public_id=new_code(groups=2, size=4),
        name=name,
        currency=currency,
        pepper=secrets.token_bytes(PEPPER_BYTES),
        embedded_prefixes={"21": "price"},
    )
    rate = TaxRate(account=account, name=default_rate_name(tax), rate=tax or Decimal(0))
    account.default_tax = rate.id
    account.save()
    rate.save()
    Store.objects.create(account=account, code=FIRST_STORE, name=name, timezone=timezone)
    Role.objects.bulk_create(
        Role(account=account, name=role, permissions=sorted(permissions))
        for role, permissions in DEFAULT_ROLES.items()
    )
    PaymentType.objects.bulk_create(
        PaymentType(account=account, type=kind, name=words, position=place)
        for place, (kind, words) in enumerate(_PAYMENT_TYPES)
    )
    record_changes(account, _first_records(account), "new account", None)
    return account


def _first_records(account: Account) -> list[kinds.Key]:
    tables = (TaxRate, PaymentType, Role, Store)
    rows = [row for table in tables for row in table._default_manager.filter(account=account)]
    return [kinds.key_of(account), *(kinds.key_of(row) for row in rows)]


def open_store(account: Account, code: str, name: str, timezone: str, user: User | None) -> Store:
    """A new store; its settings are published, nothing else could be there yet.

    Errors: ``bad_code``, ``bad_timezone``, ``taken``, ``bad_value``, ``not_permitted``.
    """
    require(user, Permission.BO_SETTINGS)
    check_code(code, "store")
    check_timezone(timezone)
    store = Store(
        account=account, code=code, name=name.strip(), timezone=timezone, cutoff=time(4, 0)
    )
    with storing(store):
        store.save()
        record_changes(account, [kinds.key_of(store)], "new store", user)
    publish_now(account, [kinds.key_of(store)], name_of(user))
    return store
