"""The files of a mirror: for each epoch, lines of a journal file (sync/journalfile.py), appended and flushed.

``<folder>/stillopen-mirror-<id>/<epoch>-<first number>.ndjson``. A file is closed when it has grown to
:data:`SEGMENT`; a line that was torn by a pulled stick is cut off before the next one is written.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from stillopen.domain.errors import DomainError
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.journalfile import Writer, read_line, read_lines

PREFIX = "stillopen-mirror-"
SEGMENT = 16 * 1024 * 1024  # bytes
_TAIL = 4 * 1024 * 1024


class Segments:
    """Where one epoch's lines are appended; ``at`` is the number and hash of the last whole line."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self._folder, self._epoch = folder, epoch
        self._file = -1
        self._size = 0
        files = files_of(folder, epoch)
        self.at: tuple[int, bytes] | None = None
        while files and self.at is None:
            self.at = self._continue(files.pop())

    def _continue(self, path: Path) -> tuple[int, bytes] | None:
        """Open the newest file behind its last whole line; None when it has none."""
        tail = _tail(path)
        whole = tail.rfind(b"\n") + 1
        if not whole:
            path.unlink()
            return None
        size = path.stat().st_size - len(tail) + whole
        number = os.open(path, os.O_RDWR)
        os.ftruncate(number, size)
        os.lseek(number, 0, os.SEEK_END)
        self._file, self._size = number, size
        _, last = read_line(tail[:whole].splitlines()[-1])
        return last.seq, last.hash

    def append(self, entries: list[StoredEntry]) -> None:
        """Durably. ``OSError`` when the folder is not there, full, or read only."""
        if self._file >= 0 and self._size >= SEGMENT:
            self.close()
        if self._file < 0:
            self._begin(entries[0].seq)
        after = (self._epoch, *self.at) if self.at else None
        writer = Writer(after=after)
        data = b"".join(writer.line(self._epoch, entry) + b"\n" for entry in entries)
        _write_all(self._file, data)
        os.fdatasync(self._file)
        self._size += len(data)
        self.at = (entries[-1].seq, entries[-1].hash)

    def _begin(self, seq: int) -> None:
        path = self._folder / f"{self._epoch}-{seq:012d}.ndjson"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._size = 0
        flush(self._folder)

    def is_there(self) -> bool:
        """Whether what is open is still a file of the folder: a stick may have been pulled."""
        if self._file < 0:
            return self._folder.is_dir()
        return os.fstat(self._file).st_nlink > 0 and self._folder.is_dir()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def flush(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def files_of(folder: Path, epoch: str = "") -> list[Path]:
    """Those of one epoch, or all, in the order of their numbers."""
    return sorted(folder.glob(f"{epoch or '*'}-*.ndjson"))


def _tail(path: Path) -> bytes:
    """The end of a file; an entry is shorter."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL, 0))
        return file.read()


def mirror_in(folder: Path) -> Path | None:
    """The mirror that ``folder`` is or holds; ``several_mirrors`` where there is more than one."""
    if files_of(folder):
        return folder
    found = [path for path in folder.glob(f"{PREFIX}*") if files_of(path)]
    if len(found) > 1:
        names = ", ".join(sorted(path.name for path in found))
        raise DomainError("several_mirrors", f"{folder} holds several mirrors; name one: {names}.")
    return found[0] if found else None


def every_line(mirror: Path) -> Iterator[bytes]:
    """All whole lines of a mirror, epoch after epoch; a torn last line is left out."""
    for path in files_of(mirror):
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def read_mirror(mirror: Path) -> Iterator[tuple[str, StoredEntry, tuple[int, bytes] | None]]:
    """(epoch, entry, anchor) of a mirror; ``anchor`` of the first entry of each epoch is where its chain
    begins. Each line is checked: ``bad_journal_file``."""
    known: set[str] = set()
    for read in read_lines(every_line(mirror), whole=False):
        anchor = None
        if read.epoch not in known:
            anchor = (read.entry.seq - 1, read.entry.prev_hash if read.gap else GENESIS)
            known.add(read.epoch)
        yield read.epoch, read.entry, anchor
