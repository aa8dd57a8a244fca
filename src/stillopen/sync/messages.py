"""The messages of the sync API, ``/sync/v1/…``: MessagePack, compressed with zstd when large.

Both programs import these; docs/sync-protocol.md describes them for a stranger. Every field that is
added later has a default, so that old and new software can talk.
"""

from datetime import datetime

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


class Digest(msgspec.Struct, frozen=True):
    """The sum over all rows of one ``kind`` in one ``scope``, 16 bytes; see sync/digest.py."""

    scope: str
    kind: str
    sum: bytes


class Gap(msgspec.Struct, frozen=True):
    """The register no longer has its entries ``first`` … ``last``; ``hash`` is what the journal recorded
    as the hash of ``last``, so that the chain goes on from there."""

    first: int
    last: int
    hash: bytes


class Unsent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the register holds that the server has not acknowledged; ``value`` in minor units."""

    count: int = 0
    value: int = 0
    oldest_at: datetime | None = None


class Pull(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The register asks for feed rows. ``cursors`` are in force; ``staged`` is how far each scope has been
    staged beyond them (scope → seq) while pages are coming. ``snapshot``: from nothing. ``repair``:
    (scope, kind) of which all rows are wanted again, because their digest differs. ``formats``: of
    snapshot files that this register can take (sync/snapshot.py).

    In the live lane also: ``lines``, the ends of the register's former epochs as they lie on its disk;
    ``without``, the epoch whose receipts it has itself, all of them; ``most`` receipts fit in one page."""

    server_epoch: str
    cursors: tuple[Cursor, ...] = ()
    staged: dict[str, int] = {}
    snapshot: bool = False
    repair: tuple[tuple[str, str], ...] = ()
    formats: tuple[str, ...] = ()
    lines: tuple["Ack", ...] = ()
    without: str = ""
    most: int = 0  # 0: as the server likes


class ExchangeRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Up. Signed by the device key over ``nonce ‖ SHA-256(this message's bytes)``; see sync/proof.py.

    ``epoch`` is the run of numbering that is being sent: the oldest of which something is unsent, else
    the present one. ``acked`` is what the register believes to have arrived of it.
    """

    protocol: tuple[int, int]
    software: str = ""
    register: str
    nonce: bytes  # the last answer's; empty when there was none
    request: int  # counts up; the answer repeats it
    epoch: str
    former: bool = False  # a later epoch has begun; this one is only handed in
    label: str = ""  # in the receipt numbers of ``epoch``
    head_seq: int
    head_hash: bytes
    acked_seq: int = 0
    acked_hash: bytes = b""  # left out where ``acked_seq`` is the head
    machine: str = ""  # fingerprint of the machine that this runs on
    entries: tuple[StoredEntry, ...] = ()
    gaps: tuple[Gap, ...] = ()
    cursors_hash: bytes = b""
    pull: Pull | None = None
    live_hash: bytes = b""  # as cursors_hash, over the cursors of the live scopes
    live: Pull | None = None
    unsent: Unsent = Unsent()
    shift_open: bool | None = None
    clock: datetime | None = None
    journal_count: int = 0  # receipts made in this epoch
    retry: bool = False  # a person asked to apply the quarantined ones again
    backed_up: int = 0  # the seq of ``backed_up`` that the register knows for ``epoch``


class NotApplied(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry that the server holds but could not apply yet."""

    seq: int
    id: str
    status: str  # "waiting" | "quarantined"
    code: str
    behind: str = ""  # id of the entry it waits behind
    tries: int = 0  # how often the server tried to apply it


class Ack(msgspec.Struct, frozen=True):
    """Everything of ``epoch`` up to ``seq`` (contiguous) is stored; ``hash`` is that entry's."""

    epoch: str
    seq: int
    hash: bytes


class FeedRow(msgspec.Struct, frozen=True, omit_defaults=True):
    scope: str
    seq: int
    kind: str
    id: str
    payload: bytes  # JSON of the record; empty when deleted
    deleted: bool = False


class Through(msgspec.Struct, frozen=True):
    """The figures of a live page count the facts of ``branch`` of ``register`` up to ``seq``, whose hash
    is ``hash``. A branch is named by its epoch, with a suffix where the journal has forked."""

    register: str
    branch: str
    seq: int
    hash: bytes


class FeedPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows to stage. With ``more=False`` the page was read together with ``heads`` in one snapshot: the
    register applies all that it staged and takes ``heads`` as its cursors, in one switch. ``snapshot``
    says that the rows are the whole content and replace what was there. ``since`` is where the rows
    begin in each scope: when that is not where the register had got to, it drops what it staged.
    ``repair``: the rows of these (scope, kind) are all there are, whatever the cursor was.

    In the live lane (stock, receipts) the last page also says what its figures count: ``included``
    for every register of the store, but without the entries ``left_out`` (ids), as of ``as_of``."""

    server_epoch: str
    rows: tuple[FeedRow, ...]
    more: bool
    since: dict[str, int]
    heads: tuple[Cursor, ...] = ()
    snapshot: bool = False
    total: int = 0  # rows of the whole transfer as far as known, for the progress bar
    repair: tuple[tuple[str, str], ...] = ()
    digests: tuple[Digest, ...] = ()  # with the last page: of every (scope, kind) that has rows
    included: tuple[Through, ...] = ()
    left_out: tuple[str, ...] = ()
    as_of: datetime | None = None


class SnapshotOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds all rows of the first scope up to ``head``: fetched in ranges from
    ``/sync/v1/snapshot/<hash>``, ``size`` bytes whose BLAKE2b-256 is ``hash`` (hex)."""

    hash: str
    size: int
    format: str
    server_epoch: str
    head: Cursor
    rows: int


class Instruction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``rewind`` (re-send from ``seq`` + 1), ``new_epoch`` (the server holds another history under these
    numbers), ``activate`` (another machine than the one that was activated: facts yes, catalogue no),
    ``upgrade``, ``revoked``. A register passes over what it does not know."""

    do: str
    seq: int = 0
    reason: str = ""


class ExchangeAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Down. ``stale`` answers carry ack and nonce and nothing else."""

    request: int
    nonce: bytes
    ack: Ack
    stale: bool = False
    server_time: datetime | None = None
    not_applied: tuple[NotApplied, ...] = ()
    feed_behind: bool = False  # the cursors are not at the heads: pull
    page: FeedPage | None = None
    snapshot: SnapshotOffer | None = None  # instead of a page: fetch this file, then pull
    live_behind: bool = False
    live: FeedPage | None = None
    label: str | None = None  # the server's label of ``epoch``, where it differs from the request's
    instructions: tuple[Instruction, ...] = ()
    backed_up: Ack | None = (
        None  # of ``epoch``, as far as the oldest kept backup reaches; when it moved
    )
    retry_after: float | None = None  # seconds


class ActivateRequest(msgspec.Struct, frozen=True, kw_only=True):
    account: str  # Account ID as shown to people
    license_key: str
    public_key: bytes  # Ed25519, 32 bytes
    fingerprint: str  # of the machine
    device: str  # its name, for people
    epoch: str
    label: str = ""  # in the receipt numbers that ``epoch`` has already
    receipts: int = 0  # how many those are
    software: str = ""
    register: str = ""  # id of the one that this device is already


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


class DeactivateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``POST /sync/v1/deactivate``: the device gives its register back. Signed as an exchange is, for
    a purpose of its own; the first one has no nonce and learns it. All up to the head must have arrived."""

    register: str
    nonce: bytes
    epoch: str
    head_seq: int
    head_hash: bytes
    machine: str = ""


class DeactivateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    server_time: datetime


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Any answer other than 200, as JSON: ``{"code", "message", "details"}``."""

    code: str
    message: str
    details: dict[str, object] = {}
