"""Epochs: runs of numbering on one disk. The server answers each one's random id with a label."""

import re
from datetime import datetime

from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import GENESIS

_ID = re.compile(r"[0-9a-f]{32}")


def open_epoch(register: Register, epoch: str, now: datetime) -> Epoch:
    """The epoch with the id ``epoch`` (32 hex digits) of ``register``, made with the next label if new.

    The caller holds the register's row locked. Error: ``bad_epoch``.
    """
    if not _ID.fullmatch(epoch):
        raise DomainError("bad_epoch", "The epoch of a register is 32 hexadecimal digits.")
    epochs = Epoch.objects.filter(account_id=register.account_id, register_id=register.id)
    known = epochs.filter(branch=epoch).first()
    if known is not None:
        return known
    return Epoch.objects.create(
        account_id=register.account_id,
        register_id=register.id,
        branch=epoch,
        label=label(epochs.count()),
        acked_seq=0,
        acked_hash=GENESIS,
        created_at=now,
    )


def label(place: int) -> str:
    """The first epoch has none; then b, c, … z, ba, bb, …"""
    letters = ""
    while place:
        place, digit = divmod(place, 26)
        letters = chr(ord("a") + digit) + letters
    return letters
