"""Signing in: offline, after a power cut, and five wrong PINs in a row."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from stillopen.domain.errors import DomainError
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.till import Till
from stillopen.register.usecases.change_cart import discard
from stillopen.register.usecases.scan import add_product
from stillopen.register.usecases.sign_in import employee_tiles, is_blocked, sign_in, sign_out
from stillopen.sync import records
from stillopen.sync.facts import decode_body
from stillopen.sync.messages import FeedRow
from tests.register.shop import (
    PIN,
    REGISTER,
    SCOPES,
    Setting,
    change,
    employee,
    heads,
    make_till,
    reopen,
    signed_in,
)


def wrong(till: Till, who: str = "1", pin: str = "0000") -> DomainError:
    with pytest.raises(DomainError) as refused:
        sign_in(till, who, pin)
    return refused.value


def kinds(till: Till) -> list[str]:
    return [row.kind for row in till.journal.entries.after(0, 1000)]


def unblock(till: Till, value: str) -> None:
    settings = records.RegisterSettings(name="R1", unblock=value)
    change(till, (SCOPES[2], REGISTER, settings))


def delete_employee(till: Till, key: str) -> None:
    seq = till.catalogue.cursors()[0].seq + 1
    till.catalogue.begin(snapshot=False)
    till.catalogue.stage([FeedRow(SCOPES[1], seq, "employee", key, b"", deleted=True)])
    till.catalogue.switch(heads(seq), "server-1")


@pytest.mark.parametrize("who", ["1", "Ada", "ada", "Ada Test", " ADA "])
def test_by_code_or_by_a_name_that_is_unique(till: Till, who: str) -> None:
    session = sign_in(till, who, PIN)
    assert (session.code, session.name, session.role) == ("1", "Ada", "Administrator")
    assert till.session(session.token) is session


def test_a_name_that_two_people_have_signs_nobody_in(till: Till) -> None:
    change(till, (SCOPES[1], "e-9", employee("9", "Ada", "Manager")))
    for _ in range(6):
        assert wrong(till, "Ada", PIN).code == "name_not_unique"
    assert not is_blocked(till) and wrong(till).details == {"tries_left": 4}
    assert sign_in(till, "9", PIN).role == "Manager"


def test_it_works_without_the_line_and_is_journalled(till: Till) -> None:
    till.set_link(LinkView(state=LineState.OFFLINE))
    session = sign_in(till, "3", PIN)
    sign_out(till, session)
    sign_out(till, session)
    assert till.session(session.token) is None
    assert kinds(till) == ["signed_in", "signed_out"]
    body = decode_body(till.journal.entries.raw_after(0, 1)[0].body)
    assert bytes(body.payload) == b'{"offline":true}' and body.employee == "e-3"


def test_tries_are_counted_down_and_a_right_pin_ends_the_row(till: Till) -> None:
    assert [wrong(till).details["tries_left"] for _ in range(4)] == [4, 3, 2, 1]
    sign_in(till, "2", PIN)
    assert wrong(till).details["tries_left"] == 4


def test_five_wrong_pins_block_the_register_also_after_a_restart(till: Till) -> None:
    for _ in range(2):
        wrong(till)
    again = reopen(till)
    wrong(again, "2")
    wrong(again, "nobody")
    assert wrong(again, "3").code == "register_blocked"
    assert wrong(again, "1", PIN).code == "register_blocked"  # even the right one
    assert kinds(again) == ["pin_blocked"]
    body = decode_body(again.journal.entries.raw_after(0, 1)[0].body)
    assert body.employee == "e-3"
    once_more = reopen(again)
    assert is_blocked(once_more)
    assert wrong(once_more, "1", PIN).code == "register_blocked"
    once_more.close()


def test_a_block_is_lifted_by_a_new_value_from_the_back_office(till: Till) -> None:
    unblock(till, "old")
    for _ in range(5):
        wrong(till)
    assert is_blocked(till)  # the old value was there before the block
    unblock(till, "new")
    assert not is_blocked(till)
    assert sign_in(till, "1", PIN).name == "Ada"
    assert kinds(till) == ["pin_blocked", "pin_unblocked", "signed_in"]
    for _ in range(5):
        wrong(till)
    assert is_blocked(till)  # a value lifts one block


def test_a_value_that_lay_there_from_the_start_lifts_nothing(tmp_path: Path) -> None:
    with closing(make_till(tmp_path, Setting(unblock="long ago"))) as till:
        for _ in range(5):
            wrong(till)
        assert is_blocked(till)


def test_guessing_in_parallel_gets_no_more_tries(till: Till) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: wrong(till).code, range(16)))
    assert codes.count("wrong_pin") == 4
    assert kinds(till).count("pin_blocked") == 1


def test_many_people_with_the_right_pin_at_once_all_get_in(till: Till) -> None:
    with ThreadPoolExecutor(16) as pool:
        sessions = list(pool.map(lambda _: sign_in(till, "1", PIN), range(16)))
    assert len({session.token for session in sessions}) == 16
    assert wrong(till).details["tries_left"] == 4


def test_a_strike_is_on_disk_before_the_pin_is_looked_at(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulling the plug while the PIN is being checked does not give the try back."""

    def power_cut(*_: object) -> bool:
        raise SystemExit

    monkeypatch.setattr("stillopen.register.usecases.sign_in.pin_matches", power_cut)
    for _ in range(5):
        with pytest.raises(SystemExit):
            sign_in(till, "1", "0000")
    monkeypatch.undo()
    with closing(reopen(till)) as again:
        assert wrong(again, "1", PIN).code == "register_blocked"


def test_before_activation_and_before_the_first_sync(tmp_path: Path) -> None:
    with closing(Till.open(tmp_path / "new")) as fresh:
        assert wrong(fresh).code == "not_activated"
        assert employee_tiles(fresh) == []
        assert not is_blocked(fresh)
    with closing(make_till(tmp_path / "bare", setting=None)) as bare:
        assert wrong(bare).code == "never_synced"


def test_a_new_pin_counts_at_once_and_a_person_switched_off_is_out(till: Till) -> None:
    session = signed_in(till)
    change(till, (SCOPES[1], "e-1", employee("1", "Ada", "Manager", pin="9999")))
    assert wrong(till, "1", PIN).code == "wrong_pin"
    assert sign_in(till, "1", "9999").role == "Manager"
    renewed = till.session(session.token)
    assert renewed is not None and renewed.role == "Manager"
    add_product(till, session, "p-coffee")
    delete_employee(till, "e-1")
    assert wrong(till, "1", "9999").code == "wrong_pin"
    assert till.session(session.token) is session  # until the open cart is finished
    discard(till, session)
    assert till.session(session.token) is None
    assert [tile.name for tile in employee_tiles(till)] == ["Max", "Sol"]
