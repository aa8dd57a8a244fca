"""A journal entry on its way into the ledger: what it says, what it will write, what was noticed."""

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from stillopen.backoffice.ingest.sql import Engine, engine
from stillopen.backoffice.ingest.tables import Row, Table
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import StoredEntry
from stillopen.sync.facts import EntryBody

APPLIED, WAITING, QUARANTINED = "applied", "waiting", "quarantined"

#: Why an entry can be quarantined: the whole list. Anything else that goes wrong is the server's own
#: trouble and aborts the exchange.
QUARANTINE_CODES = frozenset(
    {
        "bad_hash",  # its bytes do not fit its hash
        "bad_entry",  # its bytes are no entry of this protocol
        "foreign_entry",  # it names another register, epoch or place than it came from
        "out_of_range",  # an amount, quantity or time that no shop has
        "wrong_currency",
        "duplicate_id",  # another register's entry has this id
        "duplicate_number",  # the receipt number was used before in this branch
    }
)
NEEDS_NEWER, AFTER_REVOCATION, BEHIND = "needs_newer_server", "after_revocation", "behind"

#: Code of an entry that a person has settled without booking it; its status is *applied*.
SET_ASIDE = "set_aside"


class Source(msgspec.Struct, frozen=True):
    """Where entries come from; ids are canonical UUIDs."""

    account: str
    register: str
    store: str
    currency: str


class Place(NamedTuple):
    """A :class:`Source` and an engine, with the ids as that engine takes them: what rows begin with."""

    db: Engine
    source: Source
    account: str
    register: str
    store: str

    ids: tuple[str, str]  # account and register: what selects the rows of a register


def place_of(source: Source) -> Place:
    db = engine()
    account, register = db.uid(source.account), db.uid(source.register)
    return Place(db, source, account, register, db.uid(source.store), (account, register))


class Finding(msgspec.Struct, frozen=True):
    """Something that a person should look at. Findings with the same ``key`` are filed once."""

    code: str
    message: str
    details: dict[str, object] = {}
    key: str = ""


@dataclass(slots=True)
class Fact:
    """``rows`` are its effects by table. ``behind`` is the id of the entry it waits behind."""

    entry: StoredEntry
    branch: str
    received: str  # when, as the engine takes it
    id: str
    kind: str = ""
    aggregate: str = ""
    body: EntryBody | None = None
    employee: str | None = None  # canonical, as shift is
    shift: str | None = None
    status: str = APPLIED
    code: str = ""
    behind: str = ""
    rows: dict[Table, list[Row]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    number: str = ""  # of the receipt, if it is a sale
    closes: str = ""  # the shift that it closes
    blocked: bool | None = None  # what the register says of its PIN block
    accepted: frozenset[str] = frozenset()  # codes that a person has said to pass over

    def quarantine(self, error: DomainError) -> None:
        """Hold it back with the error's code, and file why."""
        self.status, self.code, self.rows = QUARANTINED, error.code, {}
        self.findings = [Finding(error.code, error.message, error.details)]

    def wait(self, code: str, behind: str = "") -> None:
        self.status, self.code, self.behind = WAITING, code, behind
        self.findings = []

    def skip(self, finding: Finding) -> None:
        """It has no effects of its own: they were applied before."""
        self.rows, self.number, self.closes, self.blocked = {}, "", "", None
        self.code, self.findings = finding.code, [finding]
