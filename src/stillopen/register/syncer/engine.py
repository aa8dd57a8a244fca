"""The register's half of an exchange on its real stores: what goes out, and what an answer changes.

No socket, no timer, no thread: the service drives it, and so can a simulator. Each method leaves the
stores in a state from which a crash is harmless.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from stillopen import __version__
from stillopen.domain.errors import DomainError
from stillopen.register.store.entries import Head
from stillopen.register.store.identity import Epoch
from stillopen.register.till import Till
from stillopen.register.usecases.new_epoch import begin_epoch, take_label
from stillopen.register.usecases.sign_in import take_unblock
from stillopen.sync import effects, register_side
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.codec import pack, unpack
from stillopen.sync.digest import Key
from stillopen.sync.messages import Ack, ExchangeAnswer, Gap, SnapshotOffer
from stillopen.sync.proof import EXCHANGE, POKE, SNAPSHOT, sign

_log = logging.getLogger(__name__)

_FeedEffect = effects.Begin | effects.Stage | effects.Switch
_FEED_EFFECTS = (effects.Begin, effects.Stage, effects.Switch)
_LiveEffect = effects.StageLive | effects.SwitchLive


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
        self.state = register_side.SyncState(
            acked=till.journal.sending.ack(),
            revoked=saved.stopped == "revoked",
            strange=saved.stopped == "not_activated",
        )
        # Wishes are kept apart from ``state``: they may come while an answer is being carried out.
        self._news = self._anew = self._retry = self._took = self._live_news = False
        if not till.stock.is_known():
            till.live.forget()
        self._wrong = set(till.catalogue.differing())  # not what the server says
        self._asked: set[Key] = set()  # of these, what was fetched again already
        self._whole = False  # the running transfer replaces everything
        self.audit_due = True  # something was mended, or nothing was looked at yet
        self.formats: tuple[str, ...] = ()  # of snapshot files that the driver can fetch
        self.offer: SnapshotOffer | None = None  # being fetched; no pages are asked for meanwhile
        self._taken = 0  # rows of the snapshot that is being completed
        self._told = False  # by the answer that is being carried out, that the catalogue is behind
        self.trouble = ""  # code of what keeps the catalogue from being written (disk_full), or ""
        self.incoming = 0  # rows of the running transfer, as the server counted them
        self.staged = 0

    # -- out ---------------------------------------------------------------------------------

    def _end(self) -> tuple[Epoch, Head, bool]:
        """The epoch that is being sent, its last entry, and whether a later epoch has begun."""
        journal = self._till.journal
        epoch, present = journal.sending.epoch_to_send(self.state.confirmed), journal.head()
        former = epoch.id != present.epoch
        return epoch, journal.entries.head_of(epoch.id) if former else present, former

    def _journal_end(self) -> register_side.JournalEnd:
        """The part of :meth:`outlook` that says whether there is something to send, at little cost."""
        _, head, former = self._end()
        return register_side.JournalEnd(epoch=head.epoch, former=former, head_seq=head.seq)

    def outlook(self) -> register_side.Outlook:
        till = self._till
        sending, present = till.journal.sending, till.journal.head()
        epoch, head, former = self._end()
        return register_side.Outlook(
            register=self._identity.register,
            software=__version__,
            machine=till.machine,
            epoch=head.epoch,
            former=former,
            label=epoch.label,
            head_seq=head.seq,
            head_hash=head.hash,
            purged=till.journal.entries.anchor(head.epoch)[0],
            backed_up=sending.backed_up(head.epoch),
            server_epoch=till.catalogue.server_epoch,
            cursors=till.catalogue.cursors(),
            staged=till.catalogue.staged(),
            formats=self.formats,
            live_epoch=till.live.published.server_epoch,
            live_cursors=till.live.published.cursors,
            live_staged=till.live.staged(),
            lines=self._former_ends(),
            down=till.link.quality.down,
            whole="" if till.journal.entries.anchor(present.epoch)[0] else present.epoch,
            unsent=sending.unsent(),
            shift_open=till.journal.shift_is_open(),
            receipts_made=till.journal.receipts_made(),
            clock=till.clock.now(),
        )

    def _former_ends(self) -> tuple[Ack, ...]:
        entries, epochs = self._till.journal.entries, self._till.journal.identity.epochs()
        ends = [entries.head_of(epoch.id) for epoch in epochs[:-1]]
        return tuple(Ack(end.epoch, end.seq, end.hash) for end in ends if end.seq)

    def prepare(self) -> Prepared:
        """The next request, signed."""
        outlook = self.outlook()
        sending = self._till.journal.sending
        state = msgspec.structs.replace(self._take_wishes(), acked=sending.ack(outlook.epoch))
        self.state, plan = register_side.plan(state, outlook)
        entries: tuple[StoredEntry, ...] = ()
        gaps: tuple[Gap, ...] = ()
        if plan.last >= plan.first:
            count = plan.last - plan.first + 1
            entries, gaps = sending.batch(outlook.epoch, plan.first - 1, count)
        last = entries[-1].seq if entries else plan.first - 1
        sending.note_tries(outlook.epoch, plan.first, last)
        body = pack(msgspec.structs.replace(plan.request, entries=entries, gaps=gaps))
        return Prepared(body, self._proof(EXCHANGE, body), plan.first, last)

    def poke_proof(self) -> str:
        """The header for the poke stream; it holds until the next exchange is answered."""
        return self._proof(POKE, b"") + ":" + self.state.nonce.hex()

    def snapshot_proof(self, name: str) -> str:
        """The header for a part of the snapshot file ``name``; it holds as long as that of the stream."""
        return self._proof(SNAPSHOT, name.encode()) + ":" + self.state.nonce.hex()

    def _proof(self, purpose: bytes, body: bytes) -> str:
        signature = sign(self._key, purpose, self.state.nonce, body)
        return f"{self._identity.register}:{signature.hex()}"

    # -- in ----------------------------------------------------------------------------------

    def hear(self, data: bytes) -> Heard:
        """Carry out what the answer says. Raises ``codec.BadMessage`` for bytes that are no answer."""
        answer = unpack(data, ExchangeAnswer)
        outlook = self.outlook()
        own_hash = self._hash_at(outlook.epoch, answer.ack.seq)
        state, due = register_side.conclude(self.state, outlook, answer, own_hash)
        before = self.state.acked.seq
        if state.feed_behind:
            self._say_behind()
        feed: list[_FeedEffect] = []
        live = [e for e in due if isinstance(e, _LiveEffect)]
        with self._till.journal.transaction():
            for effect in due:
                if isinstance(effect, _FEED_EFFECTS):
                    feed.append(effect)
                elif isinstance(effect, effects.FetchSnapshot):
                    self.offer = effect.offer
                elif not isinstance(effect, _LiveEffect):
                    self._carry_out(effect, outlook)
            self._note(state, due)
        self.state, self._told = self._live(self._feed(state, feed), live), False
        if not answer.stale:
            self._confirm_live()
        self._till.notify("journal")
        received = sum(len(e.rows) for e in feed if isinstance(e, effects.Stage))
        switched = any(isinstance(e, effects.Switch) for e in feed) and not self.trouble
        if switched:
            received, self._taken = received + self._taken, 0
        return Heard(max(state.acked.seq - before, 0), received, switched)

    def _say_behind(self) -> None:
        """Before the acks are kept: what comes with them may take a while to write, and *synced* must not be
        said meanwhile."""
        self._told = True
        if not self._till.link.feed_behind:
            self._till.set_link(msgspec.structs.replace(self._till.link, feed_behind=True))

    def _carry_out(self, effect: effects.Effect, outlook: register_side.Outlook) -> None:
        """What an answer changes in the journal's file."""
        sending = self._till.journal.sending
        match effect:
            case effects.Advance(ack) | effects.Rewind(ack):
                sending.set_ack(ack)
            case effects.SetClock(server_time):
                self._till.clock.heard_server(server_time)
            case effects.KeepNotApplied(items):
                sending.replace_not_applied(items)
            case effects.BackedUp(ack) if self._reaches(ack):
                sending.set_backed_up(ack.epoch, ack.seq)
            case effects.NewEpoch():
                begin_epoch(self._till)
            case effects.TakeLabel(label):
                take_label(self._till, outlook.epoch, label)
            case _:
                pass  # what stops the sync is read from the state

    def _reaches(self, ack: Ack) -> bool:
        """Whether backups reach up to ``ack`` on this journal's line. Less than before is always taken: that
        entry may be purged, and what follows it must stay."""
        known = self._till.journal.sending.backed_up(ack.epoch)
        return ack.seq <= known or self._hash_at(ack.epoch, ack.seq) == ack.hash

    def _note(self, state: register_side.SyncState, due: tuple[effects.Effect, ...]) -> None:
        now = self._till.clock.now()
        changes = {"last_exchange_at": now, "stopped": self._stopped(state, due)}
        if register_side.is_synced(state, self.outlook(), 0):
            changes["last_sync_at"] = now
        self._till.journal.sending.update(**changes)

    def _hash_at(self, epoch: str, seq: int) -> bytes:
        """Of the own entry ``seq``; empty where there is none."""
        if seq == 0:
            return GENESIS
        found = self._till.journal.entries.raw_after(seq - 1, 1, epoch)
        return found[0].hash if found and found[0].seq == seq else b""

    def _feed(
        self, state: register_side.SyncState, due: list[_FeedEffect]
    ) -> register_side.SyncState:
        """Write what came down. A full disk stops the catalogue only: what was acked is kept already."""
        try:
            for effect in due:
                self._carry_feed(effect)
        except DomainError as error:
            self.trouble = error.code
            self._till.catalogue.abandon()
            return msgspec.structs.replace(state, transfer=None, feed_behind=False, repair=())
        except sqlite3.DatabaseError as error:
            return self._distrust(error, state)
        if due:
            self.trouble = ""
        return state

    def _distrust(
        self, error: sqlite3.DatabaseError, state: register_side.SyncState
    ) -> register_side.SyncState:
        """The catalogue's file cannot be written: facts go on; a broken file is replaced by another."""
        _log.warning("the catalogue cannot be written: %s", error)
        self.trouble = "catalogue_failed"
        if not isinstance(error, sqlite3.OperationalError) and self._till.catalogue.distrust():
            self.look_for_news(snapshot=True)
        with suppress(sqlite3.Error, DomainError):
            self._till.catalogue.abandon()
        return msgspec.structs.replace(state, transfer=None, feed_behind=False, repair=())

    def _carry_feed(self, effect: _FeedEffect) -> None:
        catalogue = self._till.catalogue
        match effect:
            case effects.Begin(snapshot):
                self._taken = 0 if snapshot else self._taken
                self._whole = snapshot or self._taken > 0
                catalogue.begin(snapshot)
                self.staged = 0
            case effects.Stage(rows, total):
                catalogue.stage(rows)
                self.staged += len(rows)
                self.incoming = max(total - len(rows), 0)
            case effects.Switch(heads, server_epoch, digests, repaired):
                catalogue.switch(heads, server_epoch, digests, repaired)
                self._switched(repaired)
                take_unblock(self._till)
                self.incoming = self.staged = 0

    def _live(
        self, state: register_side.SyncState, due: list[_LiveEffect]
    ) -> register_side.SyncState:
        """Write what came of stock and receipts; a full disk leaves what is shown as it was."""
        try:
            for effect in due:
                self._carry_live(effect)
        except DomainError:
            self._till.live.abandon()
            return msgspec.structs.replace(state, live_transfer=None, live_behind=False)
        return state

    def _carry_live(self, effect: _LiveEffect) -> None:
        live = self._till.live
        match effect:
            case effects.StageLive(page, begin):
                if begin:
                    live.begin(page.snapshot)
                live.stage(page, self._till.journal.entries.held)
            case effects.SwitchLive(page):
                live.switch(page)
                live.forget_receipts(self._till.clock.now().date())
                self._till.notify("stock")

    def _confirm_live(self) -> None:
        """What is shown of the stock was the newest there is, as of this answer."""
        state = self.state
        if not (state.live_behind or state.revoked or state.strange or state.waiting_for_upgrade):
            self._till.live.confirmed_at = self._till.clock.now()

    def _stopped(self, state: register_side.SyncState, due: tuple[effects.Effect, ...]) -> str:
        if state.revoked:
            return "revoked"
        if state.waiting_for_upgrade:
            return "upgrade_required"
        if state.strange:
            return "not_activated"
        # A stale answer says nothing about it: what was known stays.
        known = any(isinstance(e, effects.KeepNotApplied) for e in due)
        return "" if known else self._till.journal.sending.state().stopped

    def failed(self, silent: bool = False) -> None:
        """No good answer came to the latest request; ``silent``: a large one, and none at all."""
        self.state = register_side.failed(self.state, silent)

    # -- digests and snapshots ---------------------------------------------------------------

    def audited(self, wrong: Iterable[Key], again: bool = False) -> None:
        """``wrong`` (scope, kind) are all that are not what the server said; each is fetched again once,
        and ``again`` once more when that did not help."""
        self._wrong = set(wrong)
        self._asked = set() if again else self._asked & self._wrong

    def _switched(self, repaired: Iterable[Key]) -> None:
        """What came as a whole is right until the next audit; what was written must sum up."""
        mended = set(self._wrong) if self._whole else set(repaired)
        self._wrong = (self._wrong - mended) | set(self._till.catalogue.differing())
        self.audit_due = self.audit_due or bool(mended or self._wrong)
        self._whole = False

    def leave_offer(self) -> None:
        """The file of ``offer`` is no longer there: ask again."""
        self.offer, self._news = None, True

    def took_snapshot(self, taken: bool) -> None:
        """The file of ``offer`` is the catalogue's base now, or it cannot be: then pages must do."""
        offer, self.offer = self.offer, None
        if not taken or offer is None:
            self.formats, self._news = (), True
            return
        self._taken, self._whole, self._took = offer.rows, True, True

    @property
    def behind(self) -> bool:
        """Whether the catalogue, or what arrived of the journal, is not known to be what the server has."""
        unknown = not register_side.is_confirmed(self.state, self._journal_end())
        # A file that was taken is only the base of the next transfer.
        told = self.state.feed_behind or self._told or self._took
        return bool(told or self.trouble or self.offer or self._wrong or unknown)

    # -- wishes ------------------------------------------------------------------------------

    def look_for_news(self, snapshot: bool = False, retry: bool = False) -> None:
        """Ask for the feed with the next request; ``snapshot``: all of it; ``retry`` the errored sales."""
        self._news = True
        self._anew = self._anew or snapshot
        self._retry = self._retry or retry

    def look_for_live(self) -> None:
        """Ask for stock and receipts with the next request."""
        self._live_news = True

    def _take_wishes(self) -> register_side.SyncState:
        transfer = None if self._anew or self._took else self.state.transfer
        repair = self.state.repair
        if transfer is None and self.offer is None:  # what is staged must not change its meaning
            repair = tuple(sorted({*repair, *(self._wrong - self._asked)}))
            self._asked |= set(repair)
        state = msgspec.structs.replace(
            self.state,
            feed_behind=(self.state.feed_behind or self._news or self._took) and self.offer is None,
            anew=(self.state.anew and not self._took) or self._anew,
            transfer=transfer,
            repair=repair,
            retry=self.state.retry or self._retry,
            live_behind=self.state.live_behind or self._live_news or self._anew,
            live_anew=self.state.live_anew or self._anew,
            live_transfer=None if self._anew else self.state.live_transfer,
        )
        self._news = self._anew = self._retry = self._took = self._live_news = False
        return state

    def has_work(self) -> bool:
        if self.offer is not None:  # what is to come down waits for the file
            quiet = msgspec.structs.replace(
                self.state, feed_behind=False, live_behind=False, repair=()
            )
            return register_side.has_work(quiet, self._journal_end())
        wanted = self._news or self._live_news or self._took or bool(self._wrong - self._asked)
        return wanted or register_side.has_work(self.state, self._journal_end())

    def has_caught_up(self, head: Head) -> bool:
        """Whether everything up to ``head`` has arrived and the catalogue is fetched. What was sold since
        then, the stock and other tills' receipts are still under way: nobody waits for them."""
        wanted = self._news or self._took or self.offer or bool(self._wrong - self._asked)
        if wanted or not self.state.nonce or self.state.feed_behind or self.state.repair:
            return False
        # An epoch that has just begun still waits for its label, which the next receipt is to bear.
        if not register_side.is_confirmed(self.state, self._journal_end()):
            return False
        return self._till.journal.sending.ack(head.epoch).seq >= head.seq and not self.state.retry

    def is_synced(self) -> bool:
        """``All data is synced``, as of the last answer."""
        if self.trouble or self._wrong or self._took or self.offer is not None:
            return False
        not_applied = len(self._till.journal.sending.not_applied())
        return register_side.is_synced(self.state, self.outlook(), not_applied)


def offline_error() -> DomainError:
    return DomainError(
        "offline", "The Back Office cannot be reached right now; everything is kept here."
    )
