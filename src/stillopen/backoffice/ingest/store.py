"""The register's row, its epochs and its raw entries, in the transaction of an exchange."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.fact import QUARANTINED, Fact, Place, Source
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.backoffice.ingest.tables import ENTRY
from stillopen.sync.chain import GENESIS
from stillopen.sync.messages import Ack, ExchangeRequest, NotApplied

#: A register is told of at most so many entries that are not applied.
MAX_NOT_APPLIED = 200


class Device(msgspec.Struct, frozen=True):
    """A register as an exchange needs to know it. ``public_key`` is empty when no device is bound."""

    source: Source
    state: str
    public_key: bytes
    nonce: bytes


_DEVICE = """SELECT r.account_id, r.store_id, a.currency, r.state, r.public_key, r.nonce
    FROM devices_register r JOIN accounts_account a ON a.id = r.account_id WHERE r.id = %s"""


def find_device(cursor: Cursor, register: str) -> Device | None:
    """``register`` is a canonical UUID; None when there is no such register."""
    return _device(cursor, register, _DEVICE)


def lock_device(cursor: Cursor, register: str) -> Device | None:
    """The same, with the row locked until the transaction ends."""
    return _device(cursor, register, f"{_DEVICE} {engine().lock('r')}")


def _device(cursor: Cursor, register: str, sql: str) -> Device | None:
    cursor.execute(sql, (engine().uid(register),))
    row = cursor.fetchone()
    if row is None:
        return None
    account, store, currency, state, key, nonce = row
    source = Source(canonical(account), register, canonical(store), currency)
    return Device(source, state, bytes(key or b""), bytes(nonce or b""))


def read_ack(cursor: Cursor, place: Place, epoch: str) -> Ack | None:
    """Up to where ``epoch`` is stored; None for an epoch that is not known yet."""
    cursor.execute(
        """SELECT acked_seq, acked_hash FROM devices_epoch
        WHERE account_id = %s AND register_id = %s AND branch = %s""",
        (*place.ids, epoch),
    )
    row = cursor.fetchone()
    return None if row is None else Ack(epoch, row[0], bytes(row[1]))


def new_epoch(source: Source, epoch: str, now: datetime) -> Ack:
    """Take a new run of numbering in."""
    open_epoch(Register(id=source.register, account_id=source.account), epoch, now)
    return Ack(epoch, 0, GENESIS)


def held_hashes(cursor: Cursor, place: Place, branch: str, seqs: Sequence[int]) -> dict[int, bytes]:
    """The hashes of those of ``seqs`` that are stored."""
    if not seqs:
        return {}
    cursor.execute(
        f"""SELECT seq, hash FROM ingest_entry WHERE account_id = %s AND register_id = %s
        AND branch = %s AND {place.db.among("seq")}""",
        (*place.ids, branch, place.db.many(seqs)),
    )
    return {seq: bytes(value) for seq, value in cursor.fetchall()}


def keep_entries(cursor: Cursor, place: Place, facts: Iterable[Fact]) -> None:
    """Store the raw entries with what became of each."""
    rows = [
        (
            *place.ids, f.branch, f.entry.seq, f.id, f.kind, f.aggregate, f.entry.prev_hash,
            f.entry.hash, f.entry.body, f.status, f.code, f.behind, place.db.moment(f.received_at),
        )
        for f in facts
    ]  # fmt: skip
    place.db.insert(cursor, ENTRY, rows)


def move_ack(cursor: Cursor, place: Place, ack: Ack) -> None:
    cursor.execute(
        """UPDATE devices_epoch SET acked_seq = %s, acked_hash = %s
        WHERE account_id = %s AND register_id = %s AND branch = %s""",
        (ack.seq, ack.hash, *place.ids, ack.epoch),
    )


def not_applied(cursor: Cursor, place: Place, branch: str) -> tuple[NotApplied, ...]:
    """The register's entries that are held but not applied, those of ``branch`` first."""
    cursor.execute(
        """SELECT seq, entry_id, status, code, behind FROM ingest_entry
        WHERE account_id = %s AND register_id = %s AND NOT (status = 'applied')
        ORDER BY CASE WHEN branch = %s THEN 0 ELSE 1 END, branch, seq LIMIT %s""",
        (*place.ids, branch, MAX_NOT_APPLIED),
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


def set_register(cursor: Cursor, place: Place, changes: dict[str, Any]) -> None:
    """Set columns of the register's row; the names are ours, never a message's."""
    columns = ", ".join(f"{name} = %s" for name in changes)
    cursor.execute(
        f"UPDATE devices_register SET {columns} WHERE id = %s", (*changes.values(), place.register)
    )


def said(request: ExchangeRequest, place: Place, now: datetime) -> dict[str, Any]:
    """The columns that repeat what the register says of itself."""
    oldest = request.unsent.oldest_at
    return {
        "last_seen_at": place.db.moment(now),
        "software": request.software.replace("\0", "")[:40],
        "head_epoch": request.epoch,
        "head_seq": request.head_seq,
        "unsent_count": _bounded(request.unsent.count),
        "unsent_value": _bounded(request.unsent.value),
        "unsent_oldest_at": None if oldest is None else place.db.moment(oldest),
        "receipts_made": _bounded(request.journal_count),
        "shift_open": request.shift_open,
        "clock_offset": None if request.clock is None else (request.clock - now).total_seconds(),
    }


_LIMIT = 2**62


def _bounded(number: int) -> int:
    return max(-_LIMIT, min(number, _LIMIT))
