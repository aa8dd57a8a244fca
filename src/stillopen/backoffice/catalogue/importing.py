"""Importing products: found by SKU, made or changed, all of them or none."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import msgspec
from django.db import transaction
from django.utils import timezone

from stillopen.backoffice.accounts.access import require
from stillopen.backoffice.accounts.models import Account, Store, User
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.csvfile import ProductRow, bad_row, read_products
from stillopen.backoffice.catalogue.drafts import record_changes
from stillopen.backoffice.catalogue.models import Category, Product, QuickKeys, TaxRate
from stillopen.backoffice.catalogue.verbs import default_tax
from stillopen.backoffice.stock.verbs import set_initial_stock
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

_CHUNK = 500
#: Columns of the file → fields of the product; a column that is not there leaves its field alone.
_FIELDS = {
    "name": "name",
    "price": "price",
    "barcode": "barcodes",
    "category": "category_id",
    "tax": "tax_id",
    "cost": "cost",
    "unit": "unit",
    "pictogram": "picture",
}


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. ``keys`` are all records of the file, also those that were there before:
    publishing them publishes the file, whoever imported it first."""

    rows: int
    new: int
    changed: int
    stocked: int
    unknown_columns: tuple[str, ...]
    keys: tuple[kinds.Key, ...]


def import_products(account: Account, store: Store, path: Path, user: User | None) -> Imported:
    """Read the CSV ``path`` into the drafts of ``account``; its stock column is of ``store``.

    Columns: see csvfile. Nothing is stored unless every row can be. Errors: ``bad_file``,
    ``bad_columns``, ``bad_row``, ``not_permitted``.
    """
    require(user, Permission.BO_CATALOGUE)
    file = read_products(path, account.currency, list(TaxRate.objects.filter(account=account)))
    with transaction.atomic():
        # Two imports at once would both make the same new products: the second waits for the first.
        Account.objects.select_for_update(no_key=True).get(id=account.id)
        return _store(account, store, file.rows, file.unknown, path.name, user)


def _store(
    account: Account,
    store: Store,
    rows: tuple[ProductRow, ...],
    unknown: tuple[str, ...],
    source: str,
    user: User | None,
) -> Imported:
    known = {product.sku: product for product in Product.objects.filter(account=account)}
    _check_barcodes(rows, known)
    categories, new_categories = _categories(account, rows)
    fallback = default_tax(account)
    new: list[Product] = []
    changed: list[Product] = []
    for row in rows:
        product = known.get(row.sku)
        if product is None:
            product = Product(account=account, sku=row.sku, tax=fallback)
            _fill(product, row, categories)
            new.append(product)
            known[row.sku] = product
        elif _fill(product, row, categories):
            changed.append(product)
    _write(new + changed)
    pages = _quick_keys(account, rows, known)
    stock = [(known[row.sku].id, row.stock) for row in rows if row.stock is not None]
    edited = [*new_categories, *new, *changed, *(page for page, differs in pages if differs)]
    record_changes(account, map(kinds.key_of, edited), f"imported from {source}", user)
    named = [*new_categories, *(known[row.sku] for row in rows), *(page for page, _ in pages)]
    return Imported(
        rows=len(rows),
        new=len(new),
        changed=len(changed),
        stocked=set_initial_stock(account, store, stock, f"import:{uuid4()}"),
        unknown_columns=unknown,
        keys=tuple(map(kinds.key_of, named)),
    )


def _check_barcodes(rows: Iterable[ProductRow], known: dict[str, Product]) -> None:
    """No barcode may end up on two products; those of products in the file are replaced by the file's."""
    rows = list(rows)
    replaced = {row.sku for row in rows if "barcode" in row.given}
    owners = {
        code: product
        for product in known.values()
        if product.active and product.sku not in replaced
        for code in product.barcodes
    }
    faults = [
        (row.line, _barcode_taken(code, owners[code]))
        for row in rows
        for code in row.barcodes
        if code in owners
    ]
    if faults:
        raise bad_row(faults)


def _barcode_taken(code: str, owner: Product) -> DomainError:
    return DomainError(
        "barcode_taken", f"“{owner.name}” ({owner.sku}) has the barcode {code} already."
    )


def _categories(
    account: Account, rows: Iterable[ProductRow]
) -> tuple[dict[str, Category], list[Category]]:
    """By name in small letters; those that are new follow the others in the order of the file."""
    known = {c.name.casefold(): c for c in Category.objects.filter(account=account)}
    place = max((c.position for c in known.values()), default=-1)
    new: list[Category] = []
    for row in rows:
        if row.category and row.category.casefold() not in known:
            category = Category(
                account=account,
                name=row.category,
                position=place + len(new) + 1,
                colour=row.category_colour,
            )
            known[row.category.casefold()] = category
            new.append(category)
    Category.objects.bulk_create(new, batch_size=_CHUNK)
    return known, new


def _fill(product: Product, row: ProductRow, categories: dict[str, Category]) -> bool:
    """Set what the row says; whether anything differs. An empty tax leaves the one there is."""
    category = categories[row.category.casefold()] if row.category else None
    values = {
        "name": row.name,
        "price": row.price,
        "barcodes": list(row.barcodes),
        "category_id": category.id if category else None,
        "tax_id": row.tax.id if row.tax else product.tax_id,
        "cost": row.cost,
        "unit": row.unit,
        "picture": row.pictogram,
        "active": True,
    }
    given = [field for column, field in _FIELDS.items() if column in row.given]
    different = [f for f in [*given, "active"] if getattr(product, f) != values[f]]
    for field in different:
        setattr(product, field, values[field])
    return bool(different)


def _write(products: list[Product]) -> None:
    now = timezone.now()
    for product in products:
        product.updated_at = now
    Product.objects.bulk_create(
        products,
        batch_size=_CHUNK,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[*_FIELDS.values(), "active", "updated_at"],
    )


def _quick_keys(
    account: Account, rows: Iterable[ProductRow], known: dict[str, Product]
) -> list[tuple[QuickKeys, bool]]:
    """Add tiles to their pages, in the order of place then file; a tile is on its page once.

    Returns the pages that the file names, and whether each differs now.
    """
    tiles: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        if row.quick_key:
            tiles[row.quick_key.page].append((row.quick_key.place, str(known[row.sku].id)))
    pages = {page.name: page for page in QuickKeys.objects.filter(account=account)}
    named: list[tuple[QuickKeys, bool]] = []
    for name, wanted in tiles.items():
        page = pages.get(name) or QuickKeys(account=account, name=name, position=len(pages))
        pages[name] = page
        ids = [product for _, product in sorted(wanted, key=lambda tile: tile[0])]
        products = list(dict.fromkeys([*page.products, *ids]))
        differs = page._state.adding or products != page.products
        if differs:
            page.products = products
            page.save()
        named.append((page, differs))
    return named
