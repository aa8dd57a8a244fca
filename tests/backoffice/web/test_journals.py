"""A register whose disk was copied or moved, on its page in the Back Office."""

import pytest

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.reports.journals import journals
from stillopen.sync.messages import Pull
from tests.backoffice.ingest.till import Till
from tests.backoffice.web.conftest import Visitor
from tests.backoffice.web.market import Market


@pytest.fixture
def till(market: Market) -> Till:
    """The till of a register that has sold, with the machine that it was activated on."""
    till = market.seller("R7").till
    Register.objects.filter(id=till.register.id).update(fingerprint="first")
    for price in (100, 200, 300, 400):
        till.sell(price)
    till.send()
    return till


def test_a_copied_disk_shows_as_a_journal_of_its_own(till: Till, owner: Visitor) -> None:
    path = f"/registers/{till.register.id}"
    assert "Journals" not in owner.get(path)
    del till.entries[-2:]
    till.sell(900)
    till.send()
    parted = len(till.entries) - 1
    [fork, first] = journals(till.register)
    assert (fork.forked_at, fork.received, first.forked_at) == (parted, 1, None)
    assert f"parted behind entry {parted}" in owner.get(path)


def test_a_till_that_was_moved_gets_prices_again_after_a_yes(till: Till, owner: Visitor) -> None:
    def told(machine: str) -> list[str]:
        answer = till.send([], machine=machine, pull=Pull(server_epoch=""))
        assert (answer.page is None) == bool(answer.instructions)
        return [i.do for i in answer.instructions]

    path = f"/registers/{till.register.id}"
    assert told("first") == [] and "another machine" not in owner.get(path)
    assert told("second") == ["activate"]
    assert ExceptionItem.objects.filter(code="another_machine").count() == 1
    assert "Accept this machine" in owner.get(path)
    owner.post(f"{path}/machine")
    assert "another machine" not in owner.get(path)
    assert (told("second"), told("first")) == ([], ["activate"])
