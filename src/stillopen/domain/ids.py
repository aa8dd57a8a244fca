"""Names of things: UUIDv7 from given time and randomness, and receipt numbers."""

import re
import uuid

from stillopen.domain.errors import DomainError


def uuid7(milliseconds: int, randomness: bytes) -> str:
    """RFC 9562 version 7, canonical text: 48 bits of Unix milliseconds, then 74 of the given ``randomness``
    (10 bytes)."""
    if len(randomness) != 10:
        raise ValueError("uuid7 takes 10 random bytes")
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(randomness, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_uuid(text: str) -> str:
    """The canonical form of a UUID; ``DomainError bad_id`` if it is none."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise DomainError("bad_id", "The id is not a UUID.") from None


def receipt_number(store: str, register: str, epoch_label: str, counter: int) -> str:
    """``S1-R1-000001``; a later epoch shows in the number: ``S1-R1b-000001``."""
    return f"{store}-{register}{epoch_label}-{counter:06d}"


_CODE = re.compile(r"[A-Za-z0-9]{1,12}")


def check_code(text: str, what: str) -> str:
    """Codes of stores and registers stand inside receipt numbers: letters and digits, at most 12."""
    if not _CODE.fullmatch(text):
        raise DomainError("bad_code", f"A {what} code has 1 to 12 letters or digits.")
    return text
