"""A journal.db as the first version of the software left it, with entries that were not sent yet."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from stillopen.register.store.schema import MIGRATIONS

#: In version 1 the ack was a number in the state of sending.
FORMER_STATE = {
    "nonce": "",
    "acked_seq": 0,
    "server_epoch": "server-1",
    "last_exchange_at": "2026-03-02T11:00:00Z",
    "last_sync_at": None,
    "stopped": "",
}


def make_version_1(journal: Path, acked: int) -> None:
    """Turn ``journal``, which the present software made and closed, into a file of schema version 1: its
    tables, its rows, and nothing that came later; entries up to ``acked`` have been sent."""
    former = journal.with_suffix(".v1")
    with closing(sqlite3.connect(former)) as db:
        db.executescript(MIGRATIONS[0])
        db.execute("DELETE FROM pin")
        db.execute("ATTACH ? AS present", (str(journal),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            columns = ", ".join(r[1] for r in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM present.{table}"
            )
        db.execute("DELETE FROM main.send_state")
        state = msgspec.json.encode(FORMER_STATE | {"acked_seq": acked})
        db.execute("INSERT INTO main.send_state VALUES (1, ?)", (state,))
        db.execute("PRAGMA user_version = 1")
        db.commit()
    for beside in journal.parent.glob(f"{journal.name}*"):
        beside.unlink()
    former.rename(journal)
