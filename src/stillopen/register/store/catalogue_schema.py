"""The tables of catalogue.db are those of sync/snapshot.py, so that the Back Office can make the file.

The file may be thrown away, so there are no migrations: another version of the tables starts an empty
file, and a snapshot fills it.
"""

from stillopen.register.store.database import Database
from stillopen.sync.snapshot import VERSION, statements

__all__ = ["VERSION", "make_tables"]


def make_tables(db: Database) -> None:
    with db.transaction():
        for statement in statements():
            db.execute(statement)
