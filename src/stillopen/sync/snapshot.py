"""The file that a register keeps its catalogue in, so that the Back Office can make one that is ready.

A snapshot is such a file with all rows of the account scope, in generation 1, with their cursor and sums,
compressed with zstd. Neither program imports the other: tables, search and how a product is found are
said here once. Another layout is another ``VERSION``, hence another ``FORMAT``; who does not know a format
takes pages.
"""

from collections.abc import Iterator
from unicodedata import combining, normalize

import msgspec

from stillopen.sync import records
from stillopen.sync.records import ProductRecord

#: ``PRAGMA user_version`` of the file.
VERSION = 2
#: Named in ``Pull.formats`` and ``SnapshotOffer.format``.
FORMAT = f"catalogue-sqlite-{VERSION}+zstd"
#: From this many rows on a file is worth making; fewer come as two pages.
WORTH = 2000

#: A row is visible in generation g when ``born <= g`` and it is not dead by then. ``sum`` are the digests
#: of what is visible (sync/digest.py), ``told`` what the server said they should be.
TABLES = (
    """CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL,
        server_epoch TEXT NOT NULL)""",
    "CREATE TABLE cursor (scope TEXT PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL)",
    """CREATE TABLE sum (scope TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (scope, kind)) WITHOUT ROWID""",
    """CREATE TABLE told (scope TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (scope, kind)) WITHOUT ROWID""",
    """CREATE TABLE row (
        n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL,
        seq INTEGER NOT NULL, payload BLOB NOT NULL, born INTEGER NOT NULL, dead INTEGER)""",
    """CREATE TABLE barcode (code TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (code, n))
        WITHOUT ROWID""",
    """CREATE TABLE product (
        n INTEGER PRIMARY KEY, sku TEXT NOT NULL, name TEXT NOT NULL, category TEXT)""",
    """CREATE VIRTUAL TABLE words USING fts5 (
        name, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2')""",
    "INSERT INTO meta VALUES (1, 0, '')",
)
#: Made after the rows where there are many: that is faster, and leaves them packed.
INDEXES = (
    "CREATE INDEX row_key ON row (kind, id, scope)",
    "CREATE INDEX row_scope ON row (scope, n) WHERE dead IS NULL",
    "CREATE INDEX row_born ON row (born)",
    "CREATE INDEX row_dead ON row (dead) WHERE dead IS NOT NULL",
    "CREATE INDEX barcode_row ON barcode (n)",
    "CREATE INDEX product_sku ON product (sku)",
    "CREATE INDEX product_name ON product (name)",
    "CREATE INDEX product_category ON product (category, name)",
)
INSERT_ROW = "INSERT INTO row (n, kind, id, scope, seq, payload, born) VALUES (?,?,?,?,?,?,?)"
INSERT_PRODUCT = "INSERT INTO product VALUES (?,?,?,?)"
INSERT_WORDS = "INSERT INTO words (rowid, name) VALUES (?,?)"
INSERT_BARCODE = "INSERT INTO barcode VALUES (?,?)"


def fold(text: str) -> str:
    """For looking up: no case, no accents."""
    if text.isascii():
        return text.casefold().strip()
    plain = normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not combining(c)).strip()


def decode_or_none(payload: bytes) -> records.Record | None:
    """None for a record that this software does not understand; its bytes are kept all the same."""
    try:
        return records.decode(payload)
    except (msgspec.DecodeError, ValueError):
        return None


class Found(msgspec.Struct):
    """What the search keeps of row ``n`` of a product, as parameters of the INSERTs above."""

    product: tuple[int, str, str, str | None]
    words: tuple[int, str]
    barcodes: list[tuple[str, int]]


def found_by(n: int, kind: str, payload: bytes) -> Found | None:
    """How row ``n`` is found; None for what is no product."""
    record = decode_or_none(payload) if kind == "product" else None
    if not isinstance(record, ProductRecord):
        return None
    return Found(
        product=(n, fold(record.sku), fold(record.name), record.category),
        words=(n, record.name),
        barcodes=[(code, n) for code in sorted({c.strip() for c in record.barcodes})],
    )


def is_hash(text: str) -> bool:
    """Whether ``text`` can be the hash of a snapshot file: 64 hex digits in small letters."""
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def statements() -> Iterator[str]:
    """What makes an empty file."""
    yield from TABLES
    yield from INDEXES
    yield f"PRAGMA user_version = {VERSION}"
