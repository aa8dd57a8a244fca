"""catalogue.db: the records of the feed by generation, barcodes, and the search. May be deleted any time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from stillopen.sync.messages import Cursor, FeedRow
from stillopen.sync.records import (
    AccountSettings,
    CategoryRecord,
    EmployeeRecord,
    PaymentTypeRecord,
    ProductRecord,
    QuickKeysRecord,
    RegisterSettings,
    RoleRecord,
    StoreSettings,
    TaxRateRecord,
)


class Item(msgspec.Struct, frozen=True):
    """A product with its record id."""

    id: str
    record: ProductRecord


class Catalogue:
    """Readers see one generation; a transfer is staged beside it and becomes visible in one switch."""

    server_epoch: str
    generation: int

    @classmethod
    def open(cls, path: Path) -> "Catalogue":
        """Leftovers of an unfinished transfer are discarded; a broken file is replaced by an empty one."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called after each switch."""
        raise NotImplementedError

    # -- feed: for the syncer ----------------------------------------------------------------

    def cursors(self) -> tuple[Cursor, ...]:
        """In force, ordered by scope; empty before the first sync."""
        raise NotImplementedError

    def staged(self) -> dict[str, int]:
        """scope → highest seq staged in the running transfer; {} when there is none."""
        raise NotImplementedError

    def begin(self, snapshot: bool) -> None:
        """Begin a transfer (abandoning one that runs); ``snapshot``: its rows replace everything."""
        raise NotImplementedError

    def stage(self, rows: Sequence[FeedRow]) -> None:
        """Write rows into the next generation, at most 1 000 per transaction; invisible so far."""
        raise NotImplementedError

    def switch(self, heads: Sequence[Cursor], server_epoch: str) -> int:
        """Make the staged rows visible and take ``heads`` as cursors, in one transaction.

        Scopes that are not in ``heads`` lose their rows. Returns how many rows changed.
        """
        raise NotImplementedError

    def abandon(self) -> None:
        """Discard the running transfer, if any."""
        raise NotImplementedError

    def clean(self, limit: int = 1000) -> bool:
        """Remove up to ``limit`` rows that no generation shows; True while there are more."""
        raise NotImplementedError

    # -- readers ----------------------------------------------------------------------------

    def count(self, kind: str) -> int:
        raise NotImplementedError

    def account_settings(self) -> AccountSettings | None:
        raise NotImplementedError

    def store_settings(self) -> StoreSettings | None:
        raise NotImplementedError

    def register_settings(self) -> RegisterSettings | None:
        raise NotImplementedError

    def product(self, product_id: str) -> Item | None:
        raise NotImplementedError

    def products(self, ids: Sequence[str]) -> list[Item]:
        """Those that exist, in the order given."""
        raise NotImplementedError

    def by_barcode(self, code: str) -> Item | None:
        raise NotImplementedError

    def by_sku(self, sku: str) -> Item | None:
        """Exact; case does not matter where that is unambiguous."""
        raise NotImplementedError

    def search(self, text: str, limit: int = 50, offset: int = 0) -> list[Item]:
        """By the beginnings of words of the name, by SKU and by barcode. Never raises on odd input."""
        raise NotImplementedError

    def in_category(self, category: str, limit: int = 100, offset: int = 0) -> list[Item]:
        """Ordered by name."""
        raise NotImplementedError

    def tax_rates(self) -> dict[str, TaxRateRecord]:
        raise NotImplementedError

    def categories(self) -> list[tuple[str, CategoryRecord]]:
        """(id, record) by position, then name."""
        raise NotImplementedError

    def quick_keys(self) -> list[tuple[str, QuickKeysRecord]]:
        """Pages by position, then name."""
        raise NotImplementedError

    def employees(self) -> dict[str, EmployeeRecord]:
        """By record id, those of this register's store."""
        raise NotImplementedError

    def roles(self) -> dict[str, RoleRecord]:
        raise NotImplementedError

    def payment_types(self) -> list[PaymentTypeRecord]:
        """By position."""
        raise NotImplementedError
