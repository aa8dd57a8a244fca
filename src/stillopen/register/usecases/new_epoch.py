"""Numbering anew: this disk went back in time, was copied, or runs on another machine than before."""

from stillopen.register.store.identity import Epoch
from stillopen.register.till import Till
from stillopen.sync.lineage import is_label, label_in, local_label


def begin_epoch(till: Till) -> Epoch:
    """From now on entries, receipts and Z reports count from 1 again, under a label of their own.

    What was made before stays as it is and goes on being sent. The label is this till's own until
    the Back Office gives one (:func:`take_label`).
    """
    epoch_id = till.clock.random_bytes(16).hex()
    epoch = Epoch(id=epoch_id, label=local_label(epoch_id), machine=till.machine)
    till.journal.identity.begin_epoch(epoch)
    return epoch


def take_label(till: Till, epoch: str, label: str) -> None:
    """The Back Office's label for ``epoch``; receipts that were printed already keep theirs, and so do
    those that follow them."""
    present = till.journal.identity.epoch()
    if present is not None and present.id == epoch and not till.journal.receipts_made():
        till.journal.identity.label_epoch(label, epoch)


def name_former(till: Till, register: str) -> None:
    """Former epochs that were made again from a mirror: their label is what their receipts bear. Without it
    the Back Office would take back the one that it gave. ``register`` is the name in receipt numbers (S1-R1)."""
    identity = till.journal.identity
    for epoch in identity.epochs()[:-1]:
        number = till.journal.entries.first_number(epoch.id)
        label = label_in(number, register)
        if not epoch.label and label and is_label(label):
            identity.label_epoch(label, epoch.id)
