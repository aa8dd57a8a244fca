"""The till: everything a use case works on, in one object.

Use cases are functions ``verb(till, session, …)`` in ``register/usecases``; they are the only place
that changes the journal. The syncer sets ``link`` and ``sync_now`` and listens for ``journal``.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from stillopen.domain.businessday import business_day, local_time
from stillopen.domain.errors import DomainError
from stillopen.domain.policy import Capability, require
from stillopen.domain.totals import Rules
from stillopen.register.clock import Clock, SystemClock
from stillopen.register.keys import Device, load_device
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.session import Session, Sessions
from stillopen.register.store.catalogue import Catalogue
from stillopen.register.store.identity import Identity
from stillopen.register.store.journal import Journal
from stillopen.sync.records import RegisterSettings, StoreSettings

#: What may change: "journal" (an entry was appended, or acked), "cart", "catalogue", "link", "session".
Topic = str
Listener = Callable[[Topic], None]


class SyncResult(NamedTuple):
    """What a Sync asked for by a person did; ``sent`` entries, ``received`` feed rows."""

    sent: int
    received: int


async def _no_syncer() -> SyncResult:
    raise DomainError("offline", "The Back Office cannot be reached right now.")


class Till:
    """Open with :meth:`open`; not thread-safe beyond what its stores are: use it from one event loop."""

    def __init__(self, data_dir: Path, journal: Journal, catalogue: Catalogue, clock: Clock) -> None:
        self.data_dir = data_dir
        self.journal = journal
        self.catalogue = catalogue
        self.clock = clock
        self.device: Device = load_device(data_dir)
        self.sessions = Sessions()
        self.link = LinkView(since=clock.now())
        #: Replaced by the syncer. Raises ``DomainError offline`` when nothing answers.
        self.sync_now: Callable[[], Awaitable[SyncResult]] = _no_syncer
        self._listeners: list[Listener] = []
        catalogue.on_change(lambda: self.notify("catalogue"))

    @classmethod
    def open(cls, data_dir: Path, clock: Clock | None = None) -> "Till":
        """Open (and make, where missing) the files of ``data_dir``."""
        raise NotImplementedError

    def close(self) -> None:
        self.catalogue.close()
        self.journal.close()

    # -- who and where ---------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """Who this register is; None until it is activated."""
        return self.journal.identity.get()

    def require_identity(self) -> Identity:
        """``DomainError not_activated`` until it is."""
        raise NotImplementedError

    @property
    def rules(self) -> Rules:
        """Tax and rounding rules in force; ``DomainError never_synced`` before the first sync."""
        raise NotImplementedError

    @property
    def store_settings(self) -> StoreSettings:
        """``DomainError never_synced`` before the first sync."""
        raise NotImplementedError

    @property
    def register_settings(self) -> RegisterSettings:
        """Defaults where the Back Office has not said anything."""
        raise NotImplementedError

    def local_now(self) -> datetime:
        """The wall clock of the store, naive."""
        return local_time(self.clock.now(), self.store_settings.timezone)

    def business_day(self, moment: datetime) -> date:
        settings = self.store_settings
        return business_day(moment, settings.timezone, settings.cutoff)

    # -- the line --------------------------------------------------------------------------

    def set_link(self, link: LinkView) -> None:
        """The syncer's view of the line; listeners hear "link" when it differs."""
        if link != self.link:
            self.link = link
            self.notify("link")

    def line_state(self) -> LineState:
        """The state of the line, with what only the stores know (not activated, never synced)."""
        raise NotImplementedError

    def require_capability(self, capability: Capability) -> None:
        """``DomainError not_offline`` where the offline policy forbids it on the present line."""
        settings = self.catalogue.account_settings()
        if settings is not None:
            require(
                capability, self.link.line, settings.offline_preset, settings.offline_overrides
            )

    # -- sessions --------------------------------------------------------------------------

    def session(self, token: str | None) -> Session | None:
        """The live session of ``token``, its permissions as the catalogue has them now.

        A person who was switched off keeps the session until the open cart is finished.
        """
        raise NotImplementedError

    # -- events ----------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(topic)`` after each change; returns a function that ends it.

        Called from whichever thread made the change: a listener only sets a flag or an event
        (``loop.call_soon_threadsafe``), and never raises.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self, topic: Topic) -> None:
        for listener in list(self._listeners):
            listener(topic)
