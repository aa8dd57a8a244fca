"""Saying what product a sale meant: an existing one, or one that is made now. The stock follows by a
correcting movement; sales that name the same unknown product later are booked on it at once."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import IntegrityError

from stillopen.backoffice.accounts.access import require
from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.catalogue.verbs import ProductValues, create_product
from stillopen.backoffice.ingest.decisions import SETTLED, decision_row, spot_of
from stillopen.backoffice.ingest.fact import Place
from stillopen.backoffice.ingest.fixes import CREATE_PRODUCT, MAP_PRODUCT
from stillopen.backoffice.ingest.models import Alias, ExceptionItem
from stillopen.backoffice.ingest.products import UNKNOWN, known_products
from stillopen.backoffice.ingest.resolve import Decider, locked, open_item
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.backoffice.ingest.tables import DECISION, MOVEMENT, Row
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

CORRECTION = "correction"  # reason of the movements


def map_to(account: Account, exception: UUID, product: UUID, by: Decider, now: datetime) -> Product:
    """The unknown product of ``exception`` is ``product``. In all stores: a product belongs to the account.

    Errors: ``not_permitted``, ``not_found``, ``settled``, ``fix_not_possible``.
    """
    require(by.user, Permission.BO_CATALOGUE)
    item, _ = open_item(account.id, exception, MAP_PRODUCT)
    target = Product.objects.filter(account=account, id=product).first()
    if target is None:
        raise DomainError("not_found", "There is no such product.")
    with engine().transaction() as cursor:
        place = _locked_all(cursor, item)
        _settle(cursor, place, item, target, MAP_PRODUCT, by, now)
    return target


def create(
    account: Account, exception: UUID, values: ProductValues, by: Decider, now: datetime
) -> Product:
    """Make the product that was sold (a draft until it is published), with the id that the sale names.

    Errors: as for :func:`map_to` and those of ``catalogue.verbs.create_product``.
    """
    item, _ = open_item(account.id, exception, CREATE_PRODUCT)
    with engine().transaction() as cursor:
        place = _locked_all(cursor, item)
        made = create_product(account, values, by.user, _free_id(item))
        _settle(cursor, place, item, made, CREATE_PRODUCT, by, now)
    return made


def _free_id(item: ExceptionItem) -> UUID | None:
    """The id that the sale names, where it is one and no other account's product has it."""
    try:
        named = UUID(unknown_of(item))
    except ValueError:
        return None
    taken = str(named) != unknown_of(item) or Product.objects.filter(id=named).exists()
    return None if taken else named


def unknown_of(item: ExceptionItem) -> str:
    """The id that the sales name."""
    return str(item.details.get("product", ""))


def _locked_all(cursor: Cursor, item: ExceptionItem) -> Place:
    """All registers of the account, in order: no sale comes in between looking and moving."""
    cursor.execute(
        f"SELECT r.id FROM devices_register r WHERE account_id = %s ORDER BY id {engine().lock('r')}",
        (engine().uid(str(item.account_id)),),
    )
    cursor.fetchall()
    place = locked(cursor, item)
    cursor.execute(
        "SELECT resolved_at FROM ingest_exceptionitem WHERE id = %s", (place.db.uid(str(item.id)),)
    )
    if cursor.fetchone()[0] is not None:
        raise DomainError("settled", "This exception is settled already.")
    return place


def _settle(
    cursor: Cursor,
    place: Place,
    item: ExceptionItem,
    target: Product,
    fix: str,
    by: Decider,
    now: datetime,
) -> None:
    unknown, wanted = unknown_of(item), str(target.id)
    decision = str(uuid4())
    moved: list[str] = []
    if unknown != wanted:
        if unknown in known_products(cursor, place, [unknown]):
            raise DomainError("settled", "This product is known by now; mark it as seen.")
        _alias(item, unknown, target)
        moved = _move(cursor, place, unknown, wanted, f"{fix}:{decision}"[:60], now)
    _close_all(cursor, place, unknown, now)
    about = {
        **by.details, "product": wanted, "sku": target.sku, "name": target.name, "moved": moved
    }  # fmt: skip
    row = decision_row(
        place, spot_of(item), fix, item.code, SETTLED, by.name, now, about, str(item.id)
    )
    place.db.insert(cursor, DECISION, [row])


def _alias(item: ExceptionItem, unknown: str, target: Product) -> None:
    try:
        Alias.objects.create(account_id=item.account_id, product_id=unknown, target=target.id)
    except IntegrityError:
        raise DomainError("settled", "Somebody has said which product it is already.") from None


def _move(
    cursor: Cursor, place: Place, unknown: str, wanted: str, source: str, now: datetime
) -> list[str]:
    """Take the whole level of ``unknown`` over to ``wanted``, store by store; returns the quantities."""
    cursor.execute(
        """SELECT store_id, quantity FROM stock_level
        WHERE account_id = %s AND product_id = %s ORDER BY store_id""",
        (place.account, unknown),
    )
    levels = [(canonical(s), Decimal(str(q))) for s, q in cursor.fetchall()]
    rows: list[Row] = []
    changes: list[tuple[str, str, Decimal]] = []
    for store, quantity in levels:
        for product, change in ((unknown, -quantity), (wanted, quantity)) if quantity else ():
            line, at = len(rows) + 1, place.db.moment(now)
            key = place.db.uid(store)
            rows.append((place.account, source, line, key, product, CORRECTION, str(change), at))
            changes.append((key, product, change))
    place.db.insert(cursor, MOVEMENT, rows)
    place.db.add_levels(cursor, place.account, _in_order(changes))
    return [str(quantity.normalize()) for _, quantity in levels if quantity]


def _in_order(changes: Sequence[tuple[str, str, Decimal]]) -> list[tuple[str, str, Decimal]]:
    return sorted(changes, key=lambda change: change[:2])


def _close_all(cursor: Cursor, place: Place, unknown: str, now: datetime) -> None:
    """Every register's exception about this product."""
    items = ExceptionItem.objects.filter(
        account_id=place.source.account, code=UNKNOWN, resolved_at=None
    )
    ids = [str(i.id) for i in items if unknown_of(i) == unknown]
    ExceptionItem.objects.filter(id__in=ids).update(resolved_at=now)
