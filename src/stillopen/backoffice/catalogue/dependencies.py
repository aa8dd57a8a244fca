"""What a record refers to. A product that is published alone takes its unpublished tax rate along."""

from collections.abc import Iterable
from uuid import UUID

from stillopen.backoffice.accounts.models import Account, Employee
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.models import Product, QuickKeys
from stillopen.backoffice.feed.publish import ACCOUNT_SCOPE, published

_CHUNK = 500


def with_unpublished(account: Account, keys: Iterable[kinds.Key]) -> list[kinds.Key]:
    """``keys``, and of what they refer to (directly or not) all that registers do not have yet."""
    found = dict.fromkeys(keys)
    fresh = list(found)
    while fresh:
        referred = dict.fromkeys(key for key in _references(account, fresh) if key not in found)
        fresh = _unpublished(account, referred)
        found.update(dict.fromkeys(fresh))
    return list(found)


def _references(account: Account, keys: Iterable[kinds.Key]) -> Iterable[kinds.Key]:
    ids: dict[str, list[UUID]] = {}
    for kind, record in keys:
        ids.setdefault(kind, []).append(record)
    for some in _chunks(ids.get(kinds.PRODUCT, [])):
        rows = Product.objects.filter(account=account, id__in=some)
        for tax, category in rows.values_list("tax_id", "category_id"):
            yield kinds.TAX_RATE, tax
            if category:
                yield kinds.CATEGORY, category
    for some in _chunks(ids.get(kinds.QUICK_KEYS, [])):
        for products in _quick_keys(account, some):
            yield from ((kinds.PRODUCT, UUID(product)) for product in products)
    for some in _chunks(ids.get(kinds.EMPLOYEE, [])):
        rows_of = Employee.objects.filter(account=account, id__in=some)
        yield from ((kinds.ROLE, role) for role in rows_of.values_list("role_id", flat=True))
    if kinds.ACCOUNT_SETTINGS in ids and account.default_tax:
        yield kinds.TAX_RATE, account.default_tax


def _quick_keys(account: Account, ids: list[UUID]) -> Iterable[list[str]]:
    return QuickKeys.objects.filter(account=account, id__in=ids).values_list("products", flat=True)


def _unpublished(account: Account, keys: Iterable[kinds.Key]) -> list[kinds.Key]:
    by_kind: dict[str, list[UUID]] = {}
    for kind, record in keys:
        by_kind.setdefault(kind, []).append(record)
    missing: list[kinds.Key] = []
    for kind, ids in by_kind.items():
        known = published(account.id, ACCOUNT_SCOPE, kind, ids)
        missing += [(kind, record) for record in ids if record not in known]
    return missing


def _chunks(ids: list[UUID]) -> Iterable[list[UUID]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
