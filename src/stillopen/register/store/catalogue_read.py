"""Reading catalogue.db in the generation in force, on a connection of its own."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from stillopen.register.store.database import Database
from stillopen.sync.records import ProductRecord, Record
from stillopen.sync.snapshot import decode_or_none, fold

R = TypeVar("R", bound=Record)

_VISIBLE = "row.born <= ? AND (row.dead IS NULL OR row.dead > ?)"
_FIELDS = "row.id, row.scope, row.payload"
_WORD = re.compile(r"\w+")
_MAX_TEXT = 200
_MAX_WORDS = 12
#: From this many characters on, the search ranks; below, it goes by the alphabet.
RANK_FROM = 3
#: More matches than this are not put in order.
MANY = 500

Found = tuple[str, ProductRecord]


def _clean(text: str) -> str:
    """What SQLite can take as text: no lone surrogates, no NUL."""
    return text[:_MAX_TEXT].encode("utf-8", "ignore").decode().replace("\0", "").strip()


def _precedence(scope: str) -> int:
    """A register's own record stands above its store's, that above the account's."""
    return {"register": 2, "store": 1}.get(scope.split(":")[0], 0)


class Snapshot:
    """One generation. A new object per generation, so what it remembers never goes stale."""

    def __init__(self, db: Database, generation: int) -> None:
        self._db = db
        self.generation = generation
        self._kinds: dict[type, dict[str, object]] = {}
        self._counts: dict[str, int] = {}

    def count(self, kind: str, db: Database | None = None) -> int:
        """Remembered; ``db``: another connection to the same file, to let other readers go on meanwhile."""
        if kind not in self._counts:
            sql = f"SELECT count(DISTINCT id) FROM row WHERE kind = ? AND {_VISIBLE}"
            rows = (db or self._db).query(sql, kind, self.generation, self.generation)
            self._counts[kind] = rows[0][0]
        return self._counts[kind]

    def all_of(self, kind: str, record_type: type[R]) -> dict[str, R]:
        """Record id → record, for the kinds of which there are few; remembered."""
        if record_type not in self._kinds:
            rows = self._rows(f"SELECT {_FIELDS} FROM row WHERE kind = ?", kind)
            self._kinds[record_type] = dict(_best(rows, record_type))
        return self._kinds[record_type]  # type: ignore[return-value]

    def product(self, product_id: str) -> Found | None:
        return self._first(
            f"SELECT {_FIELDS} FROM row WHERE kind = 'product' AND id = ?", product_id
        )

    def by_barcode(self, code: str) -> Found | None:
        return self._first(
            f"SELECT {_FIELDS} FROM barcode JOIN row ON row.n = barcode.n WHERE code = ?",
            _clean(code),
        )

    def by_sku(self, sku: str) -> Found | None:
        found = self._products(
            f"SELECT {_FIELDS} FROM product JOIN row ON row.n = product.n WHERE sku = ?",
            fold(_clean(sku)),
        )
        exact = [item for item in found if item[1].sku == sku]
        if exact:
            return exact[0]
        return found[0] if len(found) == 1 else None

    def in_category(self, category: str, limit: int, offset: int) -> list[Found]:
        return self._products(
            f"SELECT {_FIELDS} FROM product JOIN row ON row.n = product.n WHERE category = ?",
            category,
            end=f"ORDER BY name LIMIT {int(limit)} OFFSET {int(offset)}",
        )

    def search(self, text: str, limit: int, offset: int) -> list[Found]:
        """Codes first, then names; each product once."""
        wanted = offset + limit
        found: dict[str, ProductRecord] = {}
        for source in self._sources(_clean(text), wanted):
            for product_id, record in source():
                found.setdefault(product_id, record)
            if len(found) >= wanted:
                break
        return list(found.items())[offset:wanted]

    def _sources(self, text: str, limit: int) -> Iterator[Callable[[], list[Found]]]:
        words = _WORD.findall(text)[:_MAX_WORDS]
        if not text:
            yield lambda: self._by_start("name", "", limit)
            return
        yield lambda: [x for x in [self.by_barcode(text)] if x]
        yield lambda: self._by_start("sku", fold(text), limit)
        yield lambda: self._by_start("name", fold(text), limit)
        if words and max(map(len, words)) > 1:
            yield lambda: self._by_words(words, limit, len(text) >= RANK_FROM)

    def _by_start(self, column: str, start: str, limit: int) -> list[Found]:
        return self._products(
            f"SELECT {_FIELDS} FROM product JOIN row ON row.n = product.n"
            f" WHERE product.{column} >= ? AND product.{column} < ?",
            start,
            start + "\U0010ffff",
            end=f"ORDER BY product.{column} LIMIT {int(limit)}",
        )

    def _by_words(self, words: list[str], limit: int, ranked: bool) -> list[Found]:
        match = " ".join(f'"{word}"*' for word in words)
        order = f"ORDER BY {'rank' if ranked else 'words.name'}"
        if self._are_many(match):
            order = ""  # as filed: putting thousands in order takes longer than the next key press
        return self._products(
            f"SELECT {_FIELDS} FROM words JOIN row ON row.n = words.rowid WHERE words MATCH ?",
            match,
            end=f"{order} LIMIT {int(limit)}",
        )

    def _are_many(self, match: str) -> bool:
        sql = f"SELECT 1 FROM words WHERE words MATCH ? LIMIT {MANY + 1}"
        return len(self._db.query(sql, match)) > MANY

    def _first(self, sql: str, *parameters: object) -> Found | None:
        found = self._products(sql, *parameters)
        return found[0] if found else None

    def _products(self, sql: str, *parameters: object, end: str = "") -> list[Found]:
        return list(_best(self._rows(sql, *parameters, end=end), ProductRecord))

    def _rows(self, sql: str, *parameters: object, end: str = "") -> list[tuple[str, str, bytes]]:
        rows = self._db.query(
            f"{sql} AND {_VISIBLE} {end}", *parameters, self.generation, self.generation
        )
        return [(row[0], row[1], row[2]) for row in rows]


def _best(rows: list[tuple[str, str, bytes]], record_type: type[R]) -> Iterator[tuple[str, R]]:
    """The record of highest precedence per id, in the order met; what cannot be read is passed over."""
    order: dict[str, tuple[str, bytes]] = {}
    for record_id, scope, payload in rows:
        if record_id not in order or _precedence(scope) > _precedence(order[record_id][0]):
            order[record_id] = (scope, payload)
    for record_id, (_, payload) in order.items():
        record = decode_or_none(payload)
        if isinstance(record, record_type):
            yield record_id, record
