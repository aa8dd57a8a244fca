"""One SQLite file, one writer connection behind a lock, ``BEGIN IMMEDIATE``."""


class Database:
    """See journal.py for what lies in it."""
