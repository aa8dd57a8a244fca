"""Bad input to every command: an exit code, one clear line on stderr, nothing half done."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import Server, output, run
from tests.support.shop import ADMIN_EMAIL, ADMIN_PASSWORD, Shop

INIT = [
    *("--account", "A", "--currency", "EUR", "--timezone", "Europe/Berlin"),
    *("--admin-email", ADMIN_EMAIL, "--admin-password", ADMIN_PASSWORD),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop")).make()
    yield shop
    shop.close()


def refused(*arguments: str) -> str:
    """The one line on stderr of a command that must fail; never a traceback, nothing on stdout."""
    done = run(*arguments)
    assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    return lines[0]


def without(option: str) -> list[str]:
    at = INIT.index(option)
    return INIT[:at] + INIT[at + 2 :]


def replaced(option: str, value: str) -> list[str]:
    at = INIT.index(option)
    return [*INIT[: at + 1], value, *INIT[at + 2 :]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["backoffice", "nonsense"],
        ["backoffice", "init", "--dir"],
        ["backoffice", "init", *INIT],
        ["backoffice", "serve"],
        ["backoffice", "serve", "--dir", "/nonexistent/place"],
        ["backoffice", "serve", "--port", "70000", "--dir", "/nonexistent"],
        ["backoffice", "token", "--dir", "/nonexistent/place", "--name", "x"],
        ["register", "nonsense"],
        ["register", "activate"],
        ["register", "serve"],
        ["register", "status"],
        ["register", "status", "--data-dir", "/nonexistent/place"],
        ["register", "serve", "--data-dir", "/proc/nowhere"],
        ["journal"] + ["nonsense"],
        ["journal", "verify"],
        ["journal", "verify", "/nonexistent/place"],
        ["journal", "export", "/nonexistent/place"],
        ["demo", "cut", "--dir", "/nonexistent/place"],
        ["demo", "mend", "--dir", "/nonexistent/place"],
        ["demo", "stop"],
        ["demo", "stop", "nonsense"],
        ["demo", "start", "register", "0"],
        ["demo", "--registers", "0"],
        ["demo", "--register-port", "x"],
    ],
    ids=" ".join,
)
def test_nothing_to_work_on(arguments: list[str]) -> None:
    refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (without("--account"), "account"),
        (without("--admin-password"), "admin-password"),
        (replaced("--currency", "EURO"), "EURO"),
        (replaced("--timezone", "Europe/Nowhere"), "Europe/Nowhere"),
        (replaced("--admin-email", "nobody"), "nobody"),
        (replaced("--admin-password", ""), "password"),
        (replaced("--account", " "), "account"),
        ([*INIT, "--tax", "-3"], "percentage"),
    ],
)
def test_init(tmp_path: Path, arguments: list[str], says: str) -> None:
    line = refused("backoffice", "init", "--dir", str(tmp_path / "new"), *arguments)
    assert says.lower() in line.lower()


def test_init_on_a_database_that_is_not_there() -> None:
    refused("backoffice", "init", "--database-url", "mysql://x/y", *INIT)
    refused("backoffice", "init", "--database-url", "postgresql://x@127.0.0.1:1/y", *INIT)


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused("backoffice", "init", "--dir", str(tmp_path / "file"), *INIT)
    refused("backoffice", "init", "--dir", str(tmp_path / "file" / "below"), *INIT)


def test_init_after_a_failed_one_and_again(tmp_path: Path) -> None:
    refused("backoffice", "init", "--dir", str(tmp_path), *replaced("--currency", "EURO"))
    first = output("backoffice", "init", "--dir", str(tmp_path), *INIT)
    assert output("backoffice", "init", "--dir", str(tmp_path), *INIT) == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add-register", "--store", "S9", "--name", "R1"], "S9"),
        (["add-register", "--store", "S1", "--name", "R 1!"], "register"),
        (["add-register", "--store", "S1", "--name", "R1", "--account", "Nobody"], "Nobody"),
        (["add-tax", "--name", "X", "--rate", "-1"], "percentage"),
        (["import-products", "/nonexistent.csv"], "/nonexistent.csv"),
        (["token"], "--name"),
        (["token", "--name", ""], "name"),
    ],
)
def test_back_office_verbs(shop: Shop, arguments: list[str], says: str) -> None:
    line = refused("backoffice", arguments[0], *shop.place, *arguments[1:])
    assert says.lower() in line.lower()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--pin", "12"), ("--pin", "abcd"), ("--pin", ""), ("--role", "King"), ("--name", "")],
)
def test_add_employee(shop: Shop, option: str, value: str) -> None:
    words = {"--name": "N", "--last-name": "L", "--pin": "1111", "--role": "Manager"}
    words[option] = value
    refused("backoffice", "add-employee", *shop.place, *(w for pair in words.items() for w in pair))


def test_the_same_register_twice(shop: Shop) -> None:
    shop.command("add-register", "--store", "S1", "--name", "TWICE")
    words = ("add-register", *shop.place, "--store", "S1", "--name", "TWICE")
    assert "TWICE" in refused("backoffice", *words)


BAD_FILES = [
    ("", "columns"),
    ("sku,name\n1,A\n", "price"),
    ("sku,name,price\n1,A,1.00\n2,B,one\n", "3"),
    ("sku,name,price\n1,A,1.00\n1,B,2.00\n", "3"),
    ("sku,name,price\n1,A,1.00\n2,B,1.005\n", "3"),
    ("sku,name,price,tax\n1,A,1.00,0\n2,B,1.00,42\n", "42"),
    ("sku,name,price,stock\n1,A,1.00,5\n2,B,1.00,many\n", "3"),
]


@pytest.mark.parametrize(("text", "says"), BAD_FILES)
def test_import_products(shop: Shop, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    line = refused("backoffice", "import-products", *shop.place, str(path), "--publish")
    assert re.search(rf"\b{re.escape(says)}\b", line), line


def test_import_of_something_that_is_no_text(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"sku,name,price\n1,\xff\xfe\x00,1.00\n")
    refused("backoffice", "import-products", *shop.place, str(path))


def test_import_is_all_or_nothing(shop: Shop, serving: Server, tmp_path: Path) -> None:
    path = tmp_path / "half.csv"
    path.write_text("sku,name,price\nhalf-1,A,1.00\nhalf-2,B,one\n")
    refused("backoffice", "import-products", *shop.place, str(path), "--publish")
    assert shop.get("/products", sku="half-1").json()["results"] == []


def test_serving_on_a_port_that_is_taken(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused("backoffice", "serve", *shop.place, "--port", port)
        folder = str(shop.folder / "till")
        assert port in refused("register", "serve", "--data-dir", folder, "--port", port)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--backoffice", "http://127.0.0.1:1"),
        ("--backoffice", "ftp://127.0.0.1"),
        ("--backoffice", "nonsense"),
        ("--account", "NONE-0000"),
        ("--license-key", "wrong"),
        ("--license-key", ""),
    ],
)
def test_activate(shop: Shop, serving: Server, tmp_path: Path, option: str, value: str) -> None:
    words = {
        "--data-dir": str(tmp_path / "till"),
        "--backoffice": serving.url,
        "--account": shop.account,
        "--license-key": "none",
    }
    words[option] = value
    refused("register", "activate", *(word for pair in words.items() for word in pair))


@pytest.fixture
def serving(shop: Shop) -> Server:
    if not shop.backoffice.running:
        shop.backoffice.start()
    return shop.backoffice


def test_a_license_key_opens_one_device_only(shop: Shop, serving: Server, tmp_path: Path) -> None:
    register = shop.add_register("ONCE")
    second = ["--data-dir", str(tmp_path / "other"), *register.activation]
    line = refused("register", "activate", *second)
    assert "ONCE" in line or "another device" in line.lower()
