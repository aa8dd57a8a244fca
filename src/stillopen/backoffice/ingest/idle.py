"""An exchange with nothing to say, as nearly every one is: what it is judged on is read, the row is written.

Nothing is locked in between. The row is written on the condition that it still is what was judged: of
this device, active, in this store, and with the request's nonce, which whatever else this device sends would
have changed. What does not fit in here is left to the locked way (receive.py), from its beginning.
"""

import secrets
from datetime import datetime

from stillopen.backoffice.ingest.fact import place_of
from stillopen.backoffice.ingest.reply import NONCE_BYTES, Reply
from stillopen.backoffice.ingest.standing import read_standing
from stillopen.backoffice.ingest.store import Device, set_unchanged
from stillopen.sync.messages import ExchangeAnswer, ExchangeRequest
from stillopen.sync.server_side import Known, judge


def answer_idle(device: Device, request: ExchangeRequest, now: datetime) -> ExchangeAnswer | None:
    """``device`` is as it was last, and has signed ``request``. None: nothing was done, it must be locked."""
    if request.entries or request.gaps or request.retry or request.pull or request.live:
        return None
    place = place_of(device.source)
    with place.db.autocommit() as cursor:
        often = place.db.often(cursor)
        standing = read_standing(often, place, request)
        known = standing.known
        if known is None or known.held or known.label_after(request) != known.label:
            return None
        taken = Known(
            state="active", nonce=request.nonce, history=known.history, machine=device.machine
        )
        verdict = judge(request, taken)
        if verdict.stale or verdict.moves or verdict.instructions:
            return None
        reply = Reply(request, verdict, standing)
        nonce = secrets.token_bytes(NONCE_BYTES)
        columns = reply.columns(place, nonce, now)
        if not set_unchanged(often, place, device, request.nonce, columns):
            return None
    return reply.message(known.label, nonce, now)
