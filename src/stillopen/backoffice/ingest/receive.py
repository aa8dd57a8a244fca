"""One whole exchange: what a register says in, what it gets out. Receiving is not applying.

    read → prove → decode and recompute each entry on its own
         → lock the register → judge → apply → keep the raw entries → move the ack → commit → feed page

One that has nothing to say takes a shorter way (idle.py). Whatever goes wrong with the database, the disk or
the memory aborts all of it: nothing is stored, the ack stays, the register sends again.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime

import django.db
import msgspec

from stillopen.backoffice.feed.offers import offer
from stillopen.backoffice.feed.pages import read_page
from stillopen.backoffice.ingest import known, store
from stillopen.backoffice.ingest.apply import Application
from stillopen.backoffice.ingest.fact import Fact, Source, place_of
from stillopen.backoffice.ingest.idle import answer_idle
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.lineage import file_lineage
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.reading import read_entries
from stillopen.backoffice.ingest.refused import Refused, bad_message, try_again
from stillopen.backoffice.ingest.reply import NONCE_BYTES, Reply
from stillopen.backoffice.ingest.request import read_request
from stillopen.backoffice.ingest.retry import reapply
from stillopen.backoffice.ingest.revoked import hold_after_revocation
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.backoffice.ingest.standing import read_standing
from stillopen.backoffice.live.pages import read_live_page
from stillopen.domain.errors import DomainError
from stillopen.sync import proof
from stillopen.sync.codec import pack
from stillopen.sync.lineage import History
from stillopen.sync.messages import ExchangeAnswer, ExchangeRequest
from stillopen.sync.server_side import Known, Verdict, judge

log = logging.getLogger(__name__)

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
            return answer_idle(remembered, request, now) or _take(remembered, request, now)
        except Outdated:
            known.forget(request.register)
    return _take(_prove(register_id, request, body, signature), request, now)


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
    known.remember(received.device)
    return _with_feed(answer, received.source, received.reply)


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
        standing = read_standing(self.often, self.place, request)
        self.known = standing.known
        self.reply = Reply(request, judge(request, self._for_judgement()), standing)

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
        verdict = self.reply.verdict
        if verdict.stale:
            return self._only_nonce(verdict)
        if (
            verdict.went_back
        ):  # restored, and nobody said so: which letters it had given is not known
            store.set_register(self.often, self.place, {"labels_lost": True}, wait=True)
        label = self._label()
        branch = self._take_in(verdict, label)
        if branch != self.request.epoch:
            facts = read_entries(self.request.entries, self.place, branch, self.now)
            check_people(self.cursor, facts, self.place)
        blocked = self._receive(verdict, branch, facts)
        return self._answer(verdict, branch, label, blocked)

    def _only_nonce(self, verdict: Verdict) -> ExchangeAnswer:
        """Nothing of a stale request has any effect; it learns the nonce to come again with."""
        nonce = self.device.nonce
        if not nonce:
            nonce = secrets.token_bytes(NONCE_BYTES)
            self._keep({"nonce": nonce})
        return ExchangeAnswer(
            request=self.request.request, nonce=nonce, ack=verdict.ack, stale=True
        )

    def _for_judgement(self) -> Known:
        return Known(
            state="active" if self.device.state == "active" else "revoked",
            nonce=self.device.nonce,
            history=History() if self.known is None else self.known.history,
            machine=self.device.machine,
        )

    def _label(self) -> str:
        """The epoch's label, made or changed where need be."""
        if self.known is None:
            return store.new_epoch(self.source, self.request, self.now)
        label = self.known.label_after(self.request)
        if label != self.known.label:
            store.keep_label(self.cursor, self.place, self.request.epoch, label)
        return label

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
        self, verdict: Verdict, branch: str, label: str, blocked: bool | None
    ) -> ExchangeAnswer:
        known, moved = self.known, verdict.moves or self.request.retry
        nonce = secrets.token_bytes(NONCE_BYTES)
        held = moved or known is None or known.held
        held_back = store.not_applied(self.cursor, self.place, self.request.epoch) if held else ()
        if not engine().is_open():
            raise try_again("The transaction ended by itself.")
        if verdict.accept or verdict.gaps:
            store.move_ack(self.cursor, self.place, branch, verdict.ack)
        self._beat(nonce, blocked, wait=moved or known is None or label != known.label)
        return self.reply.message(label, nonce, self.now, held_back)

    def _beat(self, nonce: bytes, blocked: bool | None, wait: bool) -> None:
        """Keep what the register said of itself, and its new nonce."""
        if self.device.former:
            self._keep({"nonce": nonce, "last_seen_at": self.place.db.moment(self.now)})
            return
        changes = self.reply.columns(self.place, nonce, self.now)
        if blocked is not None:
            changes["blocked"] = blocked
        self._keep(changes, wait)

    def _keep(self, changes: dict[str, object], wait: bool = True) -> None:
        """Set columns of the device that this exchange is with; last of all."""
        if self.device.former:
            store.set_former(self.cursor, self.place, self.device.public_key, changes)
        else:
            store.set_register(self.often, self.place, changes, wait)


def _with_feed(answer: ExchangeAnswer, source: Source, reply: Reply) -> ExchangeAnswer:
    """Add the pages that were asked for, each read after the commit in a snapshot of its own."""
    if not reply.verdict.feed:
        return answer
    return _with_live(_with_catalogue(answer, source, reply), source, reply)


def _with_catalogue(answer: ExchangeAnswer, source: Source, reply: Reply) -> ExchangeAnswer:
    pull, heads = reply.request.pull, reply.standing.heads
    if pull is None:
        return answer
    if not (answer.feed_behind or pull.snapshot or pull.staged or pull.repair):
        return answer
    file = offer(source.account, heads, pull)
    if file is not None:
        return msgspec.structs.replace(answer, snapshot=file, feed_behind=True)
    page = read_page(source.account, tuple(heads.seqs), pull)
    return msgspec.structs.replace(answer, page=page, feed_behind=page.more)


def _with_live(answer: ExchangeAnswer, source: Source, reply: Reply) -> ExchangeAnswer:
    pull = reply.request.live
    if pull is None:
        return answer
    if not (answer.live_behind or pull.snapshot or pull.staged):
        return answer
    whole = answer.ack.seq == reply.request.head_seq
    page = read_live_page(source, pull, answer.ack, whole)
    return msgspec.structs.replace(answer, live=page, live_behind=page.more)
