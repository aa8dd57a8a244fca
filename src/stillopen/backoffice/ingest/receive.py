"""One whole exchange: what a register says in, what it gets out. Receiving is not applying.

    read → prove → decode and recompute each entry on its own
         → lock the register → judge → apply → keep the raw entries → move the ack → commit → feed page

Whatever goes wrong with the database, the disk or the memory aborts all of it: nothing is stored, the
ack stays, the register sends again.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime

import django.db
import msgspec

from stillopen.backoffice.feed.pages import Heads, read_heads, read_page, scopes_of
from stillopen.backoffice.ingest import store
from stillopen.backoffice.ingest.apply import Application
from stillopen.backoffice.ingest.fact import Fact, place_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.reading import read_entries
from stillopen.backoffice.ingest.refused import Refused, bad_message, try_again
from stillopen.backoffice.ingest.request import read_request
from stillopen.backoffice.ingest.retry import reapply
from stillopen.backoffice.ingest.revoked import hold_after_revocation
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.domain.errors import DomainError
from stillopen.sync import proof
from stillopen.sync.chain import GENESIS
from stillopen.sync.codec import pack
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
    device, facts = _prepare(register_id, request, body, signature, now)
    with engine().transaction() as cursor:
        received = _Exchange(cursor, request, device, now)
        answer = received.run(facts)
    return _with_feed(answer, received, request)


def _prepare(
    register_id: str, request: ExchangeRequest, body: bytes, signature: bytes, now: datetime
) -> tuple[store.Device, list[Fact]]:
    """Everything that needs no lock: who it is, what the entries say, whether the sums are right."""
    with django.db.connection.cursor() as cursor:
        device = _find(cursor, register_id, request)
        _check_proof(device, request, body, signature)
        place = place_of(device.source)
        facts = read_entries(request.entries, place, request.epoch, now)
        check_people(cursor, facts, place)
    return device, facts


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


def _check_proof(
    device: store.Device, request: ExchangeRequest, body: bytes, signature: bytes
) -> None:
    if not proof.verify(device.public_key, signature, proof.EXCHANGE, request.nonce, body):
        raise Refused(401, "bad_proof", "The signature is not that of this register's device.")


class _Exchange:
    """The part of an exchange that holds the register's row locked."""

    def __init__(
        self, cursor: Cursor, request: ExchangeRequest, device: store.Device, now: datetime
    ) -> None:
        self.cursor, self.request, self.now = cursor, request, now
        self.device, self.source = self._lock(device), device.source
        self.place = place_of(self.source)
        self.scopes = scopes_of(self.source.store, self.source.register)
        self.heads: Heads | None = None

    def _lock(self, before: store.Device) -> store.Device:
        device = store.lock_device(self.cursor, before.source.register)
        if device is None or device.public_key != before.public_key:
            raise Refused(401, "bad_proof", "The register was activated on another device.")
        if device.source != before.source:
            raise try_again("The register was moved just now.")
        return device

    def run(self, facts: Sequence[Fact]) -> ExchangeAnswer:
        epoch = self.request.epoch
        ack = store.read_ack(self.cursor, self.place, epoch)
        verdict = judge(self.request, self._known(ack))
        if verdict.stale:
            return self._only_nonce(verdict)
        if ack is None:
            store.new_epoch(self.source, epoch, self.now)
        blocked = self._receive(verdict, facts)
        return self._answer(verdict, blocked)

    def _only_nonce(self, verdict: Verdict) -> ExchangeAnswer:
        """Nothing of a stale request has any effect; it learns the nonce to come again with."""
        nonce = self.device.nonce
        if not nonce:
            nonce = secrets.token_bytes(NONCE_BYTES)
            store.set_register(self.cursor, self.place, {"nonce": nonce})
        return ExchangeAnswer(
            request=self.request.request, nonce=nonce, ack=verdict.ack, stale=True
        )

    def _known(self, ack: Ack | None) -> Known:
        seqs = [] if ack is None else [e.seq for e in self.request.entries if e.seq <= ack.seq]
        epoch = self.request.epoch
        return Known(
            state="active" if self.device.state == "active" else "revoked",
            nonce=self.device.nonce,
            ack=ack or Ack(epoch, 0, GENESIS),
            held=store.held_hashes(self.cursor, self.place, epoch, seqs),
        )

    def _receive(self, verdict: Verdict, facts: Sequence[Fact]) -> bool | None:
        """Apply and keep what the verdict accepts; returns what was said of the PIN block."""
        read = {fact.entry: fact for fact in facts}
        accepted = [read[entry] for entry in verdict.accept]
        application = Application(self.cursor, self.place, self.now)
        if self.device.state != "active":
            hold_after_revocation(accepted)
        application.run(accepted)
        store.keep_entries(self.cursor, self.place, accepted)
        if self.request.retry and self.device.state == "active":
            reapply(self.cursor, self.place, application)
        return application.pin_blocked

    def _answer(self, verdict: Verdict, blocked: bool | None) -> ExchangeAnswer:
        nonce = secrets.token_bytes(NONCE_BYTES)
        held_back = store.not_applied(self.cursor, self.place, self.request.epoch)
        self._look_at_feed(verdict)
        if not engine().is_open():
            raise try_again("The transaction ended by itself.")
        if verdict.accept:
            store.move_ack(self.cursor, self.place, verdict.ack)
        self._beat(nonce, blocked)
        return self._message(verdict, nonce, held_back)

    def _beat(self, nonce: bytes, blocked: bool | None) -> None:
        """Keep what the register said of itself, and its new nonce."""
        changes = {"nonce": nonce, **store.said(self.request, self.place, self.now)}
        cursors = self._cursors()
        if cursors is not None:
            changes["cursors"] = msgspec.json.encode(cursors).decode()
        if blocked is not None:
            changes["blocked"] = blocked
        store.set_register(self.cursor, self.place, changes)

    def _look_at_feed(self, verdict: Verdict) -> None:
        if verdict.feed:
            self.heads = read_heads(self.cursor, self.source.account, self.scopes)

    def _cursors(self) -> dict[str, int] | None:
        """Where the register stands in the feed, as far as it said so."""
        if self.heads is not None and self.request.cursors_hash == self.heads.hash:
            return self.heads.seqs
        if self.request.pull is None:
            return None
        return {c.scope: c.seq for c in self.request.pull.cursors if c.scope in self.scopes}

    def _message(
        self, verdict: Verdict, nonce: bytes, held_back: tuple[NotApplied, ...]
    ) -> ExchangeAnswer:
        behind = self.heads is not None and self.request.cursors_hash != self.heads.hash
        return ExchangeAnswer(
            request=self.request.request,
            nonce=nonce,
            ack=verdict.ack,
            server_time=self.now,
            not_applied=held_back,
            feed_behind=behind,
            instructions=verdict.instructions,
        )


def _with_feed(
    answer: ExchangeAnswer, received: _Exchange, request: ExchangeRequest
) -> ExchangeAnswer:
    """Add the page that was asked for, read after the commit in a snapshot of its own."""
    pull = request.pull
    if pull is None or received.heads is None:
        return answer
    if not (answer.feed_behind or pull.snapshot or pull.staged):
        return answer
    page = read_page(received.source.account, received.scopes, pull)
    return msgspec.structs.replace(answer, page=page, feed_behind=page.more)
