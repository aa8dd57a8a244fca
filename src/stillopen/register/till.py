"""The till: everything a use case works on, in one object.

Use cases are functions ``verb(till, session, …)`` in ``register/usecases``; they are the only place
that changes the journal. The syncer sets ``link`` and ``sync_now`` and listens for ``journal``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

import msgspec

from stillopen.domain.businessday import business_day, local_time
from stillopen.domain.errors import DomainError
from stillopen.domain.policy import Capability, require
from stillopen.domain.totals import Rules
from stillopen.register.clock import Clock, SystemClock
from stillopen.register.keys import Device, load_device, machine_fingerprint, new_device
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.mirror import Mirror
from stillopen.register.session import Session, Sessions
from stillopen.register.stock import Stock
from stillopen.register.store import catalogue as catalogue_store
from stillopen.register.store import journal as journal_store
from stillopen.register.store import live as live_store
from stillopen.register.store.catalogue import Catalogue
from stillopen.register.store.database import stop_process
from stillopen.register.store.disk import Room
from stillopen.register.store.identity import Epoch, Identity
from stillopen.register.store.journal import Journal
from stillopen.register.store.live import Live
from stillopen.sync.lineage import local_label
from stillopen.sync.link import policy_line
from stillopen.sync.records import (
    AccountSettings,
    EmployeeRecord,
    RegisterSettings,
    RoleRecord,
    StoreSettings,
)

#: What may change: "journal" (an entry was appended), "sent" (ack, per-entry results), "cart",
#: "catalogue", "stock", "link", "session", "stop" (the program is about to end: close event streams).
Topic = str
Listener = Callable[[Topic], None]

_CLOCK_NOTE = "clock_jump"


class SyncResult(NamedTuple):
    """What a Sync asked for by a person did; ``sent`` entries, ``received`` feed rows."""

    sent: int
    received: int


class SyncNow(Protocol):
    """Sync at once. ``snapshot``: fetch the whole catalogue anew; ``retry``: apply errored sales again.

    Raises ``DomainError offline`` when nothing answers.
    """

    async def __call__(self, *, snapshot: bool = False, retry: bool = False) -> SyncResult: ...


async def _no_syncer(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
    raise DomainError("offline", "The Back Office cannot be reached right now.")


class Till:
    """Open with :meth:`open`. Use it from one event loop; the stores have their own locks."""

    def __init__(
        self,
        data_dir: Path,
        journal: Journal,
        catalogue: Catalogue,
        clock: Clock,
        device: Device,
        machine: str,
        live: Live | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.journal = journal
        self.catalogue = catalogue
        self.live = live or Live.in_memory()
        self.stock = Stock(journal, self.live)
        self.clock = clock
        self.device = device
        #: Fingerprint of the machine this runs on; empty where it has none.
        self.machine = machine
        self.sessions = Sessions()
        #: Held while a PIN is checked (in a thread).
        self.signing_in = Lock()
        self.link = LinkView(since=clock.now())
        #: Set by the program that serves the till.
        self.mirror: Mirror | None = None
        #: Replaced by the syncer.
        self.sync_now: SyncNow = _no_syncer
        self._next_cart = ""
        #: The cart that was drawn last, with its figures (usecases/cart_view).
        self.last_view: object = None
        self._listeners: list[Listener] = []
        self._catalogues = 0  # how often another one came into force
        catalogue.on_change(self._catalogue_changed)

    @classmethod
    def open(
        cls,
        data_dir: Path,
        clock: Clock | None = None,
        room: Room | None = None,
        machine: str | None = None,
        on_fatal: Callable[[str], None] = stop_process,
    ) -> "Till":
        """Open (and make, where missing) the files of ``data_dir``; begin the first epoch, or another one
        on another ``machine`` (this one's fingerprint unless given). ``on_fatal``: the journal's disk failed."""
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        clock = clock or SystemClock()
        room = room or Room(data_dir)
        journal = Journal.open(data_dir / journal_store.FILE, on_fatal, room)
        machine = machine_fingerprint() if machine is None else machine
        _begin_where_needed(journal, clock, machine)
        last = journal.entries.last_moment()
        if last is not None:
            clock.not_before(last)
        catalogue = Catalogue.open(data_dir / catalogue_store.FILE, room=room)
        live = Live.open(data_dir / live_store.FILE, room)
        till = cls(data_dir, journal, catalogue, clock, load_device(data_dir), machine, live)
        till._note_jump()
        return till

    @classmethod
    def open_to_read(cls, data_dir: Path) -> "Till":
        """What lies in ``data_dir``, without touching it; a till may be running there.

        ``DomainError no_register`` where none ever was.
        """
        path = data_dir / journal_store.FILE
        if not path.exists():
            raise DomainError("no_register", f"There is no register in {data_dir}.")
        till = cls(
            data_dir,
            Journal.open_to_read(path),
            Catalogue.open_to_read(data_dir / catalogue_store.FILE),
            SystemClock(),
            new_device(),
            machine_fingerprint(),
            Live.open_to_read(data_dir / live_store.FILE),
        )
        till.link = LinkView(state=LineState.OFFLINE, cause="not_running")
        return till

    def close(self) -> None:
        if self.mirror is not None:
            self.mirror.close()
        self.live.close()
        self.catalogue.close()
        self.journal.close()

    # -- who and where ---------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """Who this register is; None until it is activated."""
        return self.journal.identity.get()

    def require_identity(self) -> Identity:
        """``DomainError not_activated`` until it is."""
        identity = self.identity
        if identity is None:
            raise DomainError("not_activated", "This register is not activated yet.")
        return identity

    @property
    def account_settings(self) -> AccountSettings:
        """``DomainError never_synced`` before the first sync."""
        settings = self.catalogue.account_settings()
        if settings is None:
            raise _never_synced()
        return settings

    @property
    def rules(self) -> Rules:
        """Tax and rounding rules in force; ``DomainError never_synced`` before the first sync."""
        return self.account_settings.rules

    @property
    def store_settings(self) -> StoreSettings:
        """``DomainError never_synced`` before the first sync."""
        settings = self.catalogue.store_settings()
        if settings is None:
            raise _never_synced()
        return settings

    @property
    def register_settings(self) -> RegisterSettings:
        """Defaults where the Back Office has not said anything."""
        identity = self.identity
        name = identity.register_name if identity else ""
        return self.catalogue.register_settings() or RegisterSettings(name=name)

    @property
    def register_name(self) -> str:
        return self.register_settings.name or self.require_identity().register_name

    # -- time ------------------------------------------------------------------------------

    def local(self, moment: datetime) -> datetime:
        """The store's wall clock at ``moment`` (aware), naive."""
        return local_time(moment, self.store_settings.timezone)

    def local_now(self) -> datetime:
        return self.local(self.clock.now())

    def business_day(self, moment: datetime) -> date:
        settings = self.store_settings
        return business_day(moment, settings.timezone, settings.cutoff)

    def _note_jump(self) -> None:
        jump = self.clock.jump
        if jump is not None:
            self.journal.notes.put(_CLOCK_NOTE, msgspec.json.encode(jump).decode())
            self.clock.jump = None

    def clock_jump(self) -> tuple[datetime, datetime] | None:
        """(from, to) of a jump of more than 12 h that no manager has looked at yet."""
        self._note_jump()
        note = self.journal.notes.get(_CLOCK_NOTE)
        return msgspec.json.decode(note, type=tuple[datetime, datetime]) if note else None

    def clock_confirmed(self) -> None:
        self._note_jump()
        self.journal.notes.put(_CLOCK_NOTE, None)

    # -- the line --------------------------------------------------------------------------

    def set_link(self, link: LinkView) -> None:
        """The syncer's view of the line; listeners hear "link" when it differs."""
        if link != self.link:
            self.link = link
            self.notify("link")

    def line_state(self) -> LineState:
        """The state of the line, with what only the stores know (not activated, never synced)."""
        if self.identity is None:
            return LineState.NOT_ACTIVATED
        stopped = self.journal.sending.state().stopped
        if stopped:
            return LineState(stopped)
        if self.catalogue.generation == 0:
            return LineState.NEVER_SYNCED
        return self.link.state

    def require_capability(self, capability: Capability) -> None:
        """``DomainError not_offline`` where the offline policy forbids it on the present line."""
        settings = self.catalogue.account_settings()
        if settings is not None:
            line = policy_line(self.line_state())
            require(capability, line, settings.offline_preset, settings.offline_overrides)

    # -- the cart --------------------------------------------------------------------------

    @property
    def next_cart(self) -> str:
        """The id that the next cart will have; it becomes the sale's. Made when it is first asked for."""
        self._next_cart = self._next_cart or self.clock.new_id()
        return self._next_cart

    def renew_cart(self) -> None:
        """The next cart gets an id of its own."""
        self._next_cart = ""

    # -- sessions --------------------------------------------------------------------------

    def session(self, token: str | None) -> Session | None:
        """The live session of ``token``, its permissions as the catalogue has them now.

        A person who was switched off keeps the session until the open cart is finished.
        """
        session = self.sessions.get(token)
        if session is None or session.generation == self.catalogue.generation:
            return session
        employee = self.catalogue.employees().get(session.employee)
        if employee is not None:
            self.refresh(session, employee)
        elif self.journal.carts.open_cart() is None:
            self.sessions.end(session.token)
            return None
        return session

    def refresh(self, session: Session, employee: EmployeeRecord) -> None:
        """Take name, role and permissions from the catalogue in force."""
        role = self.catalogue.roles().get(employee.role) or RoleRecord(name="", permissions=())
        session.name = employee.name
        session.role = role.name
        session.permissions = frozenset(role.permissions)
        session.generation = self.catalogue.generation

    # -- changes and events ----------------------------------------------------------------

    @contextmanager
    def change(self, *topics: Topic) -> Iterator[None]:
        """One transaction of the journal; listeners hear ``topics`` after it is on the disk, and on the
        mirror where there is one."""
        with self.journal.transaction():
            yield
        if self.mirror is not None:
            self.mirror.keep_up()
        for topic in topics:
            self.notify(topic)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(topic)`` after each change; returns a function that ends it.

        Called from whichever thread made the change: a listener only sets a flag or an event
        (``loop.call_soon_threadsafe``), and never raises.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def goods_mark(self) -> str:
        """Another one whenever a price, a name or a figure of the stock may be."""
        return ".".join(map(str, (self._catalogues, *self.stock.mark())))

    def _catalogue_changed(self) -> None:
        self._catalogues += 1
        self.notify("catalogue")

    def notify(self, topic: Topic) -> None:
        for listener in list(self._listeners):
            listener(topic)


def _begin_where_needed(journal: Journal, clock: Clock, machine: str) -> None:
    """The first epoch of a new file; another one when the disk has come to another machine, before its
    first sale there, so that two tills from one disk never give out the same numbers."""
    epoch = journal.identity.epoch()
    if epoch is not None and machine in (epoch.machine, "") or epoch and not epoch.machine:
        return
    name = clock.random_bytes(16).hex()
    label = local_label(name) if epoch is not None and journal.head().seq else ""
    with journal.transaction():
        journal.identity.begin_epoch(Epoch(id=name, label=label, machine=machine))
        journal.carts.rename(clock.new_id)  # a sale has the id of its cart


def _never_synced() -> DomainError:
    return DomainError(
        "never_synced",
        "This register has not fetched its data from the Back Office yet. It needs the line once.",
    )
