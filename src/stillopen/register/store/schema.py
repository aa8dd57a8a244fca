"""The tables of journal.db. Migrations only add; entry bytes are never rewritten."""

from stillopen.register.store.database import Database

#: One script per version; the file's ``user_version`` is how many have run.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
    CREATE TABLE epoch (
        ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, label TEXT NOT NULL, machine TEXT NOT NULL
    );
    CREATE TABLE entry (
        epoch TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        prev_hash BLOB NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL,
        occurred_at TEXT NOT NULL, business_day TEXT NOT NULL, shift TEXT,
        employee TEXT, employee_name TEXT NOT NULL, receipt TEXT, total INTEGER,
        UNIQUE (epoch, seq)
    );
    CREATE INDEX entry_unsent ON entry (epoch, seq, kind, total, occurred_at);
    CREATE INDEX entry_receipt ON entry (receipt) WHERE receipt IS NOT NULL;
    CREATE TABLE counter (
        epoch TEXT PRIMARY KEY, receipts INTEGER NOT NULL, z INTEGER NOT NULL,
        grand_total INTEGER NOT NULL
    );
    CREATE TABLE shift (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
    CREATE TABLE cart (
        id TEXT PRIMARY KEY, parked INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
        name TEXT NOT NULL, employee_name TEXT NOT NULL, changed_at TEXT NOT NULL
    );
    CREATE UNIQUE INDEX one_open_cart ON cart (parked) WHERE parked = 0;
    CREATE TABLE answered_request (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, body_hash BLOB NOT NULL, answer TEXT NOT NULL,
        at TEXT NOT NULL
    );
    CREATE TABLE pin (
        one INTEGER PRIMARY KEY CHECK (one = 1), strikes INTEGER NOT NULL, blocked_at TEXT,
        unblock TEXT
    );
    CREATE TABLE send_state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
    CREATE TABLE not_applied (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
        behind TEXT NOT NULL
    );
    CREATE TABLE sync_run (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE card_attempt (
        id TEXT PRIMARY KEY, cart TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL,
        asked_at TEXT NOT NULL, confirmed INTEGER NOT NULL
    );
    CREATE TABLE print_job (id INTEGER PRIMARY KEY, entry TEXT NOT NULL, done_at TEXT);
    CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO pin VALUES (1, 0, NULL, NULL);
    """,
    # Several epochs: an ack for each, and an anchor where the beginning was purged.
    """
    CREATE TABLE acked (epoch TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL);
    CREATE TABLE backed_up (epoch TEXT PRIMARY KEY, seq INTEGER NOT NULL);
    CREATE TABLE anchor (epoch TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL);
    INSERT INTO acked SELECT entry.epoch, entry.seq, entry.hash FROM entry
        WHERE entry.seq = (SELECT json_extract(CAST(body AS TEXT), '$.acked_seq') FROM send_state);
    CREATE TABLE held_back (
        id TEXT PRIMARY KEY, seq INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
        behind TEXT NOT NULL
    );
    """,
    # How often the Back Office tried to apply what it holds back.
    """
    ALTER TABLE held_back ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
    """,
    # Deactivated: the epochs of a register that this device was before.
    """
    ALTER TABLE epoch ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
    """,
    # Each index is one more page in each sale: what is unsent is counted as it grows, and a receipt is found by
    # its number, which grows with seq. From here on the shift's row says the counters and the cart that was
    # paid, and print_job is not used.
    """
    DROP INDEX entry_unsent;
    DROP INDEX entry_receipt;
    """,
)
VERSION = len(MIGRATIONS)


def migrate(db: Database) -> bool:
    """Bring the file up to :data:`VERSION`; False when the file is newer than this software."""
    found = file_version(db)
    for number, script in enumerate(MIGRATIONS[found:], start=found + 1):
        with db.transaction():
            for statement in script.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
    return found <= VERSION


def file_version(db: Database) -> int:
    row = db.one("PRAGMA user_version")
    return int(row[0]) if row else 0
