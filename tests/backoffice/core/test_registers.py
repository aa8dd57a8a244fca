"""Registers: license keys, activation, revoking, unblocking."""

import math
import secrets
from datetime import timedelta

import pytest
from django.utils import timezone

from stillopen.backoffice.accounts.models import Account, Store, User
from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.activation import activate
from stillopen.backoffice.devices.line_times import LineTimes, line_times
from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.devices.scopes import scopes_of
from stillopen.backoffice.feed.models import Published, Pulse
from stillopen.domain.ids import receipt_number
from stillopen.sync import records
from stillopen.sync.lineage import server_label as label
from stillopen.sync.messages import ActivateAnswer, ActivateRequest
from tests.backoffice.core.seen import on_sqlite, refused, seen

KEY, OTHER_KEY = secrets.token_bytes(32), secrets.token_bytes(32)
EPOCH, NEXT_EPOCH = "0" * 32, "1" * 32


def ask(shop: Account, license_key: str, /, **changes: object) -> ActivateRequest:
    values: dict[str, object] = {
        "account": shop.public_id,
        "license_key": license_key,
        "public_key": KEY,
        "fingerprint": "f1",
        "device": "counter-1",
        "epoch": EPOCH,
        "software": "0.1.0",
    }
    return ActivateRequest(**(values | changes))  # type: ignore[arg-type]


def answer(shop: Account, license_key: str, /, **changes: object) -> ActivateAnswer:
    return activate(ask(shop, license_key, **changes), timezone.now())


def test_a_new_register_has_settings_and_a_key_to_type(shop: Account, store: Store) -> None:
    register, key = verbs.add_register(store, "R1", None)
    assert len(key.replace("-", "")) == 20
    assert key not in str(Register.objects.values().get(id=register.id))  # only its digest is kept
    assert scopes_of(register) == ("account", f"store:{store.id}", f"register:{register.id}")
    assert seen(shop, "register_settings", f"register:{register.id}")[register.id].name == "R1"


def test_activation_tells_the_device_who_it_is(shop: Account, store: Store) -> None:
    register, key = verbs.add_register(store, "R1", None)
    told = answer(shop, key.lower().replace("-", " "), account=shop.public_id.lower())
    assert (told.register, told.register_name) == (str(register.id), "R1")
    assert (told.store, told.store_code) == (str(store.id), "S1")
    assert (told.account, told.currency, told.epoch_label) == (shop.public_id, "EUR", "")
    assert told.pepper == bytes(shop.pepper) and len(told.nonce) >= 16
    register.refresh_from_db()
    assert register.state == "active" and bytes(register.public_key or b"") == KEY
    assert bytes(register.nonce or b"") == told.nonce


def test_an_answer_that_was_lost_is_given_again(shop: Account, store: Store) -> None:
    _, key = verbs.add_register(store, "R1", None)
    first, second = answer(shop, key), answer(shop, key)
    assert (first.register, first.epoch_label) == (second.register, second.epoch_label)
    assert first.nonce != second.nonce
    assert Epoch.objects.count() == 1


def test_a_device_that_is_another_register_does_not_use_up_the_license(
    shop: Account, store: Store
) -> None:
    first, key = verbs.add_register(store, "R1", None)
    second, other = verbs.add_register(store, "R2", None)
    answer(shop, key)
    for present in (str(first.id), "not known here"):
        refused("already_activated", answer, shop, other, register=present)
    assert answer(shop, other, public_key=OTHER_KEY).register == str(second.id)
    assert answer(shop, key, register=str(first.id)).register == str(first.id)


def test_a_second_device_hears_who_the_first_is(shop: Account, store: Store) -> None:
    register, key = verbs.add_register(store, "R1", None)
    answer(shop, key)
    later = timezone.now() + timedelta(hours=1)
    Register.objects.filter(id=register.id).update(last_seen_at=later)
    error = refused("license_in_use", answer, shop, key, public_key=OTHER_KEY)
    assert error.details["device"] == "counter-1"
    assert error.details["last_contact"] == later.isoformat()
    assert "counter-1" in error.message and f"{later:%Y-%m-%d %H:%M}" in error.message


def test_the_account_and_the_key_must_belong_together(
    shop: Account, store: Store, other_shop: Account
) -> None:
    _, key = verbs.add_register(store, "R1", None)
    refused("unknown_license", answer, shop, "AAAAA-AAAAA-AAAAA-AAAAA")
    refused("unknown_license", answer, shop, "")
    refused("unknown_license", answer, other_shop, key)
    refused("unknown_license", answer, shop, key, account="no such account")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"public_key": b"short"}, "bad_request"), ({"epoch": "xyz"}, "bad_epoch")],
)
def test_a_broken_request_binds_nothing(
    shop: Account, store: Store, changes: dict[str, object], code: str
) -> None:
    register, key = verbs.add_register(store, "R1", None)
    refused(code, answer, shop, key, **changes)
    register.refresh_from_db()
    assert register.state == "new" and register.public_key is None
    assert Epoch.objects.count() == 0


def test_revoking_stirs_the_streams_and_refuses_the_device(shop: Account, store: Store) -> None:
    register, key = verbs.add_register(store, "R1", None)
    answer(shop, key)
    before = Pulse.objects.get(account_id=shop.id).count
    verbs.revoke(register, None)
    stored = Register.objects.get(id=register.id)
    assert stored.state == "revoked" and stored.revoked_at is not None
    assert bytes(stored.public_key or b"") == KEY  # it may still hand in its journal
    assert Pulse.objects.get(account_id=shop.id).count == before + 1
    refused("revoked", answer, shop, key)


def test_a_replacement_goes_on_in_a_new_epoch(shop: Account, store: Store) -> None:
    register, key = verbs.add_register(store, "R1", None)
    answer(shop, key)
    refused("register_active", verbs.new_license_key, register, None)
    verbs.revoke(register, None)
    fresh = verbs.new_license_key(register, None)
    refused("unknown_license", answer, shop, key)
    told = answer(shop, fresh, public_key=OTHER_KEY, epoch=NEXT_EPOCH)
    assert told.register == str(register.id) and told.epoch_label == "b"
    assert receipt_number("S1", "R1", told.epoch_label, 1) == "S1-R1b-000001"
    assert answer(shop, fresh, public_key=OTHER_KEY, epoch=EPOCH).epoch_label == ""


def test_labels_of_epochs() -> None:
    assert [label(n) for n in (0, 1, 2, 25, 26, 27, 52)] == ["", "b", "c", "z", "ba", "bb", "ca"]


def test_unblocking_and_options_reach_the_register_at_once(shop: Account, store: Store) -> None:
    register, _ = verbs.add_register(store, "R1", None)
    scope = f"register:{register.id}"
    assert seen(shop, "register_settings", scope)[register.id].unblock is None
    verbs.unblock(register, None)
    first = seen(shop, "register_settings", scope)[register.id].unblock
    verbs.unblock(register, None)
    second = seen(shop, "register_settings", scope)[register.id].unblock
    assert first and second and first != second
    verbs.change_options(register, several_employees=True, user=None)
    settings = seen(shop, "register_settings", scope)[register.id]
    assert settings.several_employees and settings.unblock == second


def test_the_limits_of_the_indicator_are_options(shop: Account, store: Store) -> None:
    register, _ = verbs.add_register(store, "R1", None)
    row = Published.objects.get(kind="register_settings", record=register.id)
    # As it was published before they could be chosen.
    assert bytes(row.payload) == records.encode(records.RegisterSettings(name="R1"))
    verbs.change_options(register, several_employees=False, times=LineTimes(), user=None)
    assert Published.objects.get(record=register.id).seq == row.seq

    times = LineTimes(yellow_after=5.0, red_after=9.5, probe_every=2.0)
    verbs.change_options(register, several_employees=False, times=times, user=None)
    settings = seen(shop, "register_settings", f"register:{register.id}")[register.id]
    assert (settings.yellow_after, settings.red_after, settings.probe_every) == (5.0, 9.5, 2.0)
    verbs.change_options(register, several_employees=True, user=None)
    assert line_times(register) == times, "what is not named stays"

    verbs.change_options(
        register, several_employees=True, times=LineTimes(red_after=9.0), user=None
    )
    assert (register.yellow_after, register.red_after, register.probe_every) == (None, 9.0, None)


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"yellow_after": 2.1}, "2.2 to 60 seconds"),
        ({"yellow_after": 60.5, "red_after": 100.0}, "2.2 to 60 seconds"),
        ({"yellow_after": math.nan}, "2.2 to 60 seconds"),
        ({"yellow_after": 5.0}, "more than 5 and at most 120"),
        ({"red_after": 2.6}, "later than Reconnecting"),
        ({"red_after": math.inf}, "at most 120"),
        ({"probe_every": 0.0}, "0.5 to 10 seconds"),
        ({"probe_every": 11.0}, "0.5 to 10 seconds"),
    ],
)
def test_limits_that_no_till_could_keep_are_refused(
    store: Store, changes: dict[str, float], words: str
) -> None:
    register, _ = verbs.add_register(store, "R1", None)
    times, change = LineTimes(**changes), verbs.change_options
    error = refused("bad_seconds", change, register, several_employees=True, times=times, user=None)
    assert words in error.message
    register.refresh_from_db()
    assert not register.several_employees and line_times(register) == LineTimes()


def test_names_that_fit_into_receipt_numbers(shop: Account, store: Store) -> None:
    for bad in ("", "R 1", "R-1", "R" * 13, "ä"):
        refused("bad_code", verbs.add_register, store, bad, None)
    verbs.add_register(store, "R1", None)
    refused("register_exists", verbs.add_register, store, "R1", None)


def test_users_touch_only_registers_of_their_stores(
    shop: Account, store: Store, manager: User, salesperson: User, other_shop: Account
) -> None:
    second = open_store(shop, "S2", "Two", "UTC", None)
    register, _ = verbs.add_register(store, "R1", manager)
    refused("not_permitted", verbs.revoke, register, salesperson)
    theirs, _ = verbs.add_register(other_shop.stores.get(), "R1", None)
    refused("not_found", verbs.revoke, theirs, manager)
    manager.stores.set([second])
    refused("not_found", verbs.revoke, register, manager)
    refused("not_found", verbs.add_register, store, "R2", manager)
    verbs.add_register(second, "R1", manager)
