"""Reading the whole catalogue, a little at a time, to see whether it is what it should be.

The sums in the file are kept on write and say what was written; this one says what is there. So a flipped
bit, a lost row or one that should have gone is noticed, and its kind is fetched again.
"""

from collections.abc import Sequence

from stillopen.register.store.database import Database
from stillopen.sync.digest import Key, Sums, add, differing, from_bytes, row_digest
from stillopen.sync.messages import Digest

_VISIBLE = "born <= ? AND (dead IS NULL OR dead > ?)"


class Audit:
    """Of one generation. :meth:`step` until it is done, then :meth:`result`."""

    def __init__(self, db: Database, generation: int) -> None:
        self.generation = generation
        self._db = db
        self._at = 0
        self._sums: Sums = {}

    def step(self, limit: int) -> bool:
        """Look at up to ``limit`` rows; True when there are no more. ``sqlite3.DatabaseError`` where the
        file itself is broken."""
        rows = self._db.query(
            f"SELECT n, scope, kind, id, payload FROM row WHERE n > ? AND {_VISIBLE} ORDER BY n LIMIT ?",
            self._at,
            self.generation,
            self.generation,
            limit,
        )
        for _, scope, kind, record, payload in rows:
            add(self._sums, (scope, kind), row_digest(kind, record, payload))
        self._at = rows[-1][0] if rows else self._at
        return len(rows) < limit

    def result(self) -> tuple[Key, ...] | None:
        """What differs from what the server said (nothing where that is not known); None when a switch
        came between."""
        told, generation = read_told(self._db)
        if generation != self.generation:
            return None
        return differing(self._sums, told) if told else ()


def read_told(db: Database) -> tuple[Sequence[Digest], int]:
    """What the server said the digests are, and in which generation."""
    rows = db.query("SELECT generation, scope, kind, value FROM meta LEFT JOIN told")
    told = [Digest(scope, kind, value) for _, scope, kind, value in rows if scope is not None]
    return told, rows[0][0] if rows else 0


def read_sums(db: Database) -> Sums:
    """The sums kept on write."""
    rows = db.query("SELECT scope, kind, value FROM sum")
    return {(scope, kind): from_bytes(value) for scope, kind, value in rows}
