"""Publishing drafts, and publishing at once what must not wait for it.

Records are rendered while the account's publications are locked, so that of two people who publish at
the same time the later one publishes the later state.
"""

from collections.abc import Iterable, Sequence

from django.db import transaction

from stillopen.backoffice.accounts.access import name_of, require
from stillopen.backoffice.accounts.models import Account, User
from stillopen.backoffice.catalogue import drafts, kinds
from stillopen.backoffice.catalogue.at_once import only_at_once
from stillopen.backoffice.catalogue.dependencies import with_unpublished
from stillopen.backoffice.catalogue.models import DraftChange
from stillopen.backoffice.catalogue.preview import PreviewRow, preview
from stillopen.backoffice.catalogue.render import render
from stillopen.backoffice.feed.publish import Publication, RecordChange, lock_account, write
from stillopen.domain.permission import Permission


def publish_drafts(account: Account, user: User | None, by: str = "") -> Publication:
    """Publish all pending changes of ``account``. Error: ``not_permitted``.

    ``by`` names who did it where ``user`` is None. Must not be called inside a transaction.
    """
    require(user, Permission.BO_PUBLISH)
    with transaction.atomic(durable=True):
        lock_account(account.id)
        pending = drafts.pending(account)
        changes = render(account, [(c.kind, c.record) for c in pending])
        publication = write(account.id, changes, by or name_of(user))
        drafts.forget(pending)
        return publication


def publish_records(
    account: Account, keys: Iterable[kinds.Key], user: User | None, by: str = ""
) -> Publication:
    """*Save and Publish*: publish ``keys`` and what they refer to, and leave all other drafts alone."""
    require(user, Permission.BO_PUBLISH)
    with transaction.atomic(durable=True):
        lock_account(account.id)
        wanted = with_unpublished(account, keys)
        pending = drafts.pending_of(account, wanted)
        publication = write(account.id, render(account, wanted), by or name_of(user))
        drafts.forget(pending)
        return publication


def publish_now(account: Account, keys: Sequence[kinds.Key], by: str) -> Publication:
    """Publish only what takes effect without *Publish*, see at_once; the caller has checked the permission.

    Of a product that is its stop mark, of an employee being there at all and the PIN; other kinds
    are published whole, and what they refer to comes along.
    """
    products = [key for key in keys if key[0] == kinds.PRODUCT]
    others = [key for key in keys if key[0] != kinds.PRODUCT]
    with transaction.atomic(durable=True):
        lock_account(account.id)
        wanted = products + with_unpublished(account, others)
        pending = drafts.pending_of(account, wanted)
        full = render(account, wanted)
        changes = only_at_once(account, full)
        publication = write(account.id, changes, by)
        drafts.forget(_complete(pending, full, changes))
        return publication


def _complete(
    pending: Iterable[DraftChange], full: Iterable[RecordChange], done: Iterable[RecordChange]
) -> list[DraftChange]:
    """The pending changes of which nothing is left to publish."""
    made = set(done)
    rest = {(change.kind, change.record) for change in full if change not in made}
    return [change for change in pending if (change.kind, change.record) not in rest]


__all__ = ["PreviewRow", "preview", "publish_drafts", "publish_now", "publish_records"]
