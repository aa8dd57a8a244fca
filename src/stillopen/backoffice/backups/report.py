"""The restore report: what a database that went back in time undid, for people to confirm again."""

from datetime import datetime
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from stillopen.backoffice.accounts.access import name_of
from stillopen.backoffice.accounts.models import Account, Employee, User
from stillopen.backoffice.accounts.people import switch_off
from stillopen.backoffice.backups import outside
from stillopen.backoffice.backups.manifest import AckOf, read_contents
from stillopen.backoffice.backups.models import RestoreItem, RestoreReport
from stillopen.backoffice.devices import again
from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.feed.publish import beat
from stillopen.domain.errors import DomainError

REGISTER = "register"


class Origin(msgspec.Struct, frozen=True):
    """How the database came to be an older copy, of which moment, and from which file."""

    kind: RestoreReport.Kind
    copy_of: datetime | None = None
    backup: str = ""


def make_reports(origin: Origin, epoch: str) -> list[RestoreReport]:
    """One for each account, in the caller's transaction; the registers are told to look again."""
    with connection.cursor() as cursor:
        acks = read_contents(cursor).acks
    undone = outside.happenings(origin.copy_of)
    reports = []
    for account in Account.objects.order_by("created_at"):
        report = RestoreReport.objects.create(
            account_id=account.id,
            kind=origin.kind,
            at=timezone.now(),
            copy_of=origin.copy_of,
            backup=origin.backup,
            server_epoch=epoch,
            acks=msgspec.to_builtins([a for a in acks if a.account == str(account.id)]),
            log_found=undone is not None,
        )
        _add_items(report, [h for h in undone or [] if h.account == account.id])
        beat(account.id)
        reports.append(report)
    return reports


def _add_items(report: RestoreReport, undone: list[outside.Happening]) -> None:
    registers = Register.objects.filter(account_id=report.account_id)
    items = [
        _item(report, kind=REGISTER, record=register.id, name=str(register))
        for register in registers.exclude(state=Register.State.NEW).select_related("store")
    ]
    items += [
        _item(
            report,
            kind=one.kind,
            record=one.record,
            name=one.name,
            by=one.by,
            happened_at=one.at,
            more=one.more,
        )
        for one in _latest(undone)
    ]
    RestoreItem.objects.bulk_create(items)


def _item(report: RestoreReport, **values: object) -> RestoreItem:
    return RestoreItem(report=report, account_id=report.account_id, **values)


def _latest(undone: list[outside.Happening]) -> list[outside.Happening]:
    """The last of each kind for each register or person."""
    return list({(one.kind, one.record): one for one in undone}.values())


class Return(msgspec.Struct, frozen=True):
    """How far a register has come back: ``entries`` arrived since, ``heard`` last."""

    register: Register
    entries: int
    heard: datetime | None


def returns(report: RestoreReport) -> list[Return]:
    """Of every register: what it has sent again, or anew, since the database went back."""
    then = {a.branch: a.seq for a in msgspec.convert(report.acks, list[AckOf])}
    arrived: dict[UUID, int] = {}
    for epoch in Epoch.objects.filter(account_id=report.account_id):
        more = epoch.acked_seq - then.get(epoch.branch, epoch.base_seq)
        arrived[epoch.register_id] = arrived.get(epoch.register_id, 0) + max(more, 0)
    rows = Register.objects.filter(account_id=report.account_id).select_related("store")
    return [
        Return(row, arrived.get(row.id, 0), row.last_seen_at if _since(row, report) else None)
        for row in rows.exclude(state=Register.State.NEW)
    ]


def _since(register: Register, report: RestoreReport) -> bool:
    return register.last_seen_at is not None and register.last_seen_at >= report.at


def open_items(account_id: UUID) -> int:
    """How many things wait for a person's confirmation."""
    return RestoreItem.objects.filter(account_id=account_id, confirmed_at=None).count()


def confirm(account_id: UUID, item_id: UUID, do_it: bool, user: User | None) -> RestoreItem:
    """A person has seen to ``item``; with ``do_it`` what was undone is done again.

    Errors: ``not_found`` (settled already), and those of revoking or switching off.
    """
    item = RestoreItem.objects.filter(account_id=account_id, id=item_id, confirmed_at=None).first()
    if item is None:
        raise DomainError("not_found", "This has been confirmed already.")
    if do_it:
        _do_again(item, user)
    with transaction.atomic():
        item.confirmed_at, item.confirmed_by = timezone.now(), name_of(user)
        item.save(update_fields=["confirmed_at", "confirmed_by"])
    return item


def _do_again(item: RestoreItem, user: User | None) -> None:
    if item.kind == outside.SWITCHED_OFF:
        person = Employee.objects.filter(account_id=item.account_id, id=item.record).first()
        if person is not None and person.active:
            switch_off(person, user)
    elif item.kind == outside.REVOKED:
        again.revoke_again(item.account_id, item.record, user)
    elif item.kind == outside.ACTIVATED:
        again.bind_again(item.account_id, item.record, item.more, user)


#: What the button says that does an item again; others can only be confirmed.
DO_AGAIN = {
    outside.SWITCHED_OFF: "Switch off again",
    outside.REVOKED: "Revoke again",
    outside.ACTIVATED: "Let it in again",
}
