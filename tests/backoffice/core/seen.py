"""What registers see: the published records, decoded; and what is refused."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.feed.models import Published
from stillopen.domain.errors import DomainError
from stillopen.sync import records

#: For tables of bad input that is refused before a database has a part in it.
on_sqlite = pytest.mark.parametrize("backoffice", ["sqlite"], indirect=True)


def seen(account: Account, kind: str, scope: str = "account") -> dict[UUID, Any]:
    """Record id → record, of those not deleted."""
    rows = Published.objects.filter(account_id=account.id, scope=scope, kind=kind, deleted=False)
    return {row.record: records.decode(bytes(row.payload)) for row in rows}


def refused(code: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> DomainError:
    """The error with which ``call`` refuses."""
    with pytest.raises(DomainError) as caught:
        call(*args, **kwargs)
    assert caught.value.code == code
    return caught.value
