"""Stock that people state, as against stock that sales move."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.backoffice.stock.models import Level, Movement

IMPORT = "import"
_CHUNK = 500


@transaction.atomic
def set_initial_stock(
    account: Account, store: Store, levels: Iterable[tuple[UUID, Decimal]], source: str
) -> int:
    """Make the stock of each product in ``store`` what ``levels`` says, by a movement of the difference.

    ``source`` (at most 60 letters) names the import and is used once. Returns the number of movements;
    products whose level is right already get none.
    """
    wanted = {str(product): quantity for product, quantity in levels}
    movements: list[Movement] = []
    for ids in _chunks(sorted(wanted)):
        now = _locked_levels(account, store, ids)
        changed: list[Level] = []
        for product in ids:
            difference = wanted[product] - now[product].quantity
            if difference:
                movements.append(
                    Movement(
                        account_id=account.id,
                        source=source,
                        line=len(movements) + 1,
                        store_id=store.id,
                        product_id=product,
                        reason=IMPORT,
                        quantity=difference,
                        occurred_at=timezone.now(),
                    )
                )
                now[product].quantity, now[product].dirty = wanted[product], True
                changed.append(now[product])
        _store_levels(changed)
    Movement.objects.bulk_create(movements, batch_size=_CHUNK)
    return len(movements)


def _locked_levels(account: Account, store: Store, products: list[str]) -> dict[str, Level]:
    """The level of each product, made if it is new, locked in the order of the ids as ingest does."""
    key = {"account_id": account.id, "store_id": store.id}
    Level.objects.bulk_create(
        [Level(**key, product_id=product, quantity=Decimal(0)) for product in products],
        ignore_conflicts=True,
    )
    rows = Level.objects.select_for_update().filter(**key, product_id__in=products)
    return {level.product_id: level for level in rows.order_by("product_id")}


def _store_levels(levels: list[Level]) -> None:
    Level.objects.bulk_create(
        levels,
        update_conflicts=True,
        unique_fields=["account_id", "store_id", "product_id"],
        update_fields=["quantity", "dirty"],
    )


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
