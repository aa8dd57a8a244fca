"""Writing catalogue.db: staging a transfer beside the generation in force, the switch, cleaning up."""

from collections.abc import Iterable, Sequence
from itertools import islice
from unicodedata import combining, normalize

import msgspec

from stillopen.register.store.database import Database
from stillopen.sync import records
from stillopen.sync.messages import Cursor, FeedRow
from stillopen.sync.records import ProductRecord

#: Rows per transaction, so that no sale waits long for the disk.
CHUNK = 1000


def fold(text: str) -> str:
    """For looking up: no case, no accents."""
    plain = normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not combining(c)).strip()


def decode_or_none(payload: bytes) -> records.Record | None:
    """None for a record that this software does not understand; its bytes are kept all the same."""
    try:
        return records.decode(payload)
    except (msgspec.DecodeError, ValueError):
        return None


class FeedWriter:
    """The one that writes; every method is a transaction, or a row of short ones."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._staged: dict[str, int] = {}
        self._changed = 0
        self._snapshot = False
        self.active = False

    @property
    def generation(self) -> int:
        row = self._db.one("SELECT generation FROM meta")
        return int(row[0]) if row else 0

    def staged(self) -> dict[str, int]:
        return dict(self._staged)

    def begin(self, snapshot: bool) -> None:
        self.discard()
        self._snapshot = snapshot
        self.active = True

    def discard(self) -> None:
        """Undo whatever a transfer that never ended has left, a chunk at a time."""
        generation = self.generation
        while self._take_back(generation):
            pass
        self._staged, self._changed = {}, 0
        self._snapshot = self.active = False

    def _take_back(self, generation: int) -> bool:
        with self._db.transaction():
            revived = self._db.execute(
                "UPDATE row SET dead = NULL WHERE n IN (SELECT n FROM row WHERE dead > ? LIMIT ?)",
                generation,
                CHUNK,
            )
            born = self._db.query("SELECT n FROM row WHERE born > ? LIMIT ?", generation, CHUNK)
            self._remove(born)
        return bool(revived or born)

    def stage(self, rows: Sequence[FeedRow]) -> None:
        if not self.active:
            self.begin(snapshot=False)
        coming = iter(rows)
        while chunk := list(islice(coming, CHUNK)):
            with self._db.transaction():
                born = self.generation + 1
                for row in chunk:
                    self._stage_row(row, born)
        for row in rows:
            self._staged[row.scope] = max(row.seq, self._staged.get(row.scope, 0))

    def _stage_row(self, row: FeedRow, born: int) -> None:
        present = self._db.query(
            "SELECT n, born, payload FROM row WHERE kind = ? AND id = ? AND scope = ? AND dead IS NULL",
            row.kind,
            row.id,
            row.scope,
        )
        again = [(n,) for n, was_born, _ in present if was_born == born]
        self._remove(again)
        for n, was_born, _ in present:
            if was_born != born:
                self._db.execute("UPDATE row SET dead = ? WHERE n = ?", born, n)
        self._changed += not again
        if not row.deleted:
            self._insert(row, born)

    def _insert(self, row: FeedRow, born: int) -> None:
        self._db.execute(
            "INSERT INTO row (kind, id, scope, seq, payload, born) VALUES (?,?,?,?,?,?)",
            row.kind,
            row.id,
            row.scope,
            row.seq,
            row.payload,
            born,
        )
        n = self._db.query("SELECT last_insert_rowid()")[0][0]
        record = decode_or_none(row.payload) if row.kind == "product" else None
        if isinstance(record, ProductRecord):
            self._index(n, record)

    def _index(self, n: int, record: ProductRecord) -> None:
        self._db.execute(
            "INSERT INTO product VALUES (?,?,?,?)",
            n,
            fold(record.sku),
            fold(record.name),
            record.category,
        )
        self._db.execute("INSERT INTO words (rowid, name) VALUES (?, ?)", n, record.name)
        for code in set(record.barcodes):
            self._db.execute("INSERT INTO barcode VALUES (?, ?)", code.strip(), n)

    def _remove(self, numbers: Iterable[tuple[int]]) -> None:
        for (n,) in numbers:
            self._db.execute("DELETE FROM words WHERE rowid = ?", n)
            self._db.execute("DELETE FROM product WHERE n = ?", n)
            self._db.execute("DELETE FROM barcode WHERE n = ?", n)
            self._db.execute("DELETE FROM row WHERE n = ?", n)

    def switch(self, heads: Sequence[Cursor], server_epoch: str) -> int:
        """Everything staged becomes visible with its cursors, in one transaction."""
        new = self.generation + 1
        kept = {head.scope for head in heads}
        for (scope,) in self._db.query("SELECT DISTINCT scope FROM row WHERE dead IS NULL"):
            if self._snapshot or scope not in kept:
                self._let_die(scope, new)
        with self._db.transaction():
            self._db.execute("UPDATE meta SET generation = ?, server_epoch = ?", new, server_epoch)
            self._db.execute("DELETE FROM cursor")
            self._db.execute_many(
                "INSERT INTO cursor VALUES (?,?,?)", [(h.scope, h.seq, h.chain) for h in heads]
            )
        changed, self._changed = self._changed, 0
        self._staged, self._snapshot, self.active = {}, False, False
        return changed

    def _let_die(self, scope: str, new: int) -> None:
        """Mark the rows of ``scope`` that were not staged anew; they stay visible until the switch."""
        while True:
            with self._db.transaction():
                touched = self._db.execute(
                    "UPDATE row SET dead = ? WHERE n IN (SELECT n FROM row"
                    " WHERE scope = ? AND dead IS NULL AND born < ? LIMIT ?)",
                    new,
                    scope,
                    new,
                    CHUNK,
                )
            if touched < CHUNK:
                return

    def clean(self, limit: int) -> bool:
        with self._db.transaction():
            dead = self._db.query(
                "SELECT n FROM row WHERE dead <= ? LIMIT ?", self.generation, limit
            )
            self._remove(dead)
        return len(dead) == limit

    def cursors(self) -> tuple[Cursor, ...]:
        rows = self._db.query("SELECT scope, seq, chain FROM cursor ORDER BY scope")
        return tuple(Cursor(*row) for row in rows)

    def server_epoch(self) -> str:
        row = self._db.one("SELECT server_epoch FROM meta")
        return str(row[0]) if row else ""
