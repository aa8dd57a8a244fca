"""The register's row, its epochs and its raw entries, in the transaction of an exchange."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.ingest.fact import QUARANTINED, Fact, Place, Source
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.backoffice.ingest.tables import ENTRY
from stillopen.sync.lineage import Branch
from stillopen.sync.messages import Ack, ExchangeRequest, Gap, NotApplied

#: A register is told of at most so many entries that are not applied.
MAX_NOT_APPLIED = 200


class Device(msgspec.Struct, frozen=True):
    """A device of a register as an exchange needs to know it. ``public_key`` is empty when none is bound;
    ``former``: another device has taken its place since."""

    source: Source
    state: str
    public_key: bytes
    nonce: bytes
    machine: str = ""
    former: bool = False


_DEVICE = """SELECT r.account_id, r.store_id, a.currency, r.state, r.public_key, r.nonce, r.fingerprint
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
    account, store, currency, state, key, nonce, machine = row
    source = Source(canonical(account), register, canonical(store), currency)
    return Device(source, state, bytes(key or b""), bytes(nonce or b""), machine)


def former_devices(cursor: Cursor, device: Device) -> list[Device]:
    """The devices that were bound to the register before ``device``, as if each were revoked."""
    source, db = device.source, engine()
    cursor.execute(
        """SELECT public_key, nonce FROM devices_formerdevice
        WHERE account_id = %s AND register_id = %s""",
        (db.uid(source.account), db.uid(source.register)),
    )
    return [
        Device(source, "revoked", bytes(key), bytes(nonce or b""), former=True)
        for key, nonce in cursor.fetchall()
    ]


def new_epoch(source: Source, request: ExchangeRequest, now: datetime) -> str:
    """Take a new run of numbering in; returns its label."""
    register = Register(id=source.register, account_id=source.account)
    made = request.journal_count if not request.former else 1
    return open_epoch(register, request.epoch, now, request.label, made).label


def keep_label(cursor: Cursor, place: Place, epoch: str, label: str) -> None:
    """What the register has printed on receipts counts."""
    cursor.execute(
        """UPDATE devices_epoch SET label = %s
        WHERE account_id = %s AND register_id = %s AND epoch = %s""",
        (label, *place.ids, epoch),
    )


def open_branch(source: Source, epoch: str, branch: Branch, label: str, now: datetime) -> None:
    """A line of history of its own, behind what it has in common with its parent."""
    Epoch.objects.create(
        account_id=source.account,
        register_id=source.register,
        branch=branch.name,
        epoch=epoch,
        parent=branch.parent,
        base_seq=branch.base,
        label=label,
        acked_seq=branch.seq,
        acked_hash=branch.hash,
        created_at=now,
    )


def keep_gaps(
    cursor: Cursor, place: Place, branch: str, gaps: Sequence[Gap], now: datetime
) -> None:
    """A mark in place of what is missing for good, so that the chain can be followed over it."""
    rows = [
        (
            *place.ids, branch, gap.last, f"gap:{branch[:15]}:{gap.last}", "gap", "",
            b"", gap.hash, b"", "applied", "gap", "", place.db.moment(now),
        )
        for gap in gaps
    ]  # fmt: skip
    place.db.insert(cursor, ENTRY, rows)


def keep_entries(cursor: Cursor, place: Place, facts: Iterable[Fact]) -> None:
    """Store the raw entries with what became of each."""
    account, register = place.ids
    rows = [
        (
            account, register, f.branch, f.entry.seq, f.id, f.kind, f.aggregate, f.entry.prev_hash,
            f.entry.hash, f.entry.body, f.status, f.code, f.behind, f.received,
        )
        for f in facts
    ]  # fmt: skip
    place.db.insert(cursor, ENTRY, rows)


def move_ack(cursor: Cursor, place: Place, branch: str, ack: Ack) -> None:
    cursor.execute(
        """UPDATE devices_epoch SET acked_seq = %s, acked_hash = %s
        WHERE account_id = %s AND register_id = %s AND branch = %s""",
        (ack.seq, ack.hash, *place.ids, branch),
    )


def not_applied(cursor: Cursor, place: Place, epoch: str) -> tuple[NotApplied, ...]:
    """The register's entries that are held but not applied, those of ``epoch`` first."""
    cursor.execute(
        """SELECT seq, entry_id, status, code, behind, (
            SELECT count(*) FROM ingest_decision d WHERE d.account_id = e.account_id
            AND d.register_id = e.register_id AND d.branch = e.branch AND d.seq = e.seq
        ) FROM ingest_entry e
        WHERE account_id = %s AND register_id = %s AND NOT (status = 'applied')
        ORDER BY CASE WHEN branch = %s THEN 0 ELSE 1 END, branch, seq LIMIT %s""",
        (*place.ids, epoch, MAX_NOT_APPLIED),
    )
    return tuple(
        NotApplied(
            seq=seq,
            id=entry,
            status="quarantined" if status == QUARANTINED else "waiting",
            code=code,
            behind=behind,
            tries=1 + tried if status == QUARANTINED else 0,
        )
        for seq, entry, status, code, behind, tried in cursor.fetchall()
    )


def set_register(cursor: Cursor, place: Place, changes: dict[str, Any], wait: bool = True) -> None:
    """Set columns of the register's row; the names are ours, never a message's. Without ``wait`` the
    transaction that this ends need not be on the disk."""
    lasting = "TRUE" if wait else place.db.need_not_wait()
    cursor.execute(
        f"UPDATE devices_register SET {_columns(changes)} WHERE id = %s AND {lasting}",
        (*changes.values(), place.register),
    )


def set_unchanged(
    cursor: Cursor, place: Place, device: Device, nonce: bytes, changes: dict[str, Any]
) -> bool:
    """The same, not waiting, where the row still is active, of ``device``, in its store, and has ``nonce``.
    False: it is not, and nothing was set."""
    cursor.execute(
        f"""UPDATE devices_register SET {_columns(changes)} WHERE id = %s AND nonce = %s
        AND state = 'active' AND public_key = %s AND fingerprint = %s AND store_id = %s
        AND {place.db.need_not_wait()}""",
        (
            *(*changes.values(), place.register, nonce),
            *(device.public_key, device.machine, place.store),
        ),
    )
    return cursor.rowcount == 1


def _columns(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name} = %s" for name in changes)


def set_former(cursor: Cursor, place: Place, public_key: bytes, changes: dict[str, Any]) -> None:
    """Set columns of the row of a device that was bound to the register before."""
    cursor.execute(
        f"""UPDATE devices_formerdevice SET {_columns(changes)}
        WHERE account_id = %s AND register_id = %s AND public_key = %s""",
        (*changes.values(), *place.ids, public_key),
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
