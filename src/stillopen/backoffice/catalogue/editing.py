"""How every verb stores what was edited: checked, together with its draft change, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from stillopen.backoffice.accounts.access import require, require_own
from stillopen.backoffice.accounts.models import Account, User
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.drafts import record_change
from stillopen.domain.errors import DomainError


def check_may_edit(user: User | None, row: Model) -> None:
    """``not_permitted`` or ``not_found`` unless ``user`` may edit rows like this one, and this one."""
    require(user, kinds.NEEDS[kinds.kind_of(row)])
    if user is not None and account_of(row).id != user.account_id:
        require_own(user, row)  # type: ignore[arg-type]


def account_of(row: Model) -> Account:
    return row if isinstance(row, Account) else row.account  # type: ignore[attr-defined]


def save_draft(row: Model, what: str, user: User | None) -> None:
    """Store ``row`` as a draft, ``what`` says in words what was changed.

    Errors: ``not_permitted``, ``not_found`` (another account's), ``bad_value``, ``taken``.
    """
    check_may_edit(user, row)
    with storing(row):
        row.save()
        record_change(account_of(row), *kinds.key_of(row), what, user)


def delete_draft(row: Model, what: str, user: User | None) -> None:
    """Delete ``row``; registers forget it with the next publication. Error: ``in_use``."""
    check_may_edit(user, row)
    account, key = account_of(row), kinds.key_of(row)
    with transaction.atomic():
        try:
            row.delete()
        except IntegrityError as error:
            raise in_use(row) from error
        record_change(account, *key, what, user)


def in_use(row: Model) -> DomainError:
    return DomainError("in_use", f"“{row}” is in use and cannot be deleted.")


@contextmanager
def storing(row: Model) -> Iterator[None]:
    """A transaction around storing ``row``, which is checked first: ``bad_value``, ``taken``."""
    check(row)
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise DomainError("taken", f"Another one like “{row}” exists already.") from error


def check(row: Model) -> None:
    """The rules of the row's columns: ``DomainError bad_value`` or ``taken`` with the first sentence."""
    try:
        row.full_clean()
    except ValidationError as error:
        field, problems = next(iter(error.error_dict.items()))
        first = problems[0]
        taken = first.code in ("unique", "unique_together")
        where = "" if field == "__all__" else f"{field}: "
        sentence = " ".join(first.messages)
        raise DomainError("taken" if taken else "bad_value", f"{where}{sentence}") from error
