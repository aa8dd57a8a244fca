"""A journal as a file: one line of JSON for each entry, its exact bytes inside.

Each line says how many lines the file has, and whether the entry lies damaged in the journal itself; so
a reader can tell a damaged journal from a file that was cut or edited on its way.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.facts import EntryBody, decode_body

_NO_BODY = msgspec.Raw()


class Line(msgspec.Struct, omit_defaults=True):
    """One entry; ``body_base64`` instead of ``body`` where the bytes are no JSON of one line.

    ``gap``: the entries right before it are not in the journal. ``damaged``: its bytes do not fit its
    hash, or it does not follow on the line before, in the journal itself. ``lines``: of the whole file,
    0 where the file is still being written (a mirror).
    """

    epoch: str
    seq: int
    prev_hash: str
    hash: str
    body: msgspec.Raw = _NO_BODY
    body_base64: str = ""
    lines: int = 0
    gap: bool = False
    damaged: bool = False

    def entry(self) -> StoredEntry:
        """``ValueError`` for what is no hexadecimal or base64."""
        body = bytes(self.body) or b64decode(self.body_base64, validate=True)
        return StoredEntry(self.seq, bytes.fromhex(self.prev_hash), bytes.fromhex(self.hash), body)


_decoder = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


class Writer:
    """Makes the lines of a journal, epoch by epoch; ``lines``: how many there will be."""

    def __init__(self, lines: int = 0, after: tuple[str, int, bytes] | None = None) -> None:
        self._lines = lines
        self._at = after or ("", 0, GENESIS)

    def line(self, epoch: str, entry: StoredEntry) -> bytes:
        """Without a line end."""
        at_epoch, at_seq, at_hash = self._at if self._at[0] == epoch else (epoch, 0, GENESIS)
        gap = entry.seq != at_seq + 1
        linked = gap or entry.prev_hash == at_hash
        made = Line(
            epoch=at_epoch,
            seq=entry.seq,
            prev_hash=entry.prev_hash.hex(),
            hash=entry.hash.hex(),
            lines=self._lines,
            gap=gap,
            damaged=not (linked and entry.intact),
        )
        if _is_json_line(entry):
            made.body = msgspec.Raw(entry.body)
        else:
            made.body_base64 = b64encode(entry.body).decode()
        self._at = (epoch, entry.seq, entry.hash)
        return _encoder.encode(made)


def _is_json_line(entry: StoredEntry) -> bool:
    """A payload is passed over undecoded: a flipped bit in its text leaves what no reader of JSON takes."""
    try:
        entry.body.decode()
    except UnicodeDecodeError:
        return False
    return decoded(entry) is not None and b"\n" not in entry.body


def decoded(entry: StoredEntry) -> EntryBody | None:
    """None where its bytes are no entry."""
    try:
        return decode_body(entry.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Read(msgspec.Struct, frozen=True):
    """An entry as it stood in a file; ``gap``: what is before it is missing in the journal."""

    number: int  # of its line
    epoch: str
    entry: StoredEntry
    gap: bool


def read_lines(lines: Iterable[bytes], whole: bool = True) -> Iterator[Read]:
    """The entries of a file, each checked against the one before it.

    With ``whole`` the file must hold as many lines as it says. ``DomainError bad_journal_file`` with the
    number of the line that is cut, edited or missing.
    """
    at: dict[str, tuple[int, bytes]] = {}
    number = said = 0
    for number, text in enumerate(lines, start=1):
        line, entry = read_line(text, number)
        seq, digest = at.get(line.epoch, (0, GENESIS))
        if line.gap != (entry.seq != seq + 1) or entry.seq <= seq:
            raise _bad(number, "lines before it are missing, or it stands in the wrong place")
        if not line.damaged and not entry.intact:
            raise _bad(number, "it was changed: its bytes do not fit its hash")
        if not line.damaged and not line.gap and entry.prev_hash != digest:
            raise _bad(number, "it does not follow on the line before it")
        at[line.epoch] = (entry.seq, entry.hash)
        said = max(said, line.lines)
        yield Read(number, line.epoch, entry, line.gap)
    if whole and number < said:
        raise _bad(number + 1, f"the file is cut: it ends after {number} of {said} lines")
    if whole and number == 0:
        raise _bad(1, "the file is empty")


def read_line(text: bytes, number: int = 1) -> tuple[Line, StoredEntry]:
    """One line by itself. ``DomainError bad_journal_file``."""
    try:
        line = _decoder.decode(text)
        return line, line.entry()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise _bad(number, "it is cut, or no line of an exported journal") from None


def _bad(number: int, reason: str) -> DomainError:
    return DomainError("bad_journal_file", f"Line {number}: {reason}.", line=number)
