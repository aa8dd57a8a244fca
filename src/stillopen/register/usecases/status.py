"""Everything about the state of the till and its line, in one place; sentence first."""

from datetime import datetime

import msgspec

from stillopen.register.till import Till
from stillopen.sync.messages import Unsent


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``GET /status`` and all that the screens say about the line. Money in minor units."""

    indicator: str  # green | yellow | red | gray
    state: str  # synced | sending | reconnecting | unstable | offline | not_activated | never_synced | …
    word: str  # for people: "Synced", "Sending 3", "Offline" …
    sentence: str
    cause: str  # a key of linkview.CAUSES, or ""
    cause_words: str
    since: datetime | None
    unsent: Unsent
    unsent_sales: int
    waiting: int
    quarantined: int
    epoch: str
    head_seq: int
    head_hash: str  # hex
    acked_seq: int
    products: int
    incoming: int  # feed rows known to be waiting
    last_exchange_at: datetime | None
    last_sync_at: datetime | None
    account: str
    account_name: str
    store: str  # code
    store_name: str
    register: str  # name
    currency: str
    version: str
    shift_open: bool
    blocked: bool
    clock_jump: bool
    disk_low: bool


def status(till: Till) -> Status:
    raise NotImplementedError


def status_json(status: Status) -> dict[str, object]:
    """The shape of ``GET /status``, JSON-ready."""
    raise NotImplementedError
