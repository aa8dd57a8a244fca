"""Making a snapshot file: a register's catalogue with all rows of the account scope, sorted, compressed."""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from stillopen.backoffice.feed.digests import read_digests
from stillopen.backoffice.feed.heads import read_heads
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.sync import snapshot

SCOPE = "account"
_ROWS = 5000  # read and written at a time
_LEVEL = 3  # of zstd: twice the time for a tenth less is no bargain
_PIECE = 1024 * 1024
_NOTHING = "00000000-0000-0000-0000-000000000000"


class Built(msgspec.Struct, frozen=True):
    """A compressed file, where it stands, and the BLAKE2b-256 of it in hex."""

    path: Path
    epoch: str
    seq: int
    rows: int
    hash: str


def build(account: str, place: Path) -> Built:
    """Read the account scope in one snapshot into a file in ``place``. Not inside a transaction."""
    file = place / "catalogue.db"
    with engine().snapshot() as cursor:
        heads = read_heads(cursor, account, (SCOPE,))
        head = heads.heads[0]
        db = sqlite3.connect(file, isolation_level=None)
        try:
            rows = _fill(db, cursor, account)
            db.execute("UPDATE meta SET generation = 1, server_epoch = ?", (heads.epoch,))
            db.execute("INSERT INTO cursor VALUES (?,?,?)", (SCOPE, head.seq, head.chain))
            sums = [(d.scope, d.kind, d.sum) for d in read_digests(cursor, account, (SCOPE,))]
            db.executemany("INSERT INTO sum VALUES (?,?,?)", sums)
            _finish(db)
        finally:
            db.close()
    packed = place / "catalogue.zst"
    _compress(file, packed)
    return Built(packed, heads.epoch, head.seq, rows, _hash(packed))


def _fill(db: sqlite3.Connection, cursor: Cursor, account: str) -> int:
    """Tables and rows; the number of rows. What is not yet durable may be lost: the file is made anew."""
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -65536")
    db.execute("BEGIN")
    for statement in snapshot.TABLES:
        db.execute(statement)
    count = 0
    for rows in _read(cursor, account):
        _write(db, rows, count + 1)
        count += len(rows)
    return count


def _read(cursor: Cursor, account: str) -> Iterator[Sequence[tuple[Any, ...]]]:
    """(seq, kind, record, payload) of what is not deleted, by kind and record."""
    db, kind, record = engine(), "", _NOTHING
    while True:
        cursor.execute(
            """SELECT seq, kind, record, payload, deleted FROM feed_published
            WHERE account_id = %s AND scope = %s AND (kind, record) > (%s, %s)
            ORDER BY kind, record LIMIT %s""",
            (db.uid(account), SCOPE, kind, db.uid(record), _ROWS),
        )
        rows = [(n, k, canonical(r), bytes(p), gone) for n, k, r, p, gone in cursor.fetchall()]
        if not rows:
            return
        kind, record = rows[-1][1], rows[-1][2]
        yield [row[:4] for row in rows if not row[4]]


def _write(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], first: int) -> None:
    numbered = list(enumerate(rows, first))
    db.executemany(
        snapshot.INSERT_ROW,
        [(n, kind, record, SCOPE, seq, payload, 1) for n, (seq, kind, record, payload) in numbered],
    )
    found = [
        f
        for n, (_, kind, _, payload) in numbered
        if (f := snapshot.found_by(n, kind, payload)) is not None
    ]
    db.executemany(snapshot.INSERT_PRODUCT, [f.product for f in found])
    db.executemany(snapshot.INSERT_WORDS, [f.words for f in found])
    db.executemany(snapshot.INSERT_BARCODE, [c for f in found for c in f.barcodes])


def _finish(db: sqlite3.Connection) -> None:
    for statement in snapshot.INDEXES:
        db.execute(statement)
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    db.execute(f"PRAGMA user_version = {snapshot.VERSION}")
    db.execute("COMMIT")


def _compress(source: Path, target: Path) -> None:
    with source.open("rb") as raw, target.open("wb") as packed:
        size = source.stat().st_size
        zstandard.ZstdCompressor(level=_LEVEL).copy_stream(raw, packed, size=size)


def _hash(path: Path) -> str:
    digest = blake2b(digest_size=32)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
