"""From the bytes of an entry to a :class:`Fact` with its rows: before any lock, each entry on its own."""

import logging
from collections.abc import Iterable
from datetime import datetime

import msgspec

from stillopen.backoffice.ingest.effects import add_effects, aggregate_of
from stillopen.backoffice.ingest.fact import NEEDS_NEWER, Fact, Place
from stillopen.backoffice.ingest.limits import canonical_id, clip
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import StoredEntry
from stillopen.sync.facts import EntryBody, decode_body, decode_payload, is_known, is_newer
from stillopen.sync.lineage import epoch_of

log = logging.getLogger(__name__)

#: What decoding can raise for bytes that are no entry.
_UNREADABLE = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)


def read_entries(
    entries: Iterable[StoredEntry], place: Place, branch: str, now: datetime
) -> list[Fact]:
    """Facts in the order of ``entries``; whatever is wrong with one is recorded in it alone."""
    received = place.db.moment(now)
    return [read_entry(entry, place, branch, received) for entry in entries]


def read_entry(
    entry: StoredEntry,
    place: Place,
    branch: str,
    received: str,
    accepted: frozenset[str] = frozenset(),
) -> Fact:
    """Quarantined, waiting for newer software, or ready to be applied. ``received``: when, as the engine takes
    it. ``accepted``: codes that a person has said to pass over."""
    # Until it is read, an entry goes by its place.
    fact = Fact(entry=entry, branch=branch, received=received, id=f"{branch[:19]}:{entry.seq}")
    fact.accepted = accepted
    try:
        _read(fact, place)
    except DomainError as error:
        fact.quarantine(error)
    except (ValueError, ArithmeticError, TypeError, LookupError) as error:
        # Nothing but the entry's own bytes is involved here: what nobody foresaw is held back alone.
        log.exception("entry %s of register %s", fact.id, place.source.register)
        fact.quarantine(_unreadable(error))
    return fact


def _read(fact: Fact, place: Place) -> None:
    if not fact.entry.intact and "bad_hash" not in fact.accepted:
        raise DomainError(
            "bad_hash", "This entry was damaged after it was made: its check sum does not fit."
        )
    body = _decode(fact.entry.body)
    _check_origin(body, fact, place)
    fact.id, fact.kind, fact.body = canonical_id(body.id), clip(body.kind, 40), body
    fact.aggregate = aggregate_of(fact.kind, fact.id, body, place.source.register)
    payload = _payload(body) if is_known(body) else None
    if payload is None:
        fact.wait(NEEDS_NEWER)
        return
    add_effects(fact, body, payload, place)


def _decode(data: bytes) -> EntryBody:
    try:
        return decode_body(data)
    except _UNREADABLE as error:
        raise _unreadable(error) from error


def _payload(body: EntryBody) -> msgspec.Struct | None:
    """None for what newer software wrote in a way that this one cannot read yet."""
    try:
        return decode_payload(body)
    except _UNREADABLE as error:
        if is_newer(body):
            return None
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> DomainError:
    reason = clip(str(error), 200)
    return DomainError("bad_entry", "The bytes of this entry cannot be read.", reason=reason)


def _check_origin(body: EntryBody, fact: Fact, place: Place) -> None:
    """The entry must say itself that it belongs where it came from."""
    if (
        body.register != place.source.register
        or body.epoch != epoch_of(fact.branch)
        or body.seq != fact.entry.seq
    ):
        raise DomainError(
            "foreign_entry",
            "This entry belongs to another register or another place in the journal.",
            said_register=clip(body.register, 40),
            said_epoch=clip(body.epoch, 40),
            said_seq=clip(str(body.seq), 40),
        )
