"""Carts, tenders, permissions, the offline policy, ids: what they refuse and what they keep."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillopen.domain.cart import Cart, add_line, change_line, remove_line
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import check_code, receipt_number, uuid7
from stillopen.domain.money import parse_major
from stillopen.domain.permission import DEFAULT_ROLES, WORDS, Permission
from stillopen.domain.policy import PRESETS, STRICT, Capability, Line, allowed, require
from stillopen.domain.quantity import format_quantity, parse_quantity
from stillopen.domain.tax import Taxed
from stillopen.domain.tender import likely_notes, settle
from tests.domain.builders import card, cash, line


def refused(code: str, call: object, *arguments: object) -> DomainError:
    with pytest.raises(DomainError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value


def test_a_wrong_taxed_amount_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="is not gross"):
        Taxed(100, 19, 118)


def test_tenders_that_do_not_fit() -> None:
    assert refused("tender_short", settle, 1000, [cash(999)], 0).details == {"due": 1}
    refused("tender_excess", settle, 1000, [card(1001)], 0)
    refused("bad_tender", settle, 1000, [card(0)], 0)
    assert settle(2, [cash(0)], 5).rounding == -2
    refused("bad_tender", settle, 1000, [cash(-5)], 0)
    refused("tender_short", settle, 1000, [], 0)
    assert settle(0, [], 0).change == 0


def test_the_same_goods_merge_only_on_the_last_line() -> None:
    tea, milk = line(250), line(120)
    cart = add_line(add_line(Cart(id="c"), tea), tea)
    assert [x.quantity for x in cart.lines] == [Decimal(2)]
    cart = add_line(add_line(cart, milk), tea)
    assert [x.quantity for x in cart.lines] == [2, 1, 1]
    assert cart.version == 4
    assert len(add_line(cart, tea, merge=False).lines) == 4


def test_changes_of_lines_raise_the_version_and_refuse_nonsense() -> None:
    tea = line(250)
    cart = add_line(Cart(id="c"), tea)
    changed = change_line(cart, tea.id, quantity=Decimal(3))
    assert changed.version == cart.version + 1
    refused("no_such_line", remove_line, cart, "another")
    refused("bad_quantity", lambda: change_line(cart, tea.id, quantity=Decimal(0)))
    assert remove_line(cart, tea.id).is_empty


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.2345", "0", "NaN", "Infinity", "10000000", "1e99", "1e3", "1_0", "١", "9" * 50],
)
def test_quantities_that_no_shop_has(text: str) -> None:
    refused("bad_quantity", parse_quantity, text)


@pytest.mark.parametrize(
    "text", ["", "x", "1.234", "NaN", "inf", "1e30", "1e3", "1_0", "١", "9" * 50]
)
def test_amounts_that_are_none(text: str) -> None:
    refused("bad_amount", parse_major, text, "EUR")


def test_quantities_are_shown_without_idle_zeros() -> None:
    assert [format_quantity(parse_quantity(q)) for q in ("2", "0.074", "10", "1.50")] == [
        "2", "0.074", "10", "1.5",
    ]  # fmt: skip


def test_every_permission_has_words_and_the_roles_nest() -> None:
    assert set(WORDS) == set(Permission)
    assert DEFAULT_ROLES["Salesperson"] < DEFAULT_ROLES["Manager"] < DEFAULT_ROLES["Administrator"]
    assert all(Permission.REGISTER_OPEN in p for p in DEFAULT_ROLES.values())


def test_offline_policy() -> None:
    assert allowed(Capability.CASH_SALE, Line.OFFLINE, "strict")
    assert not allowed(Capability.INTEGRATED_CARD, Line.UNCERTAIN, "standard")
    assert allowed(Capability.SEARCH, Line.OFFLINE, "standard")
    assert not allowed(Capability.SEARCH, Line.OFFLINE, "strict")
    assert allowed(Capability.SEARCH, Line.UNCERTAIN, "strict")
    assert allowed(Capability.SEARCH, Line.OFFLINE, "strict", {"search": True})
    refused("not_offline", require, Capability.GIFT_CARD, Line.OFFLINE, "standard")
    assert PRESETS["standard"] > STRICT


def test_numbers_and_codes() -> None:
    assert receipt_number("S1", "R2", "", 7) == "S1-R2-000007"
    assert receipt_number("S1", "R2", "b", 1) == "S1-R2b-000001"
    refused("bad_code", check_code, "R-1", "register")


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_orders_by_time(milliseconds: int, randomness: bytes) -> None:
    text = uuid7(milliseconds, randomness)
    made = UUID(text)
    assert text == str(made)
    assert made.version == 7 and made.variant == "specified in RFC 4122"
    assert int.from_bytes(made.bytes[:6], "big") == milliseconds


@given(st.integers(1, 10**6))
def test_likely_notes_cover_the_sum(due: int) -> None:
    notes = likely_notes(due, 2)
    assert all(n > due for n in notes) and notes == sorted(set(notes))
