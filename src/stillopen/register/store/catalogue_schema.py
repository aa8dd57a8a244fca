"""The tables of catalogue.db. The file may be thrown away, so there are no migrations: another version
of the tables starts an empty file, and a snapshot fills it.

A row is visible in generation g when ``born <= g`` and it is not dead by then. What is being staged has
``born`` (or ``dead``) one above the generation in force, so that no reader sees it before the switch.
"""

VERSION = 1

TABLES = """
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL,
        server_epoch TEXT NOT NULL
    );
    CREATE TABLE cursor (scope TEXT PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL);
    CREATE TABLE row (
        n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL,
        seq INTEGER NOT NULL, payload BLOB NOT NULL, born INTEGER NOT NULL, dead INTEGER
    );
    CREATE INDEX row_key ON row (kind, id, scope);
    CREATE INDEX row_scope ON row (scope, n) WHERE dead IS NULL;
    CREATE INDEX row_born ON row (born);
    CREATE INDEX row_dead ON row (dead) WHERE dead IS NOT NULL;
    CREATE TABLE barcode (code TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (code, n)) WITHOUT ROWID;
    CREATE INDEX barcode_row ON barcode (n);
    CREATE TABLE product (
        n INTEGER PRIMARY KEY, sku TEXT NOT NULL, name TEXT NOT NULL, category TEXT
    );
    CREATE INDEX product_sku ON product (sku);
    CREATE INDEX product_name ON product (name);
    CREATE INDEX product_category ON product (category, name);
    CREATE VIRTUAL TABLE words USING fts5 (
        name, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO meta VALUES (1, 0, '');
"""
