"""The register's half of an exchange on its real stores: what goes out, and what an answer changes.

No socket, no timer, no thread: the service drives it, and so can a simulator. Each method leaves the
stores in a state from which a crash is harmless.
"""

import msgspec

from stillopen import __version__
from stillopen.domain.errors import DomainError
from stillopen.register.till import Till
from stillopen.register.usecases.sign_in import take_unblock
from stillopen.sync import register_side
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import Ack, ExchangeAnswer
from stillopen.sync.proof import EXCHANGE, POKE, sign

_FeedEffect = register_side.Begin | register_side.Stage | register_side.Switch


class Prepared(msgspec.Struct, frozen=True):
    """A request ready to be posted: its bytes, the proof header, and what it carries."""

    body: bytes
    proof: str
    first: int
    last: int

    @property
    def entries(self) -> int:
        return max(self.last - self.first + 1, 0)


class Heard(msgspec.Struct, frozen=True):
    """What an answer changed: entries newly acknowledged, feed rows received, the catalogue switched."""

    acked: int = 0
    received: int = 0
    switched: bool = False


class Engine:
    """One register's conversation. ``state`` is the pure state of sync/register_side."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._identity = till.require_identity()
        self._key = till.device.key
        saved = till.journal.sending.state()
        epoch = till.journal.head().epoch
        self.state = register_side.SyncState(
            acked=Ack(epoch, saved.acked_seq, saved.acked_hash),
            revoked=saved.stopped == "revoked",
        )
        # Wishes are kept apart from ``state``: they may come while an answer is being carried out.
        self._news = self._anew = self._retry = False
        self.trouble = ""  # code of what keeps the catalogue from being written (disk_full), or ""
        self.incoming = 0  # rows of the running transfer, as the server counted them
        self.staged = 0

    # -- out ---------------------------------------------------------------------------------

    def outlook(self) -> register_side.Outlook:
        till = self._till
        head = till.journal.head()
        return register_side.Outlook(
            register=self._identity.register,
            software=__version__,
            epoch=head.epoch,
            head_seq=head.seq,
            head_hash=head.hash,
            server_epoch=till.catalogue.server_epoch,
            cursors=till.catalogue.cursors(),
            staged=till.catalogue.staged(),
            unsent=till.journal.sending.unsent(),
            shift_open=till.journal.shift_is_open(),
            receipts_made=till.journal.receipts_made(),
            clock=till.clock.now(),
        )

    def prepare(self) -> Prepared:
        """The next request, signed."""
        self.state, plan = register_side.plan(self._take_wishes(), self.outlook())
        sending = self._till.journal.sending
        entries: tuple[StoredEntry, ...] = ()
        if plan.last >= plan.first:
            entries = sending.batch(plan.first - 1, plan.last - plan.first + 1)
        last = entries[-1].seq if entries else plan.first - 1
        sending.note_tries(plan.first, last)
        body = pack(msgspec.structs.replace(plan.request, entries=entries))
        return Prepared(body, self._proof(EXCHANGE, body), plan.first, last)

    def poke_proof(self) -> str:
        """The header for the poke stream; it holds until the next exchange is answered."""
        return self._proof(POKE, b"") + ":" + self.state.nonce.hex()

    def _proof(self, purpose: bytes, body: bytes) -> str:
        signature = sign(self._key, purpose, self.state.nonce, body)
        return f"{self._identity.register}:{signature.hex()}"

    # -- in ----------------------------------------------------------------------------------

    def hear(self, data: bytes) -> Heard:
        """Carry out what the answer says. Raises ``codec.BadMessage`` for bytes that are no answer."""
        answer = unpack(data, ExchangeAnswer)
        state, effects = register_side.conclude(
            self.state, self.outlook(), answer, self._hash_at(answer.ack.seq)
        )
        before = self.state.acked.seq
        changes: dict[str, object] = {"last_exchange_at": self._till.clock.now()}
        feed: list[_FeedEffect] = []
        for effect in effects:
            match effect:
                case register_side.Advance(ack) | register_side.Rewind(ack):
                    changes |= {"acked_seq": ack.seq, "acked_hash": ack.hash}
                case register_side.SetClock(server_time):
                    self._till.clock.heard_server(server_time)
                case register_side.KeepNotApplied(items):
                    self._till.journal.sending.replace_not_applied(items)
                case register_side.Begin() | register_side.Stage() | register_side.Switch():
                    feed.append(effect)
                case _:
                    pass  # what stops the sync is read from the state below
        changes["stopped"] = self._stopped(state, effects)
        if register_side.is_synced(state, self.outlook(), 0):
            changes["last_sync_at"] = changes["last_exchange_at"]
        self._till.journal.sending.update(**changes)
        self.state = self._feed(state, feed)
        self._till.notify("journal")
        received = sum(len(e.rows) for e in feed if isinstance(e, register_side.Stage))
        switched = any(isinstance(e, register_side.Switch) for e in feed)
        return Heard(max(state.acked.seq - before, 0), received, switched)

    def _hash_at(self, seq: int) -> bytes:
        """Of the own entry ``seq``; empty where there is none."""
        if seq == 0:
            return GENESIS
        found = self._till.journal.entries.raw_after(seq - 1, 1)
        return found[0].hash if found and found[0].seq == seq else b""

    def _feed(
        self, state: register_side.SyncState, effects: list[_FeedEffect]
    ) -> register_side.SyncState:
        """Write what came down. A full disk stops the catalogue only: what was acked is kept already."""
        try:
            for effect in effects:
                self._carry_feed(effect)
        except DomainError as error:
            self.trouble = error.code
            self._till.catalogue.abandon()
            return msgspec.structs.replace(state, transfer=None, feed_behind=False)
        if effects:
            self.trouble = ""
        return state

    def _carry_feed(self, effect: _FeedEffect) -> None:
        catalogue = self._till.catalogue
        match effect:
            case register_side.Begin(snapshot):
                catalogue.begin(snapshot)
                self.staged = 0
            case register_side.Stage(rows, total):
                catalogue.stage(rows)
                self.staged += len(rows)
                self.incoming = max(total - len(rows), 0)
            case register_side.Switch(heads, server_epoch):
                catalogue.switch(heads, server_epoch)
                take_unblock(self._till)
                self.incoming = self.staged = 0

    def _stopped(
        self, state: register_side.SyncState, effects: tuple[register_side.Effect, ...]
    ) -> str:
        if state.revoked:
            return "revoked"
        if state.waiting_for_upgrade:
            return "upgrade_required"
        # A stale answer says nothing about it: what was known stays.
        known = any(isinstance(e, register_side.KeepNotApplied) for e in effects)
        return "" if known else self._till.journal.sending.state().stopped

    def failed(self) -> None:
        """No answer came to the latest request."""
        self.state = register_side.failed(self.state)

    # -- wishes ------------------------------------------------------------------------------

    def look_for_news(self, snapshot: bool = False, retry: bool = False) -> None:
        """Ask for the feed with the next request; ``snapshot``: all of it; ``retry`` the errored sales."""
        self._news = True
        self._anew = self._anew or snapshot
        self._retry = self._retry or retry

    def _take_wishes(self) -> register_side.SyncState:
        state = msgspec.structs.replace(
            self.state,
            feed_behind=self.state.feed_behind or self._news,
            anew=self.state.anew or self._anew,
            transfer=None if self._anew else self.state.transfer,
            retry=self.state.retry or self._retry,
        )
        self._news = self._anew = self._retry = False
        return state

    def has_work(self) -> bool:
        return self._news or register_side.has_work(self.state, self.outlook())

    def is_synced(self) -> bool:
        """``All data is synced``, as of the last answer."""
        if self.trouble:
            return False
        not_applied = len(self._till.journal.sending.not_applied())
        return register_side.is_synced(self.state, self.outlook(), not_applied)


def offline_error() -> DomainError:
    return DomainError(
        "offline", "The Back Office cannot be reached right now; everything is kept here."
    )
