"""Who may do what in the Back Office: permissions come from the user's role, sight from account and stores.

Verbs take ``user``; None stands for the command line and for API tokens, which act for the whole account.
"""

from typing import Protocol
from uuid import UUID

from django.db.models import QuerySet

from stillopen.backoffice.accounts.models import Store, User
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import WORDS, Permission

#: The permissions that are about the Back Office, not about the register.
BACK_OFFICE = frozenset(p for p in Permission if p.value.startswith("backoffice."))


class Owned(Protocol):
    """Anything that belongs to one account."""

    account_id: UUID


def require(user: User | None, permission: Permission) -> None:
    """``DomainError not_permitted`` unless the user's role has ``permission``."""
    if user is not None and not user.allows(permission):
        raise DomainError(
            "not_permitted",
            f"Your role does not include “{WORDS[permission]}”.",
            permission=permission.value,
        )


def require_own(user: User | None, thing: Owned) -> None:
    """``DomainError not_found`` for what belongs to another account: its existence is not told."""
    if user is not None and thing.account_id != user.account_id:
        raise DomainError("not_found", "There is no such thing in your account.")


def stores_for(user: User) -> QuerySet[Store]:
    """The stores that ``user`` sees: those given to the user, or all of the account's when none are."""
    if user.account_id is None:
        return Store.objects.none()
    stores = Store.objects.filter(account_id=user.account_id)
    chosen = user.stores.values("id")
    return stores.filter(id__in=chosen) if chosen.exists() else stores


def require_store(user: User | None, store_id: UUID) -> None:
    """``DomainError not_found`` for a store that ``user`` does not see."""
    if user is not None and not stores_for(user).filter(id=store_id).exists():
        raise DomainError("not_found", "There is no such store among yours.")


def name_of(user: User | None, otherwise: str = "command line") -> str:
    """How a publication or a history names who did it."""
    return user.get_username() if user is not None else otherwise
