"""Why something needs a person, in plain words: what the Back Office's Exceptions and a till's Status say.

The codes are stable; the words may be bettered.
"""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How urgent it is; in this order it is listed."""

    CRITICAL = "critical"  # something may be missing from the figures for good
    HELD = "held"  # stored, but not in the figures yet
    NOTICE = "notice"  # in the figures; to look at


class Reason(msgspec.Struct, frozen=True):
    """``title`` is a few words, ``todo`` what a person can do about it."""

    title: str
    todo: str
    severity: Severity = Severity.NOTICE


_CRITICAL, _HELD = Severity.CRITICAL, Severity.HELD

REASONS: dict[str, Reason] = {
    # held back
    "bad_hash": Reason(
        "Damaged on its way or on the disk",
        "Compare it with the printed receipt; then accept it as it reads, or set it aside.",
        _HELD,
    ),
    "bad_entry": Reason(
        "Cannot be read",
        "Nobody can tell what it says. Book it by hand if you know what it was, and set it aside.",
        _HELD,
    ),
    "foreign_entry": Reason(
        "Belongs to another register",
        "It names another register or another place in the journal. Set it aside if that one has sent it.",
        _HELD,
    ),
    "out_of_range": Reason(
        "An amount or time that cannot be booked",
        "Book what really happened by hand, and set it aside.",
        _HELD,
    ),
    "wrong_currency": Reason(
        "In another currency than the shop's",
        "Sums of two currencies would be wrong. Set the currency right and retry, or set it aside.",
        _HELD,
    ),
    "duplicate_id": Reason(
        "Another entry has the same id",
        "A disk was copied, and both tills paid one cart. If both say the same, set it aside; else book it by "
        "hand first.",
        _HELD,
    ),
    "duplicate_number": Reason(
        "Its receipt number was used before",
        "If it is a sale of its own, accept it: it is booked under the number that is printed on it.",
        _HELD,
    ),
    "needs_newer_server": Reason(
        "From a newer till than the Back Office",
        "It is booked by itself as soon as the Back Office is upgraded.",
        _HELD,
    ),
    "behind": Reason(
        "Waits for an earlier one",
        "It follows by itself as soon as the one before it is booked.",
        _HELD,
    ),
    "after_revocation": Reason(
        "Arrived after the register was revoked",
        "If these sales are yours, apply them; if the till was stolen, leave them out.",
        _HELD,
    ),
    # gone
    "entries_missing": Reason(
        "Part of a journal is gone for good",
        "Compare the Z reports of this till with what arrived; look for a mirror or a backup of its disk.",
        _CRITICAL,
    ),
    # to look at
    "unknown_product": Reason(
        "Sold a product that is not known here",
        "Say which product it is, or create it; its stock follows.",
    ),
    "totals_differ": Reason(
        "The totals are not what the prices give",
        "The receipt stands as printed. Tell support which version of the till made it.",
    ),
    "not_permitted": Reason(
        "Done by someone who may not do this now",
        "It counts as it happened. Look at the role of this person.",
    ),
    "number_twice": Reason(
        "A receipt number was printed twice",
        "Both receipts stand; they come from two histories of one till.",
    ),
    "seen_before": Reason(
        "Came twice, was booked once",
        "Nothing is to be done.",
    ),
    "shift_closed_twice": Reason(
        "A shift was closed twice",
        "Each till's Z stands in its own row of the shifts. Count which of them held the cash.",
    ),
    "journal_forked": Reason(
        "One till has two histories",
        "Its disk was restored or copied. Both are kept; make sure that only one device sells.",
    ),
    "disk_restored": Reason(
        "A till came back with an older disk",
        "It goes on under new numbers. Nothing is missing that had been sent before.",
    ),
    "server_went_back": Reason(
        "The Back Office was restored from a backup",
        "The registers send again what is missing. Look through the restore report.",
    ),
    "another_machine": Reason(
        "A till runs on another machine",
        "Its sales are taken. Activate the machine if it is yours; revoke the register if it is not.",
    ),
}

_HELD_BACK = Reason("Could not be booked", "Retry it after an upgrade, or set it aside.", _HELD)
_OTHER = Reason("Something to look at", "Look at it, and mark it as seen.")


def reason_of(code: str, held: bool = False) -> Reason:
    """The words for ``code``; plain ones for a code of newer software, by whether it is ``held`` back."""
    return REASONS.get(code) or (_HELD_BACK if held else _OTHER)


def codes_of(severity: Severity) -> tuple[str, ...]:
    """The codes that are of ``severity``."""
    return tuple(code for code, reason in REASONS.items() if reason.severity is severity)
