"""The register's row, its epochs and its raw entries, in the transaction of an exchange."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.fact import QUARANTINED, Fact, Source
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine, when
from stillopen.backoffice.ingest.tables import ENTRY
from stillopen.sync.chain import GENESIS
from stillopen.sync.messages import Ack, ExchangeRequest, NotApplied

#: A register is told of at most so many entries that are not applied.
MAX_NOT_APPLIED = 200


class Device(msgspec.Struct, frozen=True):
    """A register as an exchange needs to know it."""

    source: Source
    state: str
    public_key: bytes
    nonce: bytes


_DEVICE = """SELECT r.account_id, r.store_id, a.currency, r.state, r.public_key, r.nonce
    FROM devices_register r JOIN accounts_account a ON a.id = r.account_id WHERE r.id = %s"""


def find_device(cursor: Cursor, register: str) -> Device | None:
    """``register`` is a canonical UUID. None for one that does not exist or was never activated."""
    cursor.execute(_DEVICE, (engine().uid(register),))
    return _device(register, cursor.fetchone())


def lock_device(cursor: Cursor, register: str) -> Device | None:
    """The same, with the row locked until the transaction ends."""
    lock = engine().FOR_UPDATE
    cursor.execute(f"{_DEVICE} {lock}{' OF r' if lock else ''}", (engine().uid(register),))
    return _device(register, cursor.fetchone())


def lock_source(cursor: Cursor, register: str) -> Source | None:
    """Lock a register, whether a device is bound to it or not."""
    db = engine()
    lock = "FOR UPDATE OF r" if db.FOR_UPDATE else ""
    cursor.execute(f"{_DEVICE} {lock}", (db.uid(register),))
    row = cursor.fetchone()
    return None if row is None else _source(register, row)


def _source(register: str, row: Sequence[object]) -> Source:
    account, store, currency = row[:3]
    return Source(canonical(account), register, canonical(store), str(currency))


def _device(register: str, row: Sequence[object] | None) -> Device | None:
    if row is None or row[4] is None:
        return None
    state, key, nonce = row[3:]
    return Device(_source(register, row), str(state), bytes(key), bytes(nonce or b""))  # type: ignore[call-overload]


def read_ack(cursor: Cursor, source: Source, epoch: str) -> Ack | None:
    """Up to where ``epoch`` is stored; None for an epoch that is not known yet."""
    db = engine()
    cursor.execute(
        """SELECT acked_seq, acked_hash FROM devices_epoch
        WHERE account_id = %s AND register_id = %s AND branch = %s""",
        (db.uid(source.account), db.uid(source.register), epoch),
    )
    row = cursor.fetchone()
    return None if row is None else Ack(epoch, row[0], bytes(row[1]))


def new_epoch(source: Source, epoch: str, now: datetime) -> Ack:
    """Take a new run of numbering in; ``DomainError bad_epoch`` when it has no proper id."""
    open_epoch(Register(id=source.register, account_id=source.account), epoch, now)
    return Ack(epoch, 0, GENESIS)


def held_hashes(
    cursor: Cursor, source: Source, branch: str, seqs: Iterable[int]
) -> dict[int, bytes]:
    """The hashes of those of ``seqs`` that are stored."""
    wanted = list(seqs)
    if not wanted:
        return {}
    db = engine()
    cursor.execute(
        f"""SELECT seq, hash FROM ingest_entry WHERE account_id = %s AND register_id = %s
        AND branch = %s AND {db.among("seq")}""",
        (db.uid(source.account), db.uid(source.register), branch, db.many(wanted)),
    )
    return {seq: bytes(value) for seq, value in cursor.fetchall()}


def keep_entries(cursor: Cursor, facts: Sequence[Fact], source: Source) -> None:
    """Store the raw entries with what became of each."""
    db = engine()
    account, register = db.uid(source.account), db.uid(source.register)
    rows = [
        (
            account, register, f.branch, f.entry.seq, f.id, f.kind, f.aggregate,
            f.entry.prev_hash, f.entry.hash, f.entry.body, f.status, f.code, f.behind,
            db.moment(f.received_at),
        )
        for f in facts
    ]  # fmt: skip
    db.insert(cursor, ENTRY, rows)


def move_ack(cursor: Cursor, source: Source, ack: Ack) -> None:
    db = engine()
    cursor.execute(
        """UPDATE devices_epoch SET acked_seq = %s, acked_hash = %s
        WHERE account_id = %s AND register_id = %s AND branch = %s""",
        (ack.seq, ack.hash, db.uid(source.account), db.uid(source.register), ack.epoch),
    )


def not_applied(cursor: Cursor, source: Source, branch: str) -> tuple[NotApplied, ...]:
    """The register's entries that are held but not applied, those of ``branch`` first."""
    db = engine()
    cursor.execute(
        """SELECT seq, entry_id, status, code, behind FROM ingest_entry
        WHERE account_id = %s AND register_id = %s AND NOT (status = 'applied')
        ORDER BY CASE WHEN branch = %s THEN 0 ELSE 1 END, branch, seq LIMIT %s""",
        (db.uid(source.account), db.uid(source.register), branch, MAX_NOT_APPLIED),
    )
    return tuple(
        NotApplied(
            seq=seq,
            id=entry,
            status="quarantined" if status == QUARANTINED else "waiting",
            code=code,
            behind=behind,
        )
        for seq, entry, status, code, behind in cursor.fetchall()
    )


def set_nonce(cursor: Cursor, source: Source, nonce: bytes) -> None:
    cursor.execute(
        "UPDATE devices_register SET nonce = %s WHERE id = %s",
        (nonce, engine().uid(source.register)),
    )


def set_blocked(cursor: Cursor, source: Source, blocked: bool) -> None:
    cursor.execute(
        "UPDATE devices_register SET blocked = %s WHERE id = %s",
        (blocked, engine().uid(source.register)),
    )


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What the register's row is set to after an exchange; None leaves a column as it is."""

    now: datetime
    nonce: bytes
    request: ExchangeRequest
    cursors: dict[str, int] | None
    blocked: bool | None


_LIMIT = 2**62


def beat(cursor: Cursor, source: Source, heart: Heartbeat) -> None:
    """Keep what the register said of itself, and its new nonce."""
    db = engine()
    said = heart.request
    oldest = when(said.unsent.oldest_at)
    changes: dict[str, object] = {
        "nonce": heart.nonce,
        "last_seen_at": db.moment(heart.now),
        "software": said.software.replace("\0", "")[:40],
        "head_epoch": said.epoch,
        "head_seq": said.head_seq,
        "unsent_count": _bounded(said.unsent.count),
        "unsent_value": _bounded(said.unsent.value),
        "unsent_oldest_at": None if oldest is None else db.moment(oldest),
        "receipts_made": _bounded(said.journal_count),
        "shift_open": said.shift_open,
        "clock_offset": None if said.clock is None else (said.clock - heart.now).total_seconds(),
    }
    if heart.cursors is not None:
        changes["cursors"] = msgspec.json.encode(heart.cursors).decode()
    if heart.blocked is not None:
        changes["blocked"] = heart.blocked
    sets = ", ".join(f"{name} = %s" for name in changes)
    cursor.execute(
        f"UPDATE devices_register SET {sets} WHERE id = %s",
        (*changes.values(), db.uid(source.register)),
    )


def _bounded(number: int) -> int:
    return max(-_LIMIT, min(number, _LIMIT))
