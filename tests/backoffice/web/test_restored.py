"""The page Restored: what was undone, and confirming it."""

import re

from django.utils import timezone

from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.backups import outside
from stillopen.backoffice.backups.models import RestoreItem, RestoreReport
from stillopen.backoffice.backups.report import Origin
from stillopen.backoffice.backups.starts import prove_start
from stillopen.backoffice.devices.models import Register
from tests.backoffice.ingest.till import make_account, make_till
from tests.backoffice.web.conftest import Visitor, make_user
from tests.backoffice.web.market import Market


def went_back(market: Market) -> RestoreReport:
    """As after a restore: a revocation and a switched-off person are not in the copy."""
    before = timezone.now()
    till, person = make_till(market.store, "R9").register, market.employees[0]
    outside.note(outside.REVOKED, market.account.id, till.id, str(till), "owner")
    outside.note(outside.NEW_PIN, market.account.id, person.id, str(person), "owner")
    made = prove_start(
        timezone.now(), Origin(RestoreReport.Kind.RESTORED, before, "stillopen-x.db")
    )
    return next(r for r in made if r.account_id == market.account.id)


def test_only_who_sees_the_whole_account_confirms(owner: Visitor, market: Market) -> None:
    report = went_back(market)
    other = make_account("Other shop")
    item = RestoreItem.objects.create(
        account_id=other.id, report=report, kind="new_pin", record=other.id, name="X"
    )
    assert "confirmed already" in owner.post(f"/restored/{item.id}")
    item.refresh_from_db()
    assert item.confirmed_at is None
    open_store(market.account, "S2", "Second", "Europe/Berlin", None)
    manager = make_user(market, "Administrator", "one-store@corner.example")
    manager.stores.set([market.store])
    visitor = Visitor(manager)
    visitor.get("/restored", status=403)
    own = RestoreItem.objects.filter(account_id=market.account.id).first()
    assert own is not None
    visitor.client.post(f"/restored/{own.id}")
    own.refresh_from_db()
    assert own.confirmed_at is None
    assert 'href="/restored"' not in visitor.get("/registers")


def test_the_page_lists_and_confirms(owner: Visitor, market: Market) -> None:
    assert "Never restored" in owner.get("/restored")
    assert 'href="/restored"' not in owner.get("/registers")
    went_back(market)
    page = owner.get("/restored")
    assert "Restored from a backup" in page and "was revoked" in page
    assert 'href="/restored"' in owner.get("/registers")
    assert re.search(r"\d to confirm: the Back Office was restored", owner.get("/"))
    item = RestoreItem.objects.get(kind="revoked")
    done = owner.post(f"/restored/{item.id}", again="on")
    assert "revoke again" in done
    assert Register.objects.get(id=item.record).state == "revoked"
    for left in RestoreItem.objects.filter(confirmed_at=None):
        owner.post(f"/restored/{left.id}")
    page = owner.get("/restored")
    assert "to confirm" not in owner.get("/")
    assert "All confirmed" in page and not re.search("to confirm<", page)
    assert 'href="/restored"' not in owner.get("/registers")
