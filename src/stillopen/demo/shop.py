"""Who and what the demo shop is, and what is remembered about it between two runs."""

from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError

ACCOUNT = "Harbour Corner"
CURRENCY = "EUR"
TIMEZONE = "Europe/Berlin"
TAX = "19"
REDUCED_TAX = "7"
ADMIN_EMAIL = "owner@demo.example"
ADMIN_PASSWORD = "still-open-demo"
STORE = "S1"
PRODUCTS = Path(__file__).parent / "data" / "products.csv"

MAX_REGISTERS = 20


class Employee(msgspec.Struct, frozen=True):
    name: str
    last_name: str
    pin: str
    role: str


EMPLOYEES = (
    Employee("Mara", "Sommer", "1111", "Administrator"),
    Employee("Jonas", "Berg", "2222", "Manager"),
    Employee("Aylin", "Demir", "3333", "Salesperson"),
    Employee("Tom", "Vogel", "4444", "Salesperson"),
)


class Till(msgspec.Struct, kw_only=True):
    """One register of the demo; its license key is used once, to activate it."""

    name: str
    license_key: str
    active: bool = False


class Demo(msgspec.Struct, kw_only=True):
    """``demo.json``: written when the shop is complete, so that half a shop is made again."""

    account_id: str
    line_port: int
    tills: list[Till] = []


def folder_of_backoffice(folder: Path) -> Path:
    return folder / "backoffice"


def folder_of_register(folder: Path, number: int) -> Path:
    """``number`` counts from 1."""
    return folder / f"register-{number}"


def load(folder: Path) -> Demo | None:
    """What is remembered in ``folder``; None before the first complete set-up."""
    path = folder / "demo.json"
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Demo)
    except msgspec.DecodeError as error:
        raise DomainError("demo_unreadable", f"{path} cannot be read: {error}.") from None


def save(folder: Path, demo: Demo) -> None:
    """Atomically: a reader finds the old file or the new one."""
    path = folder / "demo.json"
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(demo)))
    draft.replace(path)
