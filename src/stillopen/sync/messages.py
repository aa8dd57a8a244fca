"""The messages of the sync API, ``/sync/v1/…``: MessagePack, compressed with zstd when large.

Both programs import these; docs/sync-protocol.md describes them for a stranger. Every field that is
added later has a default, so that old and new software can talk.
"""

from datetime import datetime
from typing import Literal

import msgspec

from stillopen.sync.chain import StoredEntry

#: Protocol versions that this software speaks.
PROTOCOL_MIN = 1
PROTOCOL_MAX = 1


class Cursor(msgspec.Struct, frozen=True):
    """Where a register stands in one scope of the feed: always at the end of a publication."""

    scope: str  # "account" | "store:<id>" | "register:<id>"
    seq: int
    chain: bytes  # chain hash of the publication that ended at ``seq``


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """What the register holds that the server has not acknowledged; ``value`` in minor units."""

    count: int = 0
    value: int = 0
    oldest_at: datetime | None = None


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """The register asks for feed rows. ``cursors`` are in force; ``staged`` is how far each scope has been
    staged beyond them (scope → seq) while pages are coming. ``snapshot``: from nothing."""

    server_epoch: str
    cursors: tuple[Cursor, ...] = ()
    staged: dict[str, int] = {}
    snapshot: bool = False


class ExchangeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Up. Signed by the device key over ``nonce ‖ SHA-256(this message's bytes)``; see sync/proof.py."""

    protocol: tuple[int, int] = (PROTOCOL_MIN, PROTOCOL_MAX)
    software: str = ""
    register: str
    nonce: bytes  # the last answer's; empty when there was none
    request: int  # counts up; the answer repeats it
    epoch: str
    head_seq: int
    head_hash: bytes
    entries: tuple[StoredEntry, ...] = ()
    cursors_hash: bytes = b""
    pull: Pull | None = None
    unsent: Unsent = Unsent()
    shift_open: bool | None = None
    clock: datetime | None = None
    journal_count: int = 0  # receipts made in this epoch
    retry: bool = False  # a person asked to apply the quarantined ones again


class NotApplied(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that the server holds but could not apply yet."""

    seq: int
    id: str
    status: Literal["waiting", "quarantined"]
    code: str
    behind: str = ""  # id of the entry it waits behind


class Ack(msgspec.Struct, frozen=True):
    """Everything of ``epoch`` up to ``seq`` (contiguous) is stored; ``hash`` is that entry's."""

    epoch: str
    seq: int
    hash: bytes


class FeedRow(msgspec.Struct, frozen=True):
    scope: str
    seq: int
    kind: str
    id: str
    payload: bytes  # JSON of the record; empty when deleted
    deleted: bool = False


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows to stage. With ``more=False`` the page was read together with ``heads`` in one snapshot: the
    register applies all that it staged and takes ``heads`` as its cursors, in one switch. ``snapshot``
    says that the rows are the whole content and replace what was there. ``since`` is where the rows
    begin in each scope: when that is not where the register had got to, it drops what it staged."""

    server_epoch: str
    rows: tuple[FeedRow, ...]
    more: bool
    since: dict[str, int]
    heads: tuple[Cursor, ...] = ()
    snapshot: bool = False
    total: int = 0  # rows of the whole transfer as far as known, for the progress bar


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """``rewind`` (re-send from ``seq`` + 1), ``new_epoch``, ``snapshot``, ``upgrade``, ``revoked``."""

    do: Literal["rewind", "new_epoch", "snapshot", "upgrade", "revoked"]
    seq: int = 0
    reason: str = ""


class ExchangeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Down. ``stale`` answers carry ack and nonce and nothing else."""

    request: int
    nonce: bytes
    ack: Ack
    stale: bool = False
    server_time: datetime | None = None
    not_applied: tuple[NotApplied, ...] = ()
    feed_behind: bool = False  # the cursors are not at the heads: pull
    page: FeedPage | None = None
    instructions: tuple[Instruction, ...] = ()
    backed_up: Ack | None = None
    retry_after: float | None = None  # seconds


class ActivateRequest(msgspec.Struct, frozen=True, kw_only=True):
    account: str  # Account ID as shown to people
    license_key: str
    public_key: bytes  # Ed25519, 32 bytes
    fingerprint: str  # of the machine
    device: str  # its name, for people
    epoch: str
    software: str = ""


class ActivateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    register: str
    register_name: str
    store: str
    store_code: str
    store_name: str
    account: str
    account_name: str
    currency: str
    epoch_label: str
    pepper: bytes
    nonce: bytes
    server_epoch: str
    server_time: datetime


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Any answer other than 200, as JSON: ``{"code", "message", "details"}``."""

    code: str
    message: str
    details: dict[str, object] = {}
