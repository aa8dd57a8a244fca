"""Wrong PINs in a row, counted on disk so that a restart does not forget them."""

from datetime import datetime

import msgspec

from stillopen.register.store.database import Database


class PinState(msgspec.Struct, frozen=True):
    """``unblock`` is the last value of ``RegisterSettings.unblock`` that was taken note of."""

    strikes: int
    blocked_at: datetime | None
    unblock: str | None


class PinStore:
    def __init__(self, db: Database) -> None:
        self._db = db

    def state(self) -> PinState:
        return self._db.recall("pin", self._read)

    def _read(self) -> PinState:
        row = self._db.one("SELECT strikes, blocked_at, unblock FROM pin")
        if row is None:
            return PinState(0, None, None)
        return PinState(row[0], datetime.fromisoformat(row[1]) if row[1] else None, row[2])

    def strike(self) -> int:
        """Count one more; how many there are now. Inside a transaction."""
        self._write("UPDATE pin SET strikes = strikes + 1")
        return self.state().strikes

    def forgive(self) -> None:
        """A right PIN ends the row. Inside a transaction."""
        self._write("UPDATE pin SET strikes = 0, blocked_at = NULL")

    def block(self, at: datetime) -> None:
        self._write("UPDATE pin SET blocked_at = ?", at.isoformat())

    def note_unblock(self, value: str | None) -> None:
        self._write("UPDATE pin SET unblock = ?", value)

    def _write(self, sql: str, *parameters: object) -> None:
        self._db.forget("pin")
        self._db.execute(sql, *parameters)
