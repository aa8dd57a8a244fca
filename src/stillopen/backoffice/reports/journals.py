"""The journals of a register: each run of numbering on one disk, and where one has forked."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from stillopen.backoffice.devices.models import Epoch, FormerDevice, Register
from stillopen.backoffice.ingest.models import ExceptionItem

ANOTHER_MACHINE = "another_machine"


@dataclass(frozen=True)
class Journal:
    """A branch as people need it: ``numbers`` is how its receipts are named, ``forked_at`` the entry behind
    which it parted from another one (None for a journal of its own)."""

    numbers: str
    begun: datetime
    received: int
    forked_at: int | None
    present: bool


def journals(register: Register) -> list[Journal]:
    """Newest first."""
    rows = Epoch.objects.filter(account_id=register.account_id, register_id=register.id)
    return [
        Journal(
            numbers=f"{register}{row.label}-…",
            begun=row.created_at,
            received=row.acked_seq - row.base_seq,
            forked_at=row.base_seq if row.parent else None,
            present=row.branch == register.head_epoch,
        )
        for row in rows.order_by("-created_at", "-branch")
    ]


def former_devices(register: Register) -> list[FormerDevice]:
    """Devices that were replaced, the latest first."""
    rows = FormerDevice.objects.filter(account_id=register.account_id, register_id=register.id)
    return list(rows.order_by("-replaced_at"))


def strange_machine(register: Register) -> str:
    """The fingerprint of a machine that speaks as this register and was not activated; or nothing."""
    item = _filed(register).order_by("-created_at").first()
    return str(item.details.get("machine", "")) if item else ""


def settle_machine(register: Register, now: datetime) -> None:
    """A person has said which machine is the right one."""
    _filed(register).update(resolved_at=now)


def _filed(register: Register) -> QuerySet[ExceptionItem]:
    return ExceptionItem.objects.filter(
        account_id=register.account_id,
        register_id=register.id,
        code=ANOTHER_MACHINE,
        resolved_at=None,
    )
