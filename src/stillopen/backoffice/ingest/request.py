"""Reading a request: everything that could trouble the database is turned away here."""

import re
from datetime import datetime

import msgspec

from stillopen.backoffice.ingest.refused import bad_message
from stillopen.backoffice.ingest.sql import utc
from stillopen.sync.codec import BadMessage, unpack
from stillopen.sync.messages import ExchangeRequest, Pull

MAX_SEQ = 2**62
#: More former epochs than any disk has.
MAX_LINES = 100
_EPOCH = re.compile(r"[0-9a-f]{32}")


def read_request(body: bytes) -> ExchangeRequest:
    """``Refused 400 bad_message`` for anything that is no well-formed request."""
    try:
        request = unpack(body, ExchangeRequest)
    except BadMessage as error:
        raise bad_message(str(error)) from error
    _check_places(request)
    for pull in (request.pull, request.live):
        if pull is not None:
            _check_pull(pull)
    return msgspec.structs.replace(
        request,
        clock=_time(request.clock),
        unsent=msgspec.structs.replace(request.unsent, oldest_at=_time(request.unsent.oldest_at)),
    )


def _check_places(request: ExchangeRequest) -> None:
    if not _EPOCH.fullmatch(request.epoch):
        raise bad_message("the epoch is 32 hexadecimal digits")
    if not 0 <= request.head_seq <= MAX_SEQ or not 0 <= request.request <= MAX_SEQ:
        raise bad_message("a number is out of bounds")
    for entry in request.entries:
        if not 0 < entry.seq <= MAX_SEQ or len(entry.hash) != 32 or len(entry.prev_hash) != 32:
            raise bad_message("an entry is out of bounds")
    _check_lineage(request)


def _check_lineage(request: ExchangeRequest) -> None:
    if not 0 <= request.acked_seq <= request.head_seq or not 0 <= request.backed_up <= MAX_SEQ:
        raise bad_message("an ack is out of bounds")
    if len(request.head_hash) != 32 or len(request.acked_hash) not in (0, 32):
        raise bad_message("a hash has 32 bytes")
    for gap in request.gaps:
        if not 0 < gap.first <= gap.last <= request.head_seq or len(gap.hash) != 32:
            raise bad_message("a gap is out of bounds")


def _check_pull(pull: Pull) -> None:
    seqs = [cursor.seq for cursor in pull.cursors] + list(pull.staged.values())
    seqs += [end.seq for end in pull.lines] + [pull.most]
    if any(not 0 <= seq <= MAX_SEQ for seq in seqs) or len(pull.lines) > MAX_LINES:
        raise bad_message("a cursor is out of bounds")


def _time(at: datetime | None) -> datetime | None:
    try:
        return None if at is None else utc(at)
    except OverflowError:
        raise bad_message("a time is out of bounds") from None
