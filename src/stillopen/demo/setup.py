"""Making the demo shop: the Back Office's and the register's own commands, one after the other."""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from stillopen.demo import shop
from stillopen.demo.ports import HOST, choose_for_line
from stillopen.demo.programs import call
from stillopen.demo.shop import Demo, Till, folder_of_backoffice, folder_of_register

Say = Callable[[str], None]


def prepare(folder: Path, avoid_ports: Collection[int], say: Say) -> Demo:
    """The demo in ``folder``; made now when there is none, or only half of one.

    Errors: ``demo_failed`` with the words of the command that failed, ``port_taken``.
    """
    demo = shop.load(folder)
    if demo is None:
        say("Making the demo shop; this is done once.")
        _clear(folder)
        demo = Demo(account_id=_make_backoffice(folder), line_port=choose_for_line(avoid_ports))
        shop.save(folder, demo)
    return demo


def _clear(folder: Path) -> None:
    """What an interrupted set-up left behind; nothing was sold in it, since it never ran."""
    for path in [folder_of_backoffice(folder), *folder.glob("register-*")]:
        shutil.rmtree(path, ignore_errors=True)


def _make_backoffice(folder: Path) -> str:
    """Account, taxes, people and products; the Account ID."""
    place = ("--dir", str(folder_of_backoffice(folder)))
    account = call(
        *("backoffice", "init", *place, "--account", shop.ACCOUNT, "--tax", shop.TAX),
        *("--currency", shop.CURRENCY, "--timezone", shop.TIMEZONE),
        *("--admin-email", shop.ADMIN_EMAIL, "--admin-password", shop.ADMIN_PASSWORD),
    )
    call("backoffice", "add-tax", *place, "--name", "Reduced", "--rate", shop.REDUCED_TAX)
    for person in shop.EMPLOYEES:
        call(
            *("backoffice", "add-employee", *place, "--name", person.name),
            *("--last-name", person.last_name, "--pin", person.pin, "--role", person.role),
        )
    call("backoffice", "import-products", *place, str(shop.PRODUCTS), "--publish")
    return _value(account)


def activate(folder: Path, demo: Demo, number: int, say: Say) -> None:
    """Make sure that register ``number`` (from 1) exists and is activated; needs the Back Office."""
    if number > len(demo.tills):
        place = ("--dir", str(folder_of_backoffice(folder)))
        name = f"R{number}"
        key = call("backoffice", "add-register", *place, "--store", shop.STORE, "--name", name)
        demo.tills.append(Till(name=name, license_key=_value(key)))
        shop.save(folder, demo)
    till = demo.tills[number - 1]
    if till.active:
        return
    say(f"Activating register {till.name}.")
    data = folder_of_register(folder, number)
    shutil.rmtree(data, ignore_errors=True)  # of an activation that was interrupted
    call(
        *("register", "activate", "--data-dir", str(data), "--account", demo.account_id),
        *("--backoffice", line_url(demo), "--license-key", till.license_key),
    )
    till.active = True
    shop.save(folder, demo)


def line_url(demo: Demo) -> str:
    """The Back Office as the registers see it: through the line."""
    return f"http://{HOST}:{demo.line_port}"


def _value(line: str) -> str:
    """``Account ID: X`` → ``X``."""
    return line.rpartition(": ")[2]
