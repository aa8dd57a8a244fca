"""What a publication would change, record by record, and prices that look like a slip of the finger."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec

from stillopen.backoffice.accounts.access import name_of
from stillopen.backoffice.accounts.models import Account, Role
from stillopen.backoffice.catalogue import drafts, kinds
from stillopen.backoffice.catalogue.models import Category, DraftChange, TaxRate
from stillopen.backoffice.catalogue.render import render
from stillopen.backoffice.feed.publish import published
from stillopen.domain.money import format_plain
from stillopen.domain.permission import WORDS, Permission
from stillopen.domain.pricing import Price
from stillopen.sync import records

#: A price that moves by this share or more is pointed out.
SUSPICIOUS = Decimal("0.5")
Action = Literal["new", "changed", "removed", "unchanged"]


class FieldChange(msgspec.Struct, frozen=True):
    """In words for people; empty where there was or is nothing."""

    field: str
    before: str
    after: str


class PreviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pending change. ``unchanged``: it was changed back, publishing it does nothing."""

    kind: str
    kind_words: str
    record: UUID
    title: str
    what: str
    by: str
    at: datetime
    action: Action
    fields: tuple[FieldChange, ...]
    warnings: tuple[str, ...]


def preview(account: Account) -> list[PreviewRow]:
    """All pending changes of ``account`` against what registers see now, oldest first."""
    return preview_of(account, drafts.pending(account))


def preview_of(account: Account, pending: Sequence[DraftChange]) -> list[PreviewRow]:
    """The same for some of the pending changes, in their order."""
    after: dict[kinds.Key, dict[str, bytes | None]] = defaultdict(dict)
    by_scope: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for change in render(account, [(c.kind, c.record) for c in pending]):
        after[change.kind, change.record][change.scope] = change.payload
        by_scope[change.scope, change.kind].append(change.record)
    before: dict[kinds.Key, dict[str, bytes]] = defaultdict(dict)
    for (scope, kind), ids in by_scope.items():
        for record, payload in published(account.id, scope, kind, ids).items():
            before[kind, record][scope] = payload
    words = _Words(account)
    return [
        _row(change, before[change.kind, change.record], after[change.kind, change.record], words)
        for change in pending
    ]


def _row(
    change: DraftChange, before: dict[str, bytes], after: dict[str, bytes | None], words: "_Words"
) -> PreviewRow:
    old, new = _any_record(before.values()), _any_record(after.values())
    return PreviewRow(
        kind=change.kind,
        kind_words=kinds.WORDS[change.kind],
        record=change.record,
        title=_title(new or old),
        what=change.what,
        by=name_of(change.changed_by),
        at=change.changed_at,
        action=_action(before, after),
        fields=tuple(words.differences(old, new)),
        warnings=tuple(words.warnings(old, new)),
    )


def _any_record(payloads: Iterable[bytes | None]) -> records.Record | None:
    payload = next((p for p in payloads if p is not None), None)
    return records.decode(payload) if payload is not None else None


def _action(before: dict[str, bytes], after: dict[str, bytes | None]) -> Action:
    wanted = {scope: payload for scope, payload in after.items() if payload is not None}
    if wanted == before:
        return "unchanged"
    if not before:
        return "new"
    return "changed" if wanted else "removed"


def _title(record: records.Record | None) -> str:
    if record is None:
        return "never published"
    if isinstance(record, records.EmployeeRecord):
        return f"{record.name} {record.last_name}".strip()
    return record.name


class _Words:
    """Field values in words; looks names up once for a whole preview."""

    def __init__(self, account: Account) -> None:
        self.currency = account.currency
        self.names: dict[str, str] = {}
        for table in (TaxRate, Category, Role):
            rows = table._default_manager.filter(account=account).values_list("id", "name")
            self.names.update((str(id), name) for id, name in rows)

    def differences(
        self, old: records.Record | None, new: records.Record | None
    ) -> Iterable[FieldChange]:
        some = new or old
        for field in some.__struct_fields__ if some is not None else ():
            before = getattr(old, field) if old is not None else None
            after = getattr(new, field) if new is not None else None
            if before != after:
                yield FieldChange(
                    field.replace("_", " "), self._value(field, before), self._value(field, after)
                )

    def _value(self, field: str, value: Any) -> str:
        if value is None or value == "":
            return ""
        if field == "pin_hash":
            return "•••"
        if field == "prices":
            return ", ".join(self._price(price) for price in value)
        if field == "permissions":
            return ", ".join(_permission(code) for code in value)
        if field == "products":
            return f"{len(value)} tiles"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple | list):
            return ", ".join(str(item) for item in value)
        return self.names.get(str(value), str(value))

    def _price(self, price: Price) -> str:
        amount = format_plain(price.amount, self.currency)
        return amount if price.since is None else f"{amount} from {price.since:%Y-%m-%d %H:%M}"

    def warnings(self, old: records.Record | None, new: records.Record | None) -> Iterable[str]:
        if not isinstance(new, records.ProductRecord):
            return
        before = old.prices if isinstance(old, records.ProductRecord) else ()
        for price in new.prices:
            if price not in before:
                yield from self._suspicions(price, before)

    def _suspicions(self, price: Price, before: Sequence[Price]) -> Iterable[str]:
        if price.amount == 0:
            yield f"The price is {self._price(price)}."
        base = next((p.amount for p in before if p.since is None), 0)
        if base and price.amount and abs(price.amount - base) >= base * SUSPICIOUS:
            share = round((price.amount - base) * 100 / base)
            yield f"{format_plain(base, self.currency)} → {self._price(price)} is {share:+d} %."


def _permission(code: str) -> str:
    return WORDS[Permission(code)] if code in set(Permission) else code
