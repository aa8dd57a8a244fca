"""Noticing that the database is an older copy of itself: a token outside of it must fit the one inside.

Each start (and each minute of serving) draws a new token and writes it in this order:

    file: token = old, next = new     →    row: token = new     →    file: token = new

A crash in between leaves a row that fits one of the two. A row that fits neither belongs to an older
copy: the server epoch is raised, so that every register looks again at what it has, and a restore
report is made. Where the file is missing nothing can be told, so nothing is raised.
"""

import logging
import secrets
import threading
from datetime import datetime
from pathlib import Path

import msgspec
from django.db import Error, connection, transaction
from django.utils import timezone

from stillopen.backoffice.backups import keeping
from stillopen.backoffice.backups.models import RestoreReport, Start
from stillopen.backoffice.backups.outside import (
    EpochFile,
    locked,
    read_epoch_file,
    state_folder,
    write_epoch_file,
)
from stillopen.backoffice.backups.report import Origin, make_reports
from stillopen.backoffice.devices.epochs import forget_labels
from stillopen.backoffice.feed.epoch import server_epoch, set_server_epoch

log = logging.getLogger(__name__)

#: Seconds between two tokens while serving: an older copy than this is told from the present database.
EVERY = 60.0
#: Seconds after which the backups are looked after.
DAILY = 24 * 3600.0


def prove_start(now: datetime, restored: Origin | None = None) -> list[RestoreReport]:
    """Compare the token in the database with the one outside, and write the next.

    With ``restored`` the database is known to be an older copy. Returns the reports that were made.
    """
    folder = state_folder()
    if folder is None:
        return _go_back(restored) if restored else []
    with locked(folder):
        return _prove(folder, read_epoch_file(folder), now, restored)


def _prove(
    folder: Path, file: EpochFile | None, now: datetime, restored: Origin | None
) -> list[RestoreReport]:
    place = file.place if file else secrets.token_hex(16)
    row = Start.objects.filter(place=place).first()
    served = Start.objects.exists()
    if file is not None and restored is None and served and not _fits(file, row):
        restored = Origin(RestoreReport.Kind.SWAPPED, row.at if row else _latest_start())
    token = secrets.token_hex(16)
    told = file or EpochFile(place=place, epoch=server_epoch(), token=token)
    if not _written(folder, msgspec.structs.replace(told, next=token)):
        return _go_back(restored) if restored else []  # the row must not run ahead of the file
    with transaction.atomic():
        reports = _go_back(restored) if restored else []
        Start.objects.update_or_create(place=place, defaults={"token": token, "at": now})
    _written(folder, EpochFile(place=place, epoch=server_epoch(), token=token))
    return reports


def _written(folder: Path, file: EpochFile) -> bool:
    """A disk that is full or read only keeps no Back Office from serving."""
    try:
        write_epoch_file(folder, file)
    except OSError as error:
        log.warning("the token could not be written in %s: %s", folder, error.strerror)
        return False
    return True


def _fits(file: EpochFile, row: Start | None) -> bool:
    return row is not None and row.token in (file.token, file.next)


def _latest_start() -> datetime | None:
    newest = Start.objects.order_by("-at").first()
    return newest.at if newest else None


def _go_back(origin: Origin) -> list[RestoreReport]:
    epoch = secrets.token_hex(16)
    set_server_epoch(epoch)
    forget_labels()
    reports = make_reports(origin, epoch)
    when = f"{origin.copy_of:%Y-%m-%d %H:%M} UTC" if origin.copy_of else "an unknown time"
    log.warning("the database is a copy of %s; the server epoch is now %s", when, epoch[:8])
    return reports


class Keeper(threading.Thread):
    """Beside the server: a new token each minute, a look at the backups each day."""

    def __init__(self, every: float = EVERY, daily: float = DAILY) -> None:
        super().__init__(name="keeper", daemon=True)
        self._every, self._daily = every, daily
        self._ended = threading.Event()

    def run(self) -> None:
        passed = self._daily  # the backups are looked at soon after the start, too
        while not self._ended.wait(self._every):
            passed += self._every
            try:
                prove_start(timezone.now())
                if passed >= self._daily:
                    keeping.look_after()
                    passed = 0.0
            except (Error, OSError) as error:
                log.warning("the token of this minute was not written: %s", error)
            finally:
                connection.close()

    def end(self) -> None:
        """Ask it to stop, and wait shortly."""
        self._ended.set()
        self.join(2.0)
