"""One process per data folder: a lock that ends with the process, and where that process listens."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError

FILE = "register.lock"


class Holder(msgspec.Struct, frozen=True):
    """Who has the folder; ``url`` is "" for a command that serves nothing."""

    pid: int
    url: str = ""


@contextmanager
def only_one(data_dir: Path, url: str = "") -> Iterator[None]:
    """Hold ``data_dir`` for this process; ``DomainError in_use`` while another has it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = read_holder(data_dir)
            raise _in_use(data_dir, holder) from None
        os.ftruncate(number, 0)
        os.pwrite(number, msgspec.json.encode(Holder(os.getpid(), url)), 0)
        yield
        os.ftruncate(number, 0)
    finally:
        os.close(number)


def _in_use(data_dir: Path, holder: Holder | None) -> DomainError:
    where = f" at {holder.url}" if holder and holder.url else ""
    who = f" (process {holder.pid})" if holder else ""
    return DomainError("in_use", f"{data_dir} is in use by a running register{where}{who}.")


def read_holder(data_dir: Path) -> Holder | None:
    """What the last holder wrote down; it may be gone."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=Holder)
    return None


def running(data_dir: Path) -> Holder | None:
    """The process that holds ``data_dir`` now, if any."""
    try:
        number = os.open(data_dir / FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(data_dir)
    finally:
        os.close(number)
    return None
