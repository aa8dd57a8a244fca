"""Finding an account by what people know of it."""

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.domain.errors import DomainError

_GROUP = 4


def account_by_public_id(text: str) -> Account | None:
    """By Account ID; small letters, blanks and hyphens make no difference."""
    letters = "".join(c for c in text.upper() if c.isalnum())
    return Account.objects.filter(public_id=f"{letters[:_GROUP]}-{letters[_GROUP:]}").first()


def the_account(text: str | None) -> Account:
    """The account named by ``text`` (Account ID or name), or the only one there is.

    Errors: ``no_account``, ``account_needed`` (there are several), ``unknown_account``,
    ``account_not_unique`` (two have this name: use the Account ID).
    """
    if text:
        return account_by_public_id(text) or _by_name(text)
    accounts = list(Account.objects.order_by("name")[:6])
    if not accounts:
        raise DomainError("no_account", "There is no account yet: run stillopen backoffice init.")
    if len(accounts) > 1:
        names = ", ".join(f"“{a.name}” ({a.public_id})" for a in accounts[:5])
        more = " and others" if len(accounts) > 5 else ""
        raise DomainError("account_needed", f"Say which --account: {names}{more}.")
    return accounts[0]


def _by_name(name: str) -> Account:
    found = list(Account.objects.filter(name=name)[:2])
    if not found:
        raise DomainError("unknown_account", f"There is no account “{name}”.")
    if len(found) > 1:
        raise DomainError(
            "account_not_unique", f"Two accounts are called “{name}”; give the Account ID instead."
        )
    return found[0]


def store_of(account: Account, code: str) -> Store:
    """``DomainError unknown_store``."""
    found = Store.objects.filter(account=account, code__iexact=code.strip()).first()
    if found is None:
        codes = ", ".join(account.stores.values_list("code", flat=True))
        raise DomainError("unknown_store", f"There is no store {code}; there are: {codes}.")
    return found
