"""What the driver of a register (register/syncer) has to do after an answer, as sync/register_side finds it:
values, carried out in the order in which they come."""

from datetime import datetime

import msgspec

from stillopen.sync.messages import (
    Ack,
    Cursor,
    Digest,
    FeedPage,
    FeedRow,
    NotApplied,
    SnapshotOffer,
)


class Advance(msgspec.Struct, frozen=True):
    """Everything up to ``ack`` has arrived."""

    ack: Ack


class Rewind(msgspec.Struct, frozen=True):
    """The server holds less than it had acknowledged (it was restored): send again after ``ack``."""

    ack: Ack


class KeepNotApplied(msgspec.Struct, frozen=True):
    """The entries that the server could not apply yet: all of them, replacing what was known."""

    items: tuple[NotApplied, ...]


class Begin(msgspec.Struct, frozen=True):
    """A transfer begins; whatever was staged before is dropped."""

    snapshot: bool


class Stage(msgspec.Struct, frozen=True):
    rows: tuple[FeedRow, ...]
    total: int


class Switch(msgspec.Struct, frozen=True):
    """Make everything staged visible at once, with these cursors."""

    heads: tuple[Cursor, ...]
    server_epoch: str
    digests: tuple[Digest, ...] = ()
    repaired: tuple[tuple[str, str], ...] = ()  # of these (scope, kind) only staged rows stay


class SetClock(msgspec.Struct, frozen=True):
    server_time: datetime


class StopSelling(msgspec.Struct, frozen=True):
    """The device was revoked: it ends after the open cart and may still hand in its journal."""

    reason: str


class NewEpoch(msgspec.Struct, frozen=True):
    """The server holds another history under this epoch's numbers: number anew from now on."""

    reason: str


class TakeLabel(msgspec.Struct, frozen=True):
    """The server's label of the epoch; it counts as long as no receipt bears another."""

    label: str


class NeedsUpgrade(msgspec.Struct, frozen=True):
    reason: str


class BackedUp(msgspec.Struct, frozen=True):
    """Everything up to ``ack`` is in every backup that the server keeps: it may be purged here."""

    ack: Ack


class FetchSnapshot(msgspec.Struct, frozen=True):
    """A file with the bulk of the catalogue lies ready; when it is taken, or cannot be, pull again."""

    offer: SnapshotOffer


class StageLive(msgspec.Struct, frozen=True):
    """Rows of the live lane, beside what is shown; ``begin``: they are the first of a transfer, and
    ``snapshot``: they replace everything."""

    page: FeedPage
    begin: bool


class SwitchLive(msgspec.Struct, frozen=True):
    """Show what was staged in the live lane, with the cursors and the facts it counts from ``page``."""

    page: FeedPage


Effect = (
    Advance
    | Rewind
    | KeepNotApplied
    | Begin
    | Stage
    | Switch
    | SetClock
    | StopSelling
    | NewEpoch
    | TakeLabel
    | NeedsUpgrade
    | BackedUp
    | FetchSnapshot
    | StageLive
    | SwitchLive
)
