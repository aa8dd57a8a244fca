"""The shop that every run begins with, made once per process: two stores, people, goods, registers."""

from pathlib import Path
from random import Random

import msgspec
from django.core.management import call_command
from django.db import connections

from stillopen.backoffice.accounts.models import Store
from stillopen.backoffice.accounts.opening import open_account, open_store
from stillopen.backoffice.accounts.people import create_employee, role_by_name
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.catalogue.verbs import create_product
from stillopen.backoffice.devices.verbs import add_register
from stillopen.simulator import chance
from stillopen.simulator.server_node import point_django
from stillopen.simulator.world import START

SKUS = tuple(str(number) for number in range(100, 112))
PRICE = 250  # of the first; each further one costs 35 more
_NAMES = (
    "Espresso Flat-white Croissant Apples Bread Butter Cheese Tea Water Juice Soup Cake".split()
)


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """``keys``: register name → license key. ``folder`` holds the server's file."""

    folder: Path
    account: str  # Account ID
    keys: dict[str, str]


def make_shop(folder: Path, registers: int) -> Shop:
    """The same for the same number of registers, whenever and wherever it is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with chance.in_force(Random(registers), lambda: START):
        point_django(folder)
        call_command("migrate", verbosity=0, interactive=False)
        account = open_account("Simulated shop", "EUR", "Europe/Berlin")
        other = open_store(account, "S2", "Second shop", "Europe/Berlin", None)
        first = Store.objects.get(account=account, code="S1")
        for name, role, stores in (
            ("Kim", "Manager", [first, other]),
            ("Noor", "Manager", [other]),
        ):
            create_employee(
                account,
                name=name,
                last_name="Test",
                pin="4711",
                role=role_by_name(account, role),
                stores=stores,
                user=None,
            )
        for place, (sku, name) in enumerate(zip(SKUS, _NAMES, strict=True)):
            create_product(account, {"sku": sku, "name": name, "price": PRICE + 35 * place}, None)
        publish_drafts(account, None, "simulator")
        keys = {f"R{n}": add_register(first, f"R{n}", None)[1] for n in range(1, registers + 1)}
        connections.close_all()
        _into_one_file(folder)
    return Shop(folder=folder, account=account.public_id, keys=keys)


def _into_one_file(folder: Path) -> None:
    """Closing the last connection has emptied the WAL; what is left of it goes."""
    for suffix in ("-wal", "-shm"):
        (folder / f"backoffice.db{suffix}").unlink(missing_ok=True)
