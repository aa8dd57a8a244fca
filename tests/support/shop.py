"""A whole shop for tests: a Back Office, registers, and a line between them that can be cut."""

import csv
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from stillopen.demo.line import LineThread
from tests.support.kept import Kept, once
from tests.support.process import Server, last_value, output

ADMIN_EMAIL = "owner@shop.example"
ADMIN_PASSWORD = "a-long-enough-secret-7"
PIN = "4711"
ROLES = ("Administrator", "Manager", "Salesperson")

#: Shared: a client of its own per call would spend more time on certificates than on the call. No
#: connection is kept: what answers is killed and started again in these tests.
HTTP = httpx.Client(timeout=20, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

#: sku, name, price, barcode
GOODS = [
    ("100", "Espresso", "2.20", "2000000001005"),
    ("101", "Flat white", "3.50", "2000000001012"),
    ("102", "Croissant", "1.90", "2000000001029"),
    ("103", "Apples", "2.99", "2000000001036"),
]


class Register:
    """One till: its data folder, its process, and its local API."""

    def __init__(
        self, name: str, folder: Path, backoffice_url: str, account: str, key: str
    ) -> None:
        self.name = name
        self.folder = folder
        log = folder.parent / f"{folder.name}.log"
        self.server = Server(
            ["register", "serve", "--data-dir", str(folder)], "/api/v1/status", log
        )
        self.activation = ["--backoffice", backoffice_url, "--account", account]
        self.activation += ["--license-key", key]
        self._token = ""

    def activate(self) -> None:
        output("register", "activate", "--data-dir", str(self.folder), *self.activation)

    def start(self) -> None:
        self.server.start()

    def sign_in(self, employee: str, pin: str = PIN) -> None:
        answer = self.post("/session", {"employee": employee, "pin": pin})
        assert answer.status_code == 200, answer.text
        self._token = answer.json()["token"]

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self._request("GET", path, params=parameters)

    def post(self, path: str, body: object = None, timeout: float = 20) -> httpx.Response:
        return self._request("POST", path, json=body, timeout=timeout)

    def status(self) -> dict[str, Any]:
        answer = self.get("/status")
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        return status

    def is_synced(self) -> bool:
        status = self.status()
        return status["state"] == "synced" and status["unsent"]["count"] == 0

    def sell(
        self, lines: Mapping[str, str], tender: int = 100_00, **more: object
    ) -> dict[str, Any]:
        """A cash sale of ``sku → quantity``; the answer of the API, which must be 201."""
        answer = self.post("/sales", sale(lines, tender) | more)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"{self.server.url}/api/v1{path}"
        return HTTP.request(method, url, headers=self.headers(), **options)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def sale(lines: Mapping[str, str], tender: int = 100_00, id: str | None = None) -> dict[str, Any]:
    """The body of ``POST /sales``; ``tender`` in minor units, cash."""
    return {
        "id": id or str(uuid.uuid4()),
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()],
        "tenders": [{"type": "cash", "amount": tender}],
    }


@dataclass(frozen=True)
class Made:
    """A shop as its commands made it, to be copied."""

    kept: Kept
    account: str
    employees: dict[str, str]
    token: str
    keys: dict[str, str]


class Shop:
    """A Back Office on SQLite, or on PostgreSQL at ``database_url``, made with its own commands."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self._url = database_url
        self.place = ["--database-url", database_url] if database_url else []
        self.place = self.place or ["--dir", str(folder / "backoffice")]
        self.account = ""
        self.employees: dict[str, str] = {}  # name → employee code
        self.registers: list[Register] = []
        self.backoffice = Server(
            ["backoffice", "serve", *self.place], "/api/v1/healthz", folder / "backoffice.log"
        )
        self._line: LineThread | None = None
        self._token = ""
        self._keys: dict[str, str] = {}  # of registers that nobody has activated yet

    @property
    def line(self) -> LineThread:
        """Between the Back Office and all registers; made when first asked for."""
        if self._line is None:
            self._line = LineThread(("127.0.0.1", self.backoffice.port))
        return self._line

    def make(
        self,
        products: Path | None = None,
        tax: str = "0",
        roles: Sequence[str] = ROLES,
        name: str = "Test shop",
    ) -> "Shop":
        """Account, an employee per role (PIN 4711), goods published, a token; not serving yet.

        A register R1 waits for its device. What was made before in the same way is copied: it takes
        eight commands."""
        kind = (self._url.rpartition("/")[0], tax, tuple(roles), name)
        if products is None:
            self._copy(once((*kind, "goods"), lambda: self._with_goods(kind)))
        else:
            self._copy(once(kind, lambda: self._opened(*kind)))
            self.command("import-products", str(products), "--publish")
        return self

    def _with_goods(self, kind: tuple[str, str, tuple[str, ...], str]) -> Made:
        self._copy(once(kind, lambda: self._opened(*kind)))
        self.command("import-products", str(self._goods()), "--publish")
        return self._kept()

    def _opened(self, _: str, tax: str, roles: Sequence[str], name: str) -> Made:
        made = self.command(
            *("init", "--account", name, "--currency", "EUR", "--tax", tax),
            *("--timezone", "Europe/Berlin"),
            *("--admin-email", ADMIN_EMAIL, "--admin-password", ADMIN_PASSWORD),
        )
        self.account = last_value(made)
        for role in roles:
            self.add_employee(role[:5], role)
        for rate in sorted({"7", "19"} - {tax}):
            self.command("add-tax", "--name", f"Tax {rate}", "--rate", rate)
        self._token = last_value(self.command("token", "--name", "tests"))
        self._keys = {"R1": self._new_key("R1")}
        return self._kept()

    def keep(self) -> Kept:
        """A copy of the database; the Back Office must not be serving, nor for :meth:`put_back`."""
        return Kept(self.folder / "backoffice", self._url)

    def put_back(self, kept: Kept) -> None:
        kept.put(self.folder / "backoffice", self._url)

    def _kept(self) -> Made:
        return Made(self.keep(), self.account, dict(self.employees), self._token, dict(self._keys))

    def _copy(self, made: Made) -> None:
        self.put_back(made.kept)
        self.account, self._token = made.account, made.token
        self.employees, self._keys = dict(made.employees), dict(made.keys)

    def add_employee(self, name: str, role: str, pin: str = PIN, last_name: str = "Test") -> str:
        words = ["--name", name, "--last-name", last_name, "--pin", pin, "--role", role]
        self.employees[name] = last_value(self.command("add-employee", *words))
        return self.employees[name]

    def _goods(self) -> Path:
        path = self.folder / "products.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sku", "name", "price", "barcode", "category"])
            writer.writerows((*row, "Counter") for row in GOODS)
        return path

    def add_register(self, name: str = "R1", activate: bool = True) -> Register:
        """A new register behind the line; activating needs the Back Office to be serving."""
        key = self._keys.pop(name, "") or self._new_key(name)
        folder = self.folder / f"register-{name}"
        register = Register(name, folder, self.line.url, self.account, key)
        self.registers.append(register)
        if activate:
            register.activate()
        return register

    def _new_key(self, name: str) -> str:
        return last_value(self.command("add-register", "--store", "S1", "--name", name))

    def open_register(self, name: str = "R1") -> Register:
        """A register that serves, signed in as the salesperson, its shift open with 100.00."""
        register = self.add_register(name)
        register.start()
        register.sign_in(self.employees["Sales"])
        answer = register.post("/shift/open", {"float": 100_00})
        assert answer.status_code in (200, 201), answer.text
        return register

    def command(self, verb: str, *arguments: str) -> str:
        return output("backoffice", verb, *self.place, *arguments)

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self._request("GET", path, params=parameters)

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self._request("POST", path, json=body)

    def patch(self, path: str, body: object) -> httpx.Response:
        return self._request("PATCH", path, json=body)

    def every(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        """All rows of a list, page after page."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = self.get(path, **parameters)
            assert answer.status_code == 200, answer.text
            rows += answer.json()["results"]
            if answer.json()["next"] is None:
                return rows
            parameters["cursor"] = answer.json()["next"]

    def close(self) -> None:
        for register in self.registers:
            register.server.close()
        self.backoffice.close()
        if self._line is not None:
            self._line.close()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"{self.backoffice.url}/api/v1{path}"
        return HTTP.request(method, url, headers=self.headers(), **options)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}
