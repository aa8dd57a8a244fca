"""One whole exchange: what a register says in, what it gets out. Receiving is not applying.

    read → prove → decode and recompute each entry on its own
         → lock the register → judge → apply → keep the raw entries → move the ack → commit → feed page

Whatever goes wrong with the database, the disk or the memory aborts all of it: nothing is stored, the
ack stays, the register sends again.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

import django.db
import msgspec

from stillopen.backoffice.feed.offers import offer
from stillopen.backoffice.feed.pages import Heads, read_heads, read_page, scopes_of
from stillopen.backoffice.ingest import known, store
from stillopen.backoffice.ingest.apply import Application
from stillopen.backoffice.ingest.fact import Fact, place_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.lineage import file_lineage
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.reading import read_entries
from stillopen.backoffice.ingest.refused import Refused, bad_message, try_again
from stillopen.backoffice.ingest.request import read_request
from stillopen.backoffice.ingest.retry import reapply
from stillopen.backoffice.ingest.revoked import hold_after_revocation
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.backoffice.live.pages import read_live_page
from stillopen.domain.errors import DomainError
from stillopen.sync import proof
from stillopen.sync.chain import GENESIS
from stillopen.sync.codec import pack
from stillopen.sync.lineage import History, is_label
from stillopen.sync.live import live_scopes
from stillopen.sync.messages import (
    Ack,
    ExchangeAnswer,
    ExchangeRequest,
    NotApplied,
)
from stillopen.sync.server_side import Known, Verdict, judge

log = logging.getLogger(__name__)

NONCE_BYTES = 16

#: The server's own trouble, never an entry's: all or nothing.
TROUBLE = (django.db.Error, OSError, MemoryError)


def exchange(register_id: str, body: bytes, signature: bytes, now: datetime) -> bytes:
    """The answer to ``body``, which the device of ``register_id`` signed; ``now`` is aware.

    Raises :class:`Refused`: 400 ``bad_message``; 401 ``unknown_register``, ``bad_proof``; 503
    ``try_again`` (nothing was stored). A revoked register hands in its facts and is told so.
    """
    request = read_request(body)
    try:
        return pack(_exchange(register_id, request, body, signature, now))
    except TROUBLE as error:
        log.warning("exchange of register %s aborted: %s", register_id, error)
        raise try_again() from error


def _exchange(
    register_id: str, request: ExchangeRequest, body: bytes, signature: bytes, now: datetime
) -> ExchangeAnswer:
    remembered = _recall(register_id, request)
    if remembered is not None and _signed(remembered, request, body, signature):
        try:
            return _take(remembered, request, now)
        except Outdated:
            known.forget(request.register)
    device = _prove(register_id, request, body, signature)
    answer = _take(device, request, now)
    known.remember(device)
    return answer


def _recall(register_id: str, request: ExchangeRequest) -> store.Device | None:
    """The device, where this process knows one; what is not canonical is looked at more closely."""
    return known.recall(request.register) if register_id == request.register else None


def _prove(
    register_id: str, request: ExchangeRequest, body: bytes, signature: bytes
) -> store.Device:
    with django.db.connection.cursor() as cursor:
        return _proven(cursor, _find(cursor, register_id, request), request, body, signature)


def _take(device: store.Device, request: ExchangeRequest, now: datetime) -> ExchangeAnswer:
    """The exchange with a device that is proven, as far as is known without a lock."""
    facts = _read(device, request, now)
    with engine().transaction() as cursor:
        received = Exchange(cursor, request, device, now)
        answer = received.run(facts)
    return _with_feed(answer, received, request)


def _read(device: store.Device, request: ExchangeRequest, now: datetime) -> list[Fact]:
    """Everything that needs no lock: what the entries say, whether the sums are right."""
    if not request.entries:
        return []
    place = place_of(device.source)
    facts = read_entries(request.entries, place, request.epoch, now)
    with django.db.connection.cursor() as cursor:
        check_people(cursor, facts, place)
    return facts


class Outdated(Refused):
    """The register's row is not what it was before it was locked."""


def _find(cursor: Cursor, register_id: str, request: ExchangeRequest) -> store.Device:
    try:
        register = canonical_id(register_id)
    except DomainError:
        raise _unknown() from None
    if request.register != register:
        raise bad_message("it names another register than its proof")
    device = store.find_device(cursor, register)
    if device is None or not device.public_key:
        raise _unknown()
    return device


def _unknown() -> Refused:
    return Refused(401, "unknown_register", "This register is not known here; activate it again.")


def _proven(
    cursor: Cursor,
    device: store.Device,
    request: ExchangeRequest,
    body: bytes,
    signature: bytes,
) -> store.Device:
    """The device of the register that signed: the present one, or one from before it."""
    if _signed(device, request, body, signature):
        return device
    formers = store.former_devices(cursor, device)
    former = next((d for d in formers if _signed(d, request, body, signature)), None)
    if former is None:
        raise Refused(401, "bad_proof", "The signature is not that of this register's device.")
    return former


def _signed(by: store.Device, request: ExchangeRequest, body: bytes, signature: bytes) -> bool:
    return proof.verify(by.public_key, signature, proof.EXCHANGE, request.nonce, body)


class Exchange:
    """The part of an exchange that holds the register's row locked."""

    def __init__(
        self, cursor: Cursor, request: ExchangeRequest, device: store.Device, now: datetime
    ) -> None:
        self.cursor, self.request, self.now = cursor, request, now
        self.often = engine().often(cursor)
        self.device, self.source = self._lock(device), device.source
        self.place = place_of(self.source)
        self.scopes = scopes_of(self.source.store, self.source.register)
        self.live_scopes = live_scopes(self.source.store)
        self.heads: Heads | None = None
        self.live: Heads | None = None
        self.backed_up: Mapping[str, Ack] = {}

    def _lock(self, before: store.Device) -> store.Device:
        device = store.lock_device(self.often, before.source.register)
        if device is not None and before.former:
            formers = store.former_devices(self.cursor, device)
            device = next((d for d in formers if d.public_key == before.public_key), None)
        if device is None or device.public_key != before.public_key:
            raise Outdated(401, "bad_proof", "The register was activated on another device.")
        if device.source != before.source:
            raise Outdated(503, "try_again", "The register was moved just now.", 1.0)
        return device

    def run(self, facts: Sequence[Fact]) -> ExchangeAnswer:
        known = store.read_epoch(self.often, self.place, self.request)
        self.backed_up = known.backed_up if known else {}
        verdict = judge(self.request, self._known(known))
        if verdict.stale:
            return self._only_nonce(verdict)
        label = self._label(known)
        branch = self._take_in(verdict, label)
        nothing_new = known is not None and label == known.label and not self._moves(verdict)
        if branch != self.request.epoch:
            facts = read_entries(self.request.entries, self.place, branch, self.now)
            check_people(self.cursor, facts, self.place)
        blocked = self._receive(verdict, branch, facts)
        held = not nothing_new or known is None or known.held
        answer = self._answer(verdict, branch, label, blocked, held)
        if nothing_new:
            engine().need_not_wait(self.often)
        return answer

    def _moves(self, verdict: Verdict) -> bool:
        """Whether more is written than what the register says of itself, and its nonce."""
        lineage = verdict.opens or verdict.went_back or verdict.restored or verdict.strange
        return bool(lineage or verdict.accept or verdict.gaps or self.request.retry)

    def _only_nonce(self, verdict: Verdict) -> ExchangeAnswer:
        """Nothing of a stale request has any effect; it learns the nonce to come again with."""
        nonce = self.device.nonce
        if not nonce:
            nonce = secrets.token_bytes(NONCE_BYTES)
            self._keep({"nonce": nonce})
        return ExchangeAnswer(
            request=self.request.request, nonce=nonce, ack=verdict.ack, stale=True
        )

    def _known(self, known: store.EpochKnown | None) -> Known:
        return Known(
            state="active" if self.device.state == "active" else "revoked",
            nonce=self.device.nonce,
            history=History() if known is None else known.history,
            machine=self.device.machine,
        )

    def _label(self, known: store.EpochKnown | None) -> str:
        """The epoch's label: the server's, until the register has printed its own."""
        request, place = self.request, self.place
        if known is None:
            return store.new_epoch(self.source, request, self.now)
        printed = request.former or request.journal_count > 0
        if printed and is_label(request.label) and request.label != known.label:
            store.keep_label(self.cursor, place, request.epoch, request.label)
            return request.label
        return known.label

    def _take_in(self, verdict: Verdict, label: str) -> str:
        """The branch that takes the entries, opened where it is new; and what a person must know of."""
        branch = verdict.branch
        assert branch is not None  # every fresh request has its place
        if verdict.opens:
            store.open_branch(self.source, self.request.epoch, branch, label, self.now)
        file_lineage(self.cursor, self.place, self.request, verdict, self.now)
        return branch.name

    def _receive(self, verdict: Verdict, branch: str, facts: Sequence[Fact]) -> bool | None:
        """Apply and keep what the verdict accepts; returns what was said of the PIN block."""
        read = {fact.entry: fact for fact in facts}
        accepted = [read[entry] for entry in verdict.accept]
        application = Application(self.cursor, self.place, self.now)
        if self.device.state != "active":
            hold_after_revocation(accepted)
        application.run(accepted)
        store.keep_entries(self.cursor, self.place, accepted)
        store.keep_gaps(self.cursor, self.place, branch, verdict.gaps, self.now)
        if self.request.retry and self.device.state == "active":
            reapply(self.cursor, self.place, application)
        return application.pin_blocked

    def _answer(
        self, verdict: Verdict, branch: str, label: str, blocked: bool | None, held: bool
    ) -> ExchangeAnswer:
        nonce = secrets.token_bytes(NONCE_BYTES)
        held_back = store.not_applied(self.cursor, self.place, self.request.epoch) if held else ()
        self._look_at_feed(verdict)
        if not engine().is_open():
            raise try_again("The transaction ended by itself.")
        if verdict.accept or verdict.gaps:
            store.move_ack(self.cursor, self.place, branch, verdict.ack)
        self._beat(nonce, blocked)
        return self._message(verdict, label, nonce, held_back)

    def _beat(self, nonce: bytes, blocked: bool | None) -> None:
        """Keep what the register said of itself, and its new nonce."""
        if self.device.former:
            self._keep({"nonce": nonce, "last_seen_at": self.place.db.moment(self.now)})
            return
        changes = {"nonce": nonce, **store.said(self.request, self.place, self.now)}
        cursors = self._cursors()
        if cursors is not None:
            changes["cursors"] = msgspec.json.encode(cursors).decode()
        if blocked is not None:
            changes["blocked"] = blocked
        self._keep(changes)

    def _keep(self, changes: dict[str, object]) -> None:
        """Set columns of the device that this exchange is with."""
        if self.device.former:
            store.set_former(self.cursor, self.place, self.device.public_key, changes)
        else:
            store.set_register(self.often, self.place, changes)

    def _look_at_feed(self, verdict: Verdict) -> None:
        if verdict.feed:
            scopes = (*self.scopes, *self.live_scopes)
            heads = read_heads(self.often, self.source.account, scopes)
            lanes = len(self.scopes)
            self.heads = Heads(heads.epoch, heads.heads[:lanes])
            self.live = Heads(heads.epoch, heads.heads[lanes:])

    def _cursors(self) -> dict[str, int] | None:
        """Where the register stands in the feed, as far as it said so."""
        if self.heads is not None and self.request.cursors_hash == self.heads.hash:
            return self.heads.seqs | (self._live_seqs() or {})
        if self.request.pull is None:
            return None
        return {c.scope: c.seq for c in self.request.pull.cursors if c.scope in self.scopes}

    def _live_seqs(self) -> dict[str, int] | None:
        """Where the register stands in the live lane, if that is at the heads."""
        return None if self.live is None or self._live_behind() else self.live.seqs

    def _live_behind(self) -> bool:
        return self.live is not None and self.request.live_hash != self.live.hash

    def _reach(self, verdict: Verdict) -> Ack | None:
        """How far the backups reach on the request's line of history, where the register thinks otherwise."""
        branch = verdict.branch.name if verdict.branch else ""
        reach = self.backed_up.get(branch, Ack(self.request.epoch, 0, GENESIS))
        return None if reach.seq == self.request.backed_up else reach

    def _message(
        self, verdict: Verdict, label: str, nonce: bytes, held_back: tuple[NotApplied, ...]
    ) -> ExchangeAnswer:
        behind = self.heads is not None and self.request.cursors_hash != self.heads.hash
        return ExchangeAnswer(
            request=self.request.request,
            nonce=nonce,
            ack=verdict.ack,
            server_time=self.now,
            not_applied=held_back,
            feed_behind=behind,
            live_behind=self._live_behind(),
            label=None if label == self.request.label else label,
            backed_up=self._reach(verdict),
            instructions=verdict.instructions,
        )


def _with_feed(
    answer: ExchangeAnswer, received: Exchange, request: ExchangeRequest
) -> ExchangeAnswer:
    """Add the pages that were asked for, each read after the commit in a snapshot of its own."""
    return _with_live(_with_catalogue(answer, received, request), received, request)


def _with_catalogue(
    answer: ExchangeAnswer, received: Exchange, request: ExchangeRequest
) -> ExchangeAnswer:
    pull = request.pull
    if pull is None or received.heads is None:
        return answer
    if not (answer.feed_behind or pull.snapshot or pull.staged or pull.repair):
        return answer
    file = offer(received.source.account, received.heads, pull)
    if file is not None:
        return msgspec.structs.replace(answer, snapshot=file, feed_behind=True)
    page = read_page(received.source.account, received.scopes, pull)
    return msgspec.structs.replace(answer, page=page, feed_behind=page.more)


def _with_live(
    answer: ExchangeAnswer, received: Exchange, request: ExchangeRequest
) -> ExchangeAnswer:
    pull = request.live
    if pull is None or received.live is None:
        return answer
    if not (answer.live_behind or pull.snapshot or pull.staged):
        return answer
    whole = answer.ack.seq == request.head_seq
    page = read_live_page(received.source, pull, answer.ack, whole)
    return msgspec.structs.replace(answer, live=page, live_behind=page.more)
