"""Epochs: runs of numbering on one disk. The server answers each one's random id with a label.

A label must never be given to two epochs of a register, or two receipts bear one number. After the
database was restored nobody knows which ones were given since the backup, so a register that was there
gets no letters any more: its later epochs bear the label that the till made from the epoch's id.
"""

import re
from datetime import datetime

from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import GENESIS
from stillopen.sync.lineage import free_label, is_label, local_label

_ID = re.compile(r"[0-9a-f]{32}")


def open_epoch(
    register: Register, epoch: str, now: datetime, label: str = "", receipts: int = 0
) -> Epoch:
    """The first branch of ``epoch`` (32 hex digits) of ``register``, made with the next label if new.

    ``label`` is what the ``receipts`` that it has already bear; a label once printed stays. The
    caller holds the register's row locked. Error: ``bad_epoch``.
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
        epoch=epoch,
        label=label if receipts and is_label(label) else _next_label(register, epoch),
        acked_seq=0,
        acked_hash=GENESIS,
        created_at=now,
    )


def _next_label(register: Register, epoch: str) -> str:
    given = Epoch.objects.filter(
        account_id=register.account_id, register_id=register.id, parent=""
    ).values_list("label", flat=True)
    own = local_label(epoch)
    lost = Register.objects.filter(id=register.id, labels_lost=True).exists()
    return own if lost and own not in given else free_label(given)


def forget_labels() -> None:
    """The database is an older copy of itself: what it knows of labels is not all."""
    Register.objects.update(labels_lost=True)
