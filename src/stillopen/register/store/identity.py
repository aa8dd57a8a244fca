"""Who this register is: one row, written by the activation."""

from datetime import datetime

import msgspec

from stillopen.register.store.database import Database


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """As the Back Office said at the activation; names follow the catalogue later."""

    register: str  # record id
    register_name: str  # R1
    store: str  # record id
    store_code: str  # S1
    store_name: str
    account: str  # Account ID as shown to people
    account_name: str
    currency: str
    backoffice: str  # base URL, no slash at the end
    activated_at: datetime
    insecure_http: bool = False


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of numbering on one disk. ``label`` is "" for the first, then b, c, …"""

    id: str  # 32 hex digits
    label: str
    machine: str  # fingerprint of the machine it was begun on


class IdentityStore:
    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self) -> Identity | None:
        raise NotImplementedError

    def save(self, identity: Identity) -> None:
        raise NotImplementedError

    def epoch(self) -> Epoch:
        """The epoch in force; the first one is made with the file."""
        raise NotImplementedError

    def label_epoch(self, label: str) -> None:
        raise NotImplementedError
