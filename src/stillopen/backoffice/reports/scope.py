"""Who may see what: every query of the daily pages and of the REST API starts from a ``Scope``."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.backoffice.devices.models import Register
from stillopen.domain.errors import DomainError

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Scope:
    """An account and those of its stores that the viewer may see. ``whole``: it is all of them."""

    account: Account
    stores: tuple[Store, ...]
    whole: bool

    @property
    def currency(self) -> str:
        return self.account.currency

    @cached_property
    def registers(self) -> dict[UUID, Register]:
        """The registers in sight, by id, with their stores; read once."""
        found = Register.objects.filter(account=self.account, store__in=self.stores)
        return {r.id: r for r in found.select_related("store")}

    @cached_property
    def store_by_id(self) -> dict[UUID, Store]:
        return {s.id: s for s in self.stores}

    def of_stores(self, rows: QuerySet[M]) -> QuerySet[M]:
        """``rows`` (which have account_id and store_id) reduced to what is in sight."""
        rows = rows.filter(account_id=self.account.id)
        return rows if self.whole else rows.filter(store_id__in=[s.id for s in self.stores])

    def of_registers(self, rows: QuerySet[M]) -> QuerySet[M]:
        """The same for ``rows`` that know their register but not their store."""
        rows = rows.filter(account_id=self.account.id)
        return rows if self.whole else rows.filter(register_id__in=list(self.registers))

    def register_ids(self, name: str) -> list[UUID]:
        """Ids of the registers called ``name``: ``R1``, ``S1-R1``, or the id itself.

        ``DomainError unknown_register`` when there is none in sight.
        """
        found = [r.id for r in self.registers.values() if name in (r.name, str(r), str(r.id))]
        if not found:
            raise DomainError("unknown_register", f"There is no register “{name}”.", register=name)
        return found


def whole_account(account: Account) -> Scope:
    return Scope(account, tuple(Store.objects.filter(account=account)), whole=True)


def some_stores(account: Account, stores: Iterable[Store]) -> Scope:
    return Scope(account, tuple(stores), whole=False)
