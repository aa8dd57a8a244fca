"""The tables of live.db: stock and receipts of the store, as they came down. The file may be thrown away.

A level is visible in generation g when it is the newest one born by then, and not before the floor (a
transfer that replaced everything). Receipts never change: they are visible as soon as they are here.
"""

from stillopen.register.store.database import Database

VERSION = 1

_TABLES = """
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, floor INTEGER NOT NULL,
        server_epoch TEXT NOT NULL, counts BLOB NOT NULL
    );
    CREATE TABLE cursor (scope TEXT PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL);
    CREATE TABLE level (
        product TEXT NOT NULL, born INTEGER NOT NULL, milli INTEGER, PRIMARY KEY (product, born)
    ) WITHOUT ROWID;
    CREATE INDEX level_born ON level (born);
    CREATE TABLE receipt (
        id TEXT PRIMARY KEY, born INTEGER NOT NULL, number TEXT NOT NULL, register TEXT NOT NULL,
        occurred_at TEXT NOT NULL, business_day TEXT NOT NULL, cashier TEXT NOT NULL,
        total INTEGER NOT NULL, body BLOB NOT NULL
    );
    CREATE INDEX receipt_number ON receipt (number);
    CREATE INDEX receipt_time ON receipt (occurred_at, id);
    CREATE INDEX receipt_born ON receipt (born)
"""


def make_tables(db: Database) -> None:
    with db.transaction():
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES (1, 0, 0, '', '')")
        db.execute(f"PRAGMA user_version = {VERSION}")
