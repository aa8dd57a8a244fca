"""From an edited row to what registers get: one record, its bytes, and the scopes it belongs to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

from stillopen.backoffice.accounts.models import Account, Employee, Role, Store
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.models import (
    Category,
    PaymentType,
    Product,
    QuickKeys,
    TaxRate,
)
from stillopen.backoffice.devices.line_times import line_times
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.devices.scopes import register_scope, store_scope
from stillopen.backoffice.feed.publish import ACCOUNT_SCOPE, RecordChange
from stillopen.domain.barcode import Carries
from stillopen.domain.pricing import Price
from stillopen.domain.tax import TaxRounding
from stillopen.domain.totals import Rules
from stillopen.sync import records

_CHUNK = 500


def render(account: Account, keys: Iterable[kinds.Key]) -> list[RecordChange]:
    """What each record of ``keys`` shall be in each scope of ``account``, as its rows are now.

    A row that is gone, switched off, or no longer in a scope comes as deleted there.
    """
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for kind, record in keys:
        by_kind[kind].append(record)
    stores = [store_scope(s) for s in account.stores.values_list("id", flat=True)]
    return [
        change
        for kind, ids in by_kind.items()
        for change in _render_kind(account, kind, ids, stores)
    ]


def _render_kind(
    account: Account, kind: str, ids: Sequence[UUID], stores: Sequence[str]
) -> Iterator[RecordChange]:
    build = _BUILD[kind]
    rows = {row.pk: row for row in _rows(account, kind, ids)}
    for record in ids:
        row = rows.get(record)
        payload = records.encode(build(row)) if row is not None and is_live(row) else None
        if kind == kinds.EMPLOYEE:
            wanted = {store_scope(s.id) for s in row.stores.all()} if row is not None else set()
            for scope in stores:
                yield RecordChange(scope, kind, record, payload if scope in wanted else None)
        else:
            yield RecordChange(_scope(kind, record), kind, record, payload)


def is_live(row: Model) -> bool:
    """False for a row that registers shall not see: switched off or revoked."""
    if isinstance(row, Register):
        return row.state != Register.State.REVOKED
    return bool(getattr(row, "active", True))


def _rows(account: Account, kind: str, ids: Sequence[UUID]) -> Iterator[Any]:
    table: Any = kinds.TABLES[kind]
    if table is Account:
        yield from Account.objects.filter(id=account.id, id__in=ids)
        return
    for start in range(0, len(ids), _CHUNK):
        rows: QuerySet[Any] = table.objects.filter(
            account=account, id__in=ids[start : start + _CHUNK]
        )
        yield from rows.prefetch_related(*_PREFETCH.get(kind, ()))


def _scope(kind: str, record: UUID) -> str:
    if kind == kinds.STORE_SETTINGS:
        return store_scope(record)
    if kind == kinds.REGISTER_SETTINGS:
        return register_scope(record)
    return ACCOUNT_SCOPE


def _account_settings(account: Account) -> records.AccountSettings:
    return records.AccountSettings(
        name=account.name,
        rules=Rules(
            currency=account.currency,
            tax_inside=account.tax_inside,
            tax_rounding=TaxRounding(account.tax_rounding),
            cash_rounding=account.cash_rounding,
        ),
        offline_preset=account.offline_preset,
        offline_overrides=account.offline_overrides,
        embedded_prefixes={k: Carries(v) for k, v in account.embedded_prefixes.items()},
        default_tax=str(account.default_tax) if account.default_tax else None,
    )


def _store_settings(store: Store) -> records.StoreSettings:
    return records.StoreSettings(
        code=store.code,
        name=store.name,
        timezone=store.timezone,
        cutoff=store.cutoff,
        address=store.address,
        vat_number=store.vat_number,
        receipt_header=store.receipt_header,
        receipt_footer=store.receipt_footer,
        blind_close=store.blind_close,
    )


def _register_settings(register: Register) -> records.RegisterSettings:
    times = line_times(register)
    return records.RegisterSettings(
        name=register.name,
        several_employees=register.several_employees,
        unblock=str(register.unblock) if register.unblock else None,
        yellow_after=times.yellow_after,
        red_after=times.red_after,
        probe_every=times.probe_every,
    )


def _tax_rate(rate: TaxRate) -> records.TaxRateRecord:
    return records.TaxRateRecord(name=rate.name, rate=rate.rate.normalize() + 0)


def _category(category: Category) -> records.CategoryRecord:
    return records.CategoryRecord(
        name=category.name, position=category.position, colour=category.colour
    )


def _product(product: Product) -> records.ProductRecord:
    dated = (
        Price(amount=change.amount, since=change.since.astimezone(UTC).replace(tzinfo=None))
        for change in product.price_changes.all()
    )
    return records.ProductRecord(
        sku=product.sku,
        name=product.name,
        prices=(Price(amount=product.price), *dated),
        tax=str(product.tax_id),
        category=str(product.category_id) if product.category_id else None,
        barcodes=tuple(product.barcodes),
        unit=product.unit,
        picture=product.picture,
        stopped=product.stopped,
    )


def _quick_keys(page: QuickKeys) -> records.QuickKeysRecord:
    return records.QuickKeysRecord(
        name=page.name, position=page.position, products=tuple(page.products)
    )


def _role(role: Role) -> records.RoleRecord:
    return records.RoleRecord(name=role.name, permissions=tuple(sorted(role.permissions)))


def _employee(employee: Employee) -> records.EmployeeRecord:
    return records.EmployeeRecord(
        code=employee.code,
        name=employee.name,
        last_name=employee.last_name,
        role=str(employee.role_id),
        pin_hash=employee.pin_hash,
        colour=employee.colour,
    )


def _payment_type(payment_type: PaymentType) -> records.PaymentTypeRecord:
    return records.PaymentTypeRecord(
        type=payment_type.type, name=payment_type.name, position=payment_type.position
    )


_BUILD: dict[str, Callable[[Any], records.Record]] = {
    kinds.ACCOUNT_SETTINGS: _account_settings,
    kinds.STORE_SETTINGS: _store_settings,
    kinds.REGISTER_SETTINGS: _register_settings,
    kinds.TAX_RATE: _tax_rate,
    kinds.CATEGORY: _category,
    kinds.PRODUCT: _product,
    kinds.QUICK_KEYS: _quick_keys,
    kinds.ROLE: _role,
    kinds.EMPLOYEE: _employee,
    kinds.PAYMENT_TYPE: _payment_type,
}
_PREFETCH = {kinds.PRODUCT: ("price_changes",), kinds.EMPLOYEE: ("stores",)}
