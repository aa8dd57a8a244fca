"""The command line of the Back Office, from outside."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from stillopen.backoffice.accounts.models import ServerSecret
from stillopen.cli import BUG, FAILED, explain, run
from tests.support.backoffice import Database

INIT = [
    *("--account", "Corner Shop", "--currency", "EUR", "--timezone", "Europe/Berlin"),
    *("--admin-email", "admin@example.com", "--admin-password", "correct horse"),
]


def stillopen(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stillopen", "backoffice", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def done(*arguments: str) -> list[str]:
    result = stillopen(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def failed(*arguments: str) -> str:
    """The one line on stderr with which a command refuses."""
    result = stillopen(*arguments)
    assert result.returncode not in (0, 70), result.stdout + result.stderr
    [line] = result.stderr.splitlines()
    return line


@pytest.fixture
def place(backoffice: Database) -> list[str]:
    """An opened account; the arguments that say where it is."""
    done("init", *backoffice.arguments, *INIT)
    return backoffice.arguments


def test_the_whole_setting_up(place: list[str], tmp_path: Path) -> None:
    again = done("init", *place, *INIT)
    assert re.fullmatch(r"Account ID: [2-9A-Z]{4}-[2-9A-Z]{4}", again[-1])
    assert done("init", *place, *INIT)[-1] == again[-1]  # safe to repeat
    assert done("init", *place)[-1] == again[-1]  # only brings the tables up to date
    file = tmp_path / "p.csv"
    file.write_text("sku,name,price,tax\nA,Apple,1.20,7\n")
    assert done("add-tax", *place, "--name", "VAT 7 %", "--rate", "7")[-1].startswith("Tax rate: ")
    assert "Published" in done("import-products", *place, str(file), "--publish")[-1]
    key = done("add-register", *place, "--store", "S1", "--name", "R1")[-1]
    assert re.fullmatch(r"License Key: (\w{5}-){3}\w{5}", key)
    person = ["--name", "Mia", "--last-name", "Kurz", "--pin", "1111", "--role", "Salesperson"]
    assert done("add-employee", *place, *person)[-1] == "Employee code: 101"
    assert re.fullmatch(r"Token: so_\S{40,}", done("token", *place, "--name", "t")[-1])
    assert done("add-store", *place, "--code", "S2", "--name", "Two")[-1] == "Store: S2"


BAD = [
    (["add-register", "--store", "S9", "--name", "R1"], "unknown_store"),
    (["add-register", "--store", "S1", "--name", "R 1"], "bad_code"),
    (["add-register", "--store", "S1"], "--name"),
    (["add-store", "--code", "S1", "--name", "One"], "taken"),
    (["add-store", "--code", "S2", "--name", "Two", "--timezone", "Mars/Base"], "bad_timezone"),
    (["add-tax", "--name", "x", "--rate", "many"], "not a percentage"),
    (["add-tax", "--name", "x", "--rate", "101"], "bad_tax"),
    (["add-tax", "--name", "x", "--rate", "nan"], "bad_tax"),
    (["token", "--name", " "], "bad_name"),
    (["import-products", "/nowhere.csv"], "does not exist"),
    (["serve", "--port", "70000"], "70000"),
]
PERSON = ["add-employee", "--name", "A", "--last-name", "B"]
BAD_PEOPLE = [
    ([*PERSON, "--pin", "12", "--role", "Manager"], "bad_pin"),
    ([*PERSON, "--pin", "abcd", "--role", "Manager"], "bad_pin"),
    ([*PERSON, "--pin", "١٢٣٤", "--role", "Manager"], "bad_pin"),
    ([*PERSON, "--pin", "1234", "--role", "Boss"], "unknown_role"),
    ([*PERSON, "--pin", "1234", "--role", "Manager", "--store", "S7"], "unknown_store"),
    ([*PERSON[:-2], "--last-name", " ", "--pin", "1234", "--role", "Manager"], "bad_value"),
]


class Here:
    """The command line in this process, which is at that Back Office already: fifty times faster."""

    def __init__(self, place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        self.place = place
        self.capsys = capsys

    def run(self, *arguments: str) -> tuple[int, list[str], list[str]]:
        self.capsys.readouterr()
        code = run(["backoffice", arguments[0], *self.place, *arguments[1:]])
        said = self.capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    def refused(self, *arguments: str) -> str:
        code, _, [line] = self.run(*arguments)
        assert code not in (0, BUG), line
        return line


@pytest.fixture
def here(
    sqlite_backoffice: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Here:
    for name in ("STILLOPEN_DIR", "STILLOPEN_DATABASE_URL", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "")  # so that they are put back afterwards
    return Here(sqlite_backoffice.arguments, capsys)


@pytest.mark.parametrize(("arguments", "words"), [*BAD, *BAD_PEOPLE])
def test_bad_input_is_one_clear_line(here: Here, arguments: list[str], words: str) -> None:
    assert here.run("init", *INIT)[0] == 0
    assert words in here.refused(*arguments)


BAD_INIT = [
    ("--currency", "EURO", "bad_currency"),
    ("--timezone", "Berlin", "bad_timezone"),
    ("--admin-email", "nobody", "bad_email"),
    ("--admin-password", "", "--admin-password"),
    ("--account", " ", "bad_name"),
    ("--tax", "120", "bad_tax"),
]


@pytest.mark.parametrize(("option", "value", "words"), BAD_INIT)
def test_a_bad_init_makes_no_account(here: Here, option: str, value: str, words: str) -> None:
    values = [*INIT, "--tax", "19"]
    values[values.index(option) + 1] = value
    assert words in here.refused("init", *values)
    assert "no_account" in here.refused("token", "--name", "t")


def test_the_currency_of_an_account_stays(here: Here) -> None:
    other = [*INIT]
    other[other.index("--currency") + 1] = "CHF"
    assert here.run("init", *INIT)[0] == 0
    assert "account_exists" in here.refused("init", *other)


def test_several_accounts_live_in_one_database(here: Here) -> None:
    assert here.run("init", *INIT)[0] == 0
    second = [*INIT[:1], "Second", *INIT[2:7], "second@example.com", *INIT[8:]]
    account_id = here.run("init", *second)[1][-1].removeprefix("Account ID: ")
    token = ["token", "--name", "t"]
    line = here.refused(*token)
    assert "account_needed" in line and "Corner Shop" in line and account_id in line
    assert here.run(*token, "--account", "Second")[0] == 0
    assert here.run(*token, "--account", account_id.lower())[0] == 0
    assert "unknown_account" in here.refused(*token, "--account", "Third")
    assert "email_taken" in here.refused("init", *INIT[:1], "Third", *INIT[2:])


def test_the_secret_is_kept_where_all_server_processes_find_it(backoffice: Database) -> None:
    done("init", *backoffice.arguments, *INIT)
    secrets = list(ServerSecret.objects.values_list("secret", flat=True))
    file = backoffice.folder / "secret.key"
    if backoffice.url:
        assert len(secrets) == 1 and not file.exists()
    else:
        assert secrets == [] and file.stat().st_mode & 0o777 == 0o600
    done("init", *backoffice.arguments, *INIT)
    assert list(ServerSecret.objects.values_list("secret", flat=True)) == secrets


def test_where_there_is_no_back_office(tmp_path: Path) -> None:
    token = ["token", "--name", "t"]
    assert "no_place" in failed(*token)
    assert "no_back_office" in failed(*token, "--dir", str(tmp_path / "nowhere"))
    assert "no_back_office" in failed(*token, "--dir", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert "bad_database_url" in failed(*token, "--database-url", "mysql://localhost/x")
    assert "bad_database_url" in failed(*token, "--database-url", "postgresql://h:port/x")
    gone = "postgresql://nobody@127.0.0.1:1/x"
    assert "database_unreachable" in failed(*token, "--database-url", gone)
    (tmp_path / "file").write_text("")
    assert failed("init", "--dir", str(tmp_path / "file"), *INIT)


def test_where_there_is_no_database(postgres_url: str) -> None:
    assert "no_back_office" in failed("token", "--name", "t", "--database-url", postgres_url)
    missing = postgres_url + "x"
    assert "database_missing" in failed("init", "--database-url", missing, *INIT)


def test_every_command_explains_itself(here: Here) -> None:
    for command in ("init", "import-products", "add-register", "add-employee", "token", "serve"):
        code, out, _ = here.run(command, "--help")
        assert code == 0 and "--database-url" in " ".join(out)


def test_a_full_disk_is_no_mistake_of_ours() -> None:
    wrapped = OperationalError("database or disk is full")
    wrapped.__cause__ = sqlite3.OperationalError("database or disk is full")
    assert explain(wrapped) == (FAILED, "The database cannot be used: database or disk is full.")
    assert explain(OperationalError("no such table"))[0] == BUG
