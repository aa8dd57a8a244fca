"""Sales of products that the Back Office does not know: applied, told of, and booked on another where a
person has said which one is meant."""

import uuid
from collections.abc import Iterable, Sequence
from functools import lru_cache

from stillopen.backoffice.ingest.fact import APPLIED, Fact, Finding, Place
from stillopen.backoffice.ingest.sql import Cursor, canonical
from stillopen.backoffice.ingest.tables import LINE, MOVEMENT, Row

UNKNOWN = "unknown_product"
_PRODUCT_OF_LINE, _PRODUCT_OF_MOVEMENT = 3, 4  # columns


def check_products(cursor: Cursor, place: Place, facts: Sequence[Fact]) -> None:
    """Needs the register's row locked: a person who says what a product is holds them all meanwhile."""
    ready = [fact for fact in facts if fact.status == APPLIED and MOVEMENT in fact.rows]
    named = {str(row[_PRODUCT_OF_MOVEMENT]) for fact in ready for row in fact.rows[MOVEMENT]}
    unknown = named - known_products(cursor, place, named)
    if not unknown:
        return
    aliases = _aliases(cursor, place, unknown)
    for fact in ready:
        _settle(fact, unknown, aliases)


def known_products(cursor: Cursor, place: Place, products: Iterable[str]) -> set[str]:
    """Those of ``products`` that are products of the account, removed ones included."""
    ids = [place.db.uid(product) for product in products if _is_id(product)]
    if not ids:
        return set()
    # The account is compared here: with both to choose from, SQLite reads all products of the account.
    cursor.execute(
        f"SELECT id, account_id FROM catalogue_product WHERE {place.db.among('id')}",
        (place.db.many(ids),),
    )
    account = place.source.account
    return {canonical(row[0]) for row in cursor.fetchall() if canonical(row[1]) == account}


@lru_cache(65536)
def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _aliases(cursor: Cursor, place: Place, products: set[str]) -> dict[str, str]:
    cursor.execute(
        f"""SELECT product_id, target FROM ingest_alias
        WHERE account_id = %s AND {place.db.among("product_id")}""",
        (place.account, place.db.many(products)),
    )
    return {product: canonical(target) for product, target in cursor.fetchall()}


def _settle(fact: Fact, unknown: set[str], aliases: dict[str, str]) -> None:
    moved: list[Row] = []
    for row in fact.rows[MOVEMENT]:
        product = str(row[_PRODUCT_OF_MOVEMENT])
        if product in aliases:
            row = (*row[:_PRODUCT_OF_MOVEMENT], aliases[product], *row[_PRODUCT_OF_MOVEMENT + 1 :])
        elif product in unknown:
            fact.findings.append(_finding(fact, product))
        moved.append(row)
    fact.rows[MOVEMENT] = moved


def _finding(fact: Fact, product: str) -> Finding:
    line = next(row for row in fact.rows[LINE] if row[_PRODUCT_OF_LINE] == product)
    sku, name, _, price, _, tax_name, tax_rate = line[4:11]
    return Finding(
        UNKNOWN,
        f"“{name!s}” was sold, but there is no such product here. The sale stands; its stock waits for "
        "somebody to say which product it is.",
        {
            "product": product, "sku": sku, "name": name, "price": price,
            "tax": tax_name, "tax_rate": tax_rate, "receipt": fact.number,
        },
        key=f"{UNKNOWN}:{product}",
    )  # fmt: skip
