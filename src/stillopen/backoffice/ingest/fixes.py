"""What can be done about an exception, by its code. docs/operations.md says why for each."""

import msgspec

from stillopen.backoffice.ingest.fact import AFTER_REVOCATION, APPLIED, QUARANTINE_CODES
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.products import UNKNOWN
from stillopen.sync.facts import EntryBody, decode_body
from stillopen.sync.lineage import epoch_of

RETRY, ACCEPT, SET_ASIDE, SEEN = "retry", "accept", "set_aside", "seen"
MAP_PRODUCT, CREATE_PRODUCT = "map_product", "create_product"

#: Every fix, with the words of its button.
WORDS = {
    RETRY: "Retry",
    ACCEPT: "Accept as it is",
    SET_ASIDE: "Set aside",
    SEEN: "Mark as seen",
    MAP_PRODUCT: "It is this product",
    CREATE_PRODUCT: "Create the product",
}


def fixes_for(item: ExceptionItem, entry: Entry | None) -> tuple[str, ...]:
    """The fixes that make sense now, the best one first; none for what is settled."""
    if item.resolved_at is not None:
        return ()
    if item.code == UNKNOWN:
        return (MAP_PRODUCT, CREATE_PRODUCT, SEEN)
    if item.code == AFTER_REVOCATION:
        return (ACCEPT, SET_ASIDE)
    if entry is None or entry.status == APPLIED or item.code not in QUARANTINE_CODES:
        return (SEEN,)
    if item.code == "duplicate_number":
        return (ACCEPT, RETRY, SET_ASIDE)
    if item.code == "bad_hash":
        return (ACCEPT, SET_ASIDE) if agrees(entry) else (SET_ASIDE,)
    return (RETRY, SET_ASIDE)


def agrees(entry: Entry) -> bool:
    """Whether damaged bytes can still be read and say that they belong where they came from."""
    body = read_body(entry)
    return (
        body is not None
        and body.register == str(entry.register_id)
        and body.epoch == epoch_of(entry.branch)
        and body.seq == entry.seq
    )


def read_body(entry: Entry) -> EntryBody | None:
    """None for bytes that are no entry."""
    try:
        return decode_body(bytes(entry.body))
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        return None
