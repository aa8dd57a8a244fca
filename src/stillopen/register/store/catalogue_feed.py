"""Writing catalogue.db: staging a transfer beside the generation in force, the switch, cleaning up."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from stillopen.register.store.catalogue_audit import read_sums, read_told
from stillopen.register.store.database import Database
from stillopen.sync import snapshot
from stillopen.sync.digest import Key, Sums, add, differing, merge, row_digest, to_bytes
from stillopen.sync.messages import Cursor, Digest, FeedRow

#: Rows per transaction, at most: what is committed at once is flushed at once, and a sale waits for that.
CHUNK = 200
#: Between two chunks of a long transfer the disk and the processor are the till's (seconds).
PAUSE = 0.002
#: From this many rows on another file is worth it.
LARGE = 5000
#: Row numbers looked through by one statement for those that have to go.
_LOOK = 5000

#: The scopes of what is in force: one step in the index for each. DISTINCT would read all of its entries.
_SCOPES = """WITH RECURSIVE found(scope) AS (
    SELECT min(scope) FROM row WHERE dead IS NULL
    UNION ALL
    SELECT (SELECT min(scope) FROM row WHERE dead IS NULL AND scope > found.scope)
    FROM found WHERE found.scope IS NOT NULL
) SELECT scope FROM found WHERE scope IS NOT NULL"""

_Present = dict[tuple[str, str, str], tuple[int, int, bytes]]  # key → n, born, payload


class FeedWriter:
    """The one that writes; every method is a transaction, or a row of short ones."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # What only a switch changes is kept here: whoever asks for it must not wait for a chunk to end.
        self.generation = 0
        self._cursors: tuple[Cursor, ...] = ()
        self._server_epoch = ""
        self._read_meta()
        self._staged: dict[str, int] = {}
        self._came: Sums = {}  # of the rows that are staged
        self._went: Sums = {}  # of the rows in force whose place they take
        self._changed = 0
        self._snapshot = False
        self.active = False

    def _read_meta(self) -> None:
        row = self._db.one("SELECT generation, server_epoch FROM meta")
        self.generation, self._server_epoch = (int(row[0]), str(row[1])) if row else (0, "")
        rows = self._db.query("SELECT scope, seq, chain FROM cursor ORDER BY scope")
        self._cursors = tuple(Cursor(*row) for row in rows)

    def is_large(self) -> bool:
        return int(self._db.query("SELECT coalesce(max(n), 0) FROM row")[0][0]) > LARGE

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
        self._forget()

    def _forget(self) -> None:
        self._staged, self._came, self._went, self._changed = {}, {}, {}, 0
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

    # -- staging -----------------------------------------------------------------------------

    def stage(self, rows: Sequence[FeedRow]) -> None:
        if not self.active:
            self.begin(snapshot=False)
        coming = iter(rows)
        while chunk := list(islice(coming, CHUNK)):
            self._stage_chunk({(r.kind, r.id, r.scope): r for r in chunk})
            if len(chunk) == CHUNK:
                time.sleep(PAUSE)
        for row in rows:
            self._staged[row.scope] = max(row.seq, self._staged.get(row.scope, 0))

    def _stage_chunk(self, rows: dict[tuple[str, str, str], FeedRow]) -> None:
        """One row per key: of two in a chunk the later counts."""
        with self._db.transaction():
            born = self.generation + 1
            present = self._present(rows)
            again = {key: was for key, was in present.items() if was[1] == born}
            old = {key: was for key, was in present.items() if was[1] != born}
            self._remove([(n,) for n, _, _ in again.values()])
            self._db.execute_many(
                "UPDATE row SET dead = ? WHERE n = ?", [(born, n) for n, _, _ in old.values()]
            )
            self._insert([row for row in rows.values() if not row.deleted], born)
        self._count(rows, old, again)

    def _present(self, rows: Iterable[tuple[str, str, str]]) -> _Present:
        """Those of ``rows`` that are here: as staged before, else as in force."""
        found: _Present = {}
        for key in rows:
            for n, born, payload in self._db.query(
                "SELECT n, born, payload FROM row"
                " WHERE kind = ? AND id = ? AND scope = ? AND dead IS NULL",
                *key,
            ):
                found[key] = (n, born, payload)
        return found

    def _insert(self, rows: Sequence[FeedRow], born: int) -> None:
        first = self._db.query("SELECT coalesce(max(n), 0) + 1 FROM row")[0][0]
        numbered = list(enumerate(rows, first))
        self._db.execute_many(
            snapshot.INSERT_ROW,
            [(n, r.kind, r.id, r.scope, r.seq, r.payload, born) for n, r in numbered],
        )
        found = [
            f for n, r in numbered if (f := snapshot.found_by(n, r.kind, r.payload)) is not None
        ]
        self._db.execute_many(snapshot.INSERT_PRODUCT, [f.product for f in found])
        self._db.execute_many(snapshot.INSERT_WORDS, [f.words for f in found])
        self._db.execute_many(snapshot.INSERT_BARCODE, [c for f in found for c in f.barcodes])

    def _count(
        self, rows: dict[tuple[str, str, str], FeedRow], old: _Present, again: _Present
    ) -> None:
        """Keep the sums, now that the chunk is written."""
        for (kind, record, scope), (_, _, payload) in old.items():
            add(self._went, (scope, kind), row_digest(kind, record, payload))
        for (kind, record, scope), (_, _, payload) in again.items():
            add(self._came, (scope, kind), -row_digest(kind, record, payload))
        for row in rows.values():
            if not row.deleted:
                add(self._came, (row.scope, row.kind), row_digest(row.kind, row.id, row.payload))
        self._changed += len(rows) - len(again)

    def _remove(self, numbers: Sequence[tuple[int]]) -> None:
        for table, column in (("words", "rowid"), ("product", "n"), ("barcode", "n"), ("row", "n")):
            self._db.execute_many(f"DELETE FROM {table} WHERE {column} = ?", numbers)

    # -- the switch --------------------------------------------------------------------------

    def switch(
        self,
        heads: Sequence[Cursor],
        server_epoch: str,
        told: Sequence[Digest] = (),
        repaired: Sequence[Key] = (),
    ) -> int:
        """Everything staged becomes visible with its cursors and sums, in one transaction."""
        new = self.generation + 1
        sums = self._sums_after({head.scope for head in heads}, repaired)
        for scope, kind, born in self._leaving({head.scope for head in heads}, repaired, new):
            self._let_die(scope, kind, born, new)
        with self._db.transaction():
            self._db.execute("UPDATE meta SET generation = ?, server_epoch = ?", new, server_epoch)
            self._replace("cursor", [(h.scope, h.seq, h.chain) for h in heads])
            self._replace("sum", [(*key, to_bytes(value)) for key, value in sums.items()])
            self._replace("told", [(d.scope, d.kind, d.sum) for d in told])
        self._read_meta()
        changed = self._changed
        self._forget()
        return changed

    def _sums_after(self, kept: set[str], repaired: Sequence[Key]) -> Sums:
        """What the sums will be: before, less what went, plus what came. Of what is replaced as a whole
        only what came counts."""
        sums: Sums = {}
        if not self._snapshot:
            sums = {k: v for k, v in read_sums(self._db).items() if k not in repaired}
            went = {k: -v for k, v in self._went.items() if k not in repaired}
            merge(sums, went)
        merge(sums, self._came)
        return {key: value for key, value in sums.items() if key[0] in kept and value}

    def _leaving(
        self, kept: set[str], repaired: Sequence[Key], new: int
    ) -> Iterator[tuple[str, str, int]]:
        """(scope, kind, generation): rows born before that go; kind "" is all of the scope.

        Of a scope that is no longer the register's, not even what was staged stays.
        """
        scopes = self._db.query(_SCOPES)
        for (scope,) in scopes:
            if scope not in kept:
                yield scope, "", new + 1
            elif self._snapshot:
                yield scope, "", new
            else:
                yield from ((*pair, new) for pair in repaired if pair[0] == scope)

    def _let_die(self, scope: str, kind: str, born: int, new: int) -> None:
        """Mark these rows, a chunk at a time; what is in force stays visible until the switch.

        Mostly there are none among very many: they are looked for outside of the transactions.
        """
        last = self._db.query("SELECT coalesce(max(n), 0) FROM row")[0][0]
        for start in range(0, last, _LOOK):
            dying = self._db.query(
                "SELECT n FROM row WHERE scope = ? AND dead IS NULL AND n > ? AND n <= ?"
                " AND born < ? AND ? IN ('', kind)",
                *(scope, start, start + _LOOK, born, kind),
            )
            for first in range(0, len(dying), CHUNK):
                with self._db.transaction():
                    marks = [(new, n) for (n,) in dying[first : first + CHUNK]]
                    self._db.execute_many("UPDATE row SET dead = ? WHERE n = ?", marks)
                time.sleep(PAUSE)

    def _replace(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.execute(f"DELETE FROM {table}")
        self._db.execute_many(f"INSERT INTO {table} VALUES (?,?,?)", rows)

    def clean(self, limit: int) -> bool:
        with self._db.transaction():
            dead = self._db.query(
                "SELECT n FROM row WHERE dead <= ? LIMIT ?", self.generation, limit
            )
            self._remove(dead)
        return len(dead) == limit

    # -- what it says of itself --------------------------------------------------------------

    def cursors(self) -> tuple[Cursor, ...]:
        return self._cursors

    def server_epoch(self) -> str:
        return self._server_epoch

    def differing(self) -> tuple[Key, ...]:
        """Where the sums kept on write are not what the server said; nothing where it said nothing."""
        told, _ = read_told(self._db)
        return differing(read_sums(self._db), told) if told else ()
