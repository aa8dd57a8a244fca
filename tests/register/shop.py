"""A small shop for the tests of the till: its catalogue as feed rows, and a till that is activated on it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from argon2 import PasswordHasher

from stillopen.domain.permission import DEFAULT_ROLES
from stillopen.domain.pricing import Price
from stillopen.domain.totals import Rules
from stillopen.register.clock import ManualClock
from stillopen.register.keys import save_device
from stillopen.register.session import Session
from stillopen.register.store.disk import Room
from stillopen.register.store.identity import Identity
from stillopen.register.till import Till
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.sign_in import sign_in
from stillopen.sync import records
from stillopen.sync.messages import Cursor, FeedRow
from stillopen.sync.pin import pin_digest

NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)  # 12:00 in Berlin
PEPPER = b"p" * 32
PIN = "4711"
ACCOUNT, STORE, REGISTER = "acc-1", "store-1", "register-1"
SCOPES = ("account", f"store:{STORE}", f"register:{REGISTER}")

#: Cheap parameters: the recipe is what is tested, not its cost.
_hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@cache
def pin_hash(pin: str) -> str:
    return _hasher.hash(pin_digest(PEPPER, pin))


def product(
    sku: str, name: str, price: int, barcodes: Sequence[str] = (), tax: str = "vat", **more: Any
) -> records.ProductRecord:
    prices = more.pop("prices", (Price(amount=price),))
    return records.ProductRecord(
        sku=sku, name=name, prices=prices, tax=tax, barcodes=tuple(barcodes), **more
    )


PRODUCTS = {
    "p-coffee": product("100", "Flat white", 350, ["4006381333931"], category="c-drinks"),
    "p-croissant": product("101", "Croissant", 240, ["4002359000037", "96385074"]),
    "p-cheese": product("12345", "Mountain cheese", 4500, tax="reduced", unit="kg"),
    "p-cola": product("103", "Cola", 199, ["036000291452"], category="c-drinks"),
    "p-sold-out": product("104", "Strawberries", 399, stopped=True),
    "p-unpriced": product("105", "New thing", 0, prices=()),
    "p-hundred": product("106", "Voucher book", 10000),
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a test may want different from the usual shop."""

    rules: Rules = Rules(currency="EUR")
    offline_preset: str = "standard"
    blind_close: bool = False
    several_employees: bool = False
    unblock: str | None = None
    products: dict[str, records.ProductRecord] = msgspec.field(default_factory=PRODUCTS.copy)


def catalogue_records(setting: Setting) -> list[tuple[str, str, records.Record]]:
    """(scope, id, record) of everything."""
    account, store, register = SCOPES
    roles = [
        (account, f"role-{name}", records.RoleRecord(name=name, permissions=tuple(sorted(allowed))))
        for name, allowed in DEFAULT_ROLES.items()
    ]
    people = [
        (store, f"e-{code}", employee(code, name, role))
        for code, name, role in (
            ("1", "Ada", "Administrator"),
            ("2", "Max", "Manager"),
            ("3", "Sol", "Salesperson"),
        )
    ]
    products = [(account, key, record) for key, record in setting.products.items()]
    return [
        (
            account,
            ACCOUNT,
            records.AccountSettings(
                name="Test shop", rules=setting.rules, offline_preset=setting.offline_preset
            ),
        ),
        (
            store,
            STORE,
            records.StoreSettings(
                code="S1",
                name="Main street",
                timezone="Europe/Berlin",
                blind_close=setting.blind_close,
            ),
        ),
        (
            register,
            REGISTER,
            records.RegisterSettings(
                name="R1", several_employees=setting.several_employees, unblock=setting.unblock
            ),
        ),
        (account, "vat", records.TaxRateRecord(name="19 %", rate=Decimal(19))),
        (account, "reduced", records.TaxRateRecord(name="7 %", rate=Decimal(7))),
        (account, "c-drinks", records.CategoryRecord(name="Drinks", colour="teal")),
        (
            account,
            "q-1",
            records.QuickKeysRecord(name="All day", products=("p-croissant", "gone", "p-coffee")),
        ),
        *roles,
        *people,
        *products,
    ]


def employee(code: str, name: str, role: str, pin: str = PIN) -> records.EmployeeRecord:
    return records.EmployeeRecord(
        code=code, name=name, last_name="Test", role=f"role-{role}", pin_hash=pin_hash(pin)
    )


def feed_row(seq: int, scope: str, record_id: str, record: records.Record) -> FeedRow:
    return FeedRow(scope, seq, records.kind_of(record), record_id, records.encode(record))


def publish(till: Till, setting: Setting, snapshot: bool = True) -> int:
    """Everything of ``setting`` as one transfer; rows changed."""
    rows = [
        feed_row(number, scope, record_id, record)
        for number, (scope, record_id, record) in enumerate(catalogue_records(setting), start=1)
    ]
    till.catalogue.begin(snapshot)
    till.catalogue.stage(rows)
    return till.catalogue.switch(heads(len(rows)), "server-1")


def change(till: Till, *changed: tuple[str, str, records.Record]) -> int:
    """Publish a few records, as (scope, id, record)."""
    seq = max(cursor.seq for cursor in till.catalogue.cursors()) + 1
    till.catalogue.begin(snapshot=False)
    till.catalogue.stage([feed_row(seq, *row) for row in changed])
    return till.catalogue.switch(heads(seq), "server-1")


def heads(seq: int) -> tuple[Cursor, ...]:
    return tuple(Cursor(scope, seq, bytes([seq % 256]) * 32) for scope in SCOPES)


def make_till(
    folder: Path,
    setting: Setting | None = Setting(),  # noqa: B008  (frozen)
    clock: ManualClock | None = None,
    room: Room | None = None,
) -> Till:
    """A till that is activated and, unless ``setting`` is None, has its catalogue."""
    till = Till.open(folder, clock or ManualClock(NOON), room)
    activate(till)
    if setting is not None:
        publish(till, setting)
    return till


def activate(till: Till) -> None:
    till.device = msgspec.structs.replace(till.device, pepper=PEPPER)
    save_device(till.data_dir, till.device)
    till.journal.identity.save(
        Identity(
            register=REGISTER,
            register_name="R1",
            store=STORE,
            store_code="S1",
            store_name="Main street",
            account=ACCOUNT,
            account_name="Test shop",
            currency="EUR",
            backoffice="http://127.0.0.1:1",
            activated_at=NOON,
        )
    )


def reopen(till: Till) -> Till:
    """The same folder after a restart of the program."""
    clock = ManualClock(till.clock.now())
    till.close()
    return Till.open(till.data_dir, clock)


def signed_in(till: Till, code: str = "1", opening_float: int | None = 10000) -> Session:
    """A session; the shift is opened when it is not, unless ``opening_float`` is None."""
    session = sign_in(till, code, PIN)
    if opening_float is not None and not till.journal.shift_is_open():
        open_register(till, session, opening_float)
    return session
