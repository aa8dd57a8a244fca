"""What people do to products, prices and the rest of the catalogue. All but the stop list are drafts.

``user`` None stands for the command line and for API tokens.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction

from stillopen.backoffice.accounts.access import name_of, require
from stillopen.backoffice.accounts.models import Account, User
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue import values as checks
from stillopen.backoffice.catalogue.drafts import record_change, record_changes
from stillopen.backoffice.catalogue.editing import (
    check_may_edit,
    delete_draft,
    in_use,
    save_draft,
)
from stillopen.backoffice.catalogue.models import Category, PriceChange, Product, TaxRate
from stillopen.backoffice.catalogue.publishing import publish_now
from stillopen.backoffice.catalogue.values import check_rate
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission


class ProductValues(TypedDict, total=False):
    """Fields of a product as a person gives them; only those that are there are set."""

    sku: str
    name: str
    price: int  # minor units
    cost: int | None  # minor units
    tax: TaxRate
    category: Category | None
    barcodes: Sequence[str]
    unit: str
    description: str
    picture: str
    active: bool


def create_product(
    account: Account, values: ProductValues, user: User | None, id: UUID | None = None
) -> Product:
    """A new product as a draft; needs ``sku``, ``name`` and ``price``, the tax is the account's default.
    ``id`` where sales name it already.

    Errors: ``not_permitted``, ``missing_value``, ``sku_taken``, ``barcode_taken``, ``bad_value``,
    ``bad_price``, ``bad_barcode``, ``not_found`` (tax or category of another account).
    """
    require(user, Permission.BO_CATALOGUE)
    for needed in ("sku", "name", "price"):
        if needed not in values:
            raise DomainError("missing_value", f"A product needs a {needed}.")
    product = Product(account=account, tax=values.get("tax") or default_tax(account))
    if id is not None:
        product.id = id
    _assign(product, values)
    save_draft(product, "new product", user)
    return product


def change_product(product: Product, values: ProductValues, user: User | None) -> Product:
    """Keep changed fields as a draft; nothing is noted when none differs. Errors as for a new one."""
    check_may_edit(user, product)
    before = {field: getattr(product, field) for field in values}
    _assign(product, values)
    words = change_words(product, before)
    if words:
        save_draft(product, words, user)
    return product


def default_tax(account: Account) -> TaxRate:
    """The account's default rate. Error: ``no_default_tax``."""
    rates = TaxRate.objects.filter(account=account)
    rate = rates.filter(id=account.default_tax).first() if account.default_tax else None
    if rate is None:
        raise DomainError("no_default_tax", "The account has no default tax rate: choose one.")
    return rate


def _assign(product: Product, values: ProductValues) -> None:
    cleaned: dict[str, Any] = dict(values)
    if "sku" in values:
        cleaned["sku"] = checks.clean_text(values["sku"], "SKU", checks.SKU_LENGTH)
    if "name" in values:
        cleaned["name"] = checks.clean_text(values["name"], "name", checks.NAME_LENGTH)
    if "unit" in values:
        cleaned["unit"] = checks.clean_text(
            values["unit"], "unit", checks.UNIT_LENGTH, needed=False
        )
    if "price" in values:
        cleaned["price"] = checks.clean_price(values["price"])
    if values.get("cost") is not None:
        cleaned["cost"] = checks.clean_price(values["cost"] or 0, "cost")
    if "barcodes" in values:
        cleaned["barcodes"] = checks.clean_barcodes(values["barcodes"])
    known_by = _known_by(product)
    for field, value in cleaned.items():
        setattr(product, field, value)
    _check_own(product, (product.tax, product.category))
    # Looking for a barcode reads all products: not for every new price.
    if product._state.adding or _known_by(product) != known_by:
        _check_unique(product)


def _known_by(product: Product) -> tuple[object, ...]:
    """What no other product may have too."""
    return product.sku, list(product.barcodes), product.active


def _check_own(product: Product, others: Iterable[TaxRate | Category | None]) -> None:
    if any(other is not None and other.account_id != product.account_id for other in others):
        raise DomainError("not_found", "There is no such tax rate or category in your account.")


def _check_unique(product: Product) -> None:
    others = Product.objects.filter(account=product.account_id).exclude(id=product.id)
    if others.filter(sku=product.sku).exists():
        raise DomainError("sku_taken", f"Another product has the SKU {product.sku}.")
    check_barcodes_free(product.account_id, product.barcodes, product.id)


def check_barcodes_free(account_id: UUID, codes: Iterable[str], but: UUID) -> None:
    """``DomainError barcode_taken`` when a product other than ``but`` has one of ``codes``."""
    others = Product.objects.filter(account=account_id, active=True).exclude(id=but)
    for code in codes:
        # The column is JSON: look for the quoted code in its text, then make sure.
        for other in others.filter(barcodes__icontains=f'"{code}"'):
            if code in other.barcodes:
                raise DomainError(
                    "barcode_taken", f"“{other.name}” ({other.sku}) has the barcode {code}."
                )


def change_words(product: Product, before: dict[str, Any]) -> str:
    """What differs from the values ``before``, for the preview: ``price 3.50 → 3.99, name changed``."""
    words = []
    for field, old in before.items():
        new = getattr(product, field)
        if new == old:
            continue
        if field in ("price", "cost"):
            old_words = checks.money_words(product.account, old)
            words.append(f"{field} {old_words} → {checks.money_words(product.account, new)}")
        elif field == "active":
            words.append("back in the range" if new else "removed")
        else:
            words.append(f"{field} changed")
    return ", ".join(words)


def remove_product(product: Product, user: User | None) -> None:
    """Take a product out of the range; registers forget it with the next publication."""
    change_product(product, {"active": False}, user)


def schedule_price(
    product: Product, amount: int, since: datetime, user: User | None
) -> PriceChange:
    """From ``since`` (naive: each store's wall clock) the product costs ``amount`` minor units.

    A change at the same moment is replaced. Errors: ``bad_price``, ``bad_time``, ``not_permitted``.
    """
    check_may_edit(user, product)
    if since.tzinfo is not None:
        raise DomainError("bad_time", "The time of a price change is the wall clock of the store.")
    checks.clean_price(amount)
    words = f"price {checks.money_words(product.account, amount)} from {since:%Y-%m-%d %H:%M}"
    with transaction.atomic():
        change, _ = PriceChange.objects.update_or_create(
            product=product, since=since.replace(tzinfo=UTC), defaults={"amount": amount}
        )
        record_change(product.account, kinds.PRODUCT, product.id, words, user)
    return change


def cancel_price(change: PriceChange, user: User | None) -> None:
    """Drop a dated price. Errors: ``not_permitted``, ``not_found``."""
    product = change.product
    check_may_edit(user, product)
    with transaction.atomic():
        change.delete()
        words = f"price from {change.since:%Y-%m-%d %H:%M} dropped"
        record_change(product.account, kinds.PRODUCT, product.id, words, user)


def stop_products(
    account: Account, ids: Iterable[UUID], stopped: bool, user: User | None, by: str = ""
) -> int:
    """Mark products as sold out, or as there again: at once, without other drafts of theirs.

    Returns how many of them changed. Error: ``not_permitted``.
    """
    require(user, Permission.BO_CATALOGUE)
    products = Product.objects.filter(account=account, id__in=list(ids)).exclude(stopped=stopped)
    with transaction.atomic():
        found = [product.id for product in products.select_for_update()]
        Product.objects.filter(account=account, id__in=found).update(stopped=stopped)
        keys = [(kinds.PRODUCT, product) for product in found]
        record_changes(account, keys, "sold out" if stopped else "available again", user)
    if found:
        publish_now(account, keys, by or name_of(user))
    return len(found)


def create_category(account: Account, name: str, user: User | None) -> Category:
    """A new category, last in order, as a draft. Errors: ``taken``, ``bad_value``, ``not_permitted``."""
    place = Category.objects.filter(account=account).order_by("-position").first()
    category = Category(
        account=account,
        name=checks.clean_text(name, "name", checks.CATEGORY_LENGTH),
        position=place.position + 1 if place else 0,
    )
    save_draft(category, "new category", user)
    return category


def delete_category(category: Category, user: User | None) -> None:
    """Its products stay, without a category. Errors: ``not_permitted``, ``not_found``."""
    check_may_edit(user, category)
    with transaction.atomic():
        products = Product.objects.filter(category=category)
        keys = [(kinds.PRODUCT, product) for product in products.values_list("id", flat=True)]
        products.update(category=None)
        record_changes(category.account, keys, f"category “{category}” deleted", user)
        delete_draft(category, "deleted", user)


def create_tax_rate(account: Account, name: str, rate: Decimal, user: User | None) -> TaxRate:
    """A new rate as a draft, ``rate`` in percent. Errors: ``bad_tax``, ``taken``, ``bad_value``."""
    check_rate(rate)
    row = TaxRate(account=account, name=checks.clean_text(name, "name", 60), rate=rate)
    save_draft(row, "new tax rate", user)
    return row


def delete_tax_rate(rate: TaxRate, user: User | None) -> None:
    """Error: ``in_use`` while products have the rate or it is the account's default."""
    check_may_edit(user, rate)
    if rate.account.default_tax == rate.id or Product.objects.filter(tax=rate).exists():
        raise in_use(rate)
    delete_draft(rate, "deleted", user)
