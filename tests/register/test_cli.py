"""``stillopen register`` and ``stillopen journal`` as programs."""

import json
import socket
import subprocess
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest

from stillopen import cli
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.till import Till
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.sync.chain import GENESIS, seal
from tests.register.shop import make_till, signed_in
from tests.support.process import STILLOPEN, Server

Run = Callable[..., "Done"]


class Done(NamedTuple):
    """What one command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """The command as the entry point runs it, in this process (a new one takes most of a second)."""

    def do(*arguments: str) -> Done:
        capfd.readouterr()
        code = cli.run(list(arguments))
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    return do


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A register with two sales, not being served."""
    till = make_till(tmp_path / "R1")
    session = signed_in(till)
    for _ in range(2):
        tender = Tender(type=TenderType.CASH, amount=350)
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], [tender])
    till.close()
    return tmp_path / "R1"


@pytest.fixture
def served(folder: Path) -> Iterator[Server]:
    server = Server(
        ["register", "serve", "--data-dir", str(folder)],
        "/api/v1/status",
        folder.parent / "serve.log",
    )
    server.start()
    yield server
    server.close()


def one_line(done: Done) -> str:
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("Error: "), done.stderr
    return done.stderr


def test_verify_and_export(run: Run, folder: Path) -> None:
    done = run("journal", "verify", str(folder))
    assert done.returncode == 0 and done.stdout.startswith("4 entries, the chain is intact")
    lines = run("journal", "export", str(folder)).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4]
    previous = GENESIS
    for line in lines:
        entry = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        previous = seal(previous, bytes(entry["body"]))
        assert json.loads(line)["hash"] == previous.hex()


def test_verify_names_what_is_broken(run: Run, folder: Path) -> None:
    till = Till.open(folder)
    with till.journal.transaction() as db:
        db.execute("UPDATE entry SET body = CAST(x'ff' || body AS BLOB) WHERE seq = 3")
    till.close()
    done = run("journal", "verify", str(folder))
    assert done.returncode == 1
    assert "entry 3" in done.stderr and "bad_hash" in done.stderr
    lines = [json.loads(line) for line in run("journal", "export", str(folder)).stdout.splitlines()]
    assert "body" not in lines[2] and b64decode(lines[2]["body_base64"])[:2] == b"\xff{"
    assert [("body" in line) for line in lines] == [True, True, False, True]


def test_a_flipped_bit_within_a_text_leaves_the_export_json(run: Run, folder: Path) -> None:
    till = Till.open(folder)
    with till.journal.transaction() as db:
        row = db.query("SELECT body FROM entry WHERE seq = 3")[0]
        body = bytes(row[0]).replace(b"Flat", b"Fl\xe1t", 1)
        db.execute("UPDATE entry SET body = ? WHERE seq = 3", body)
    till.close()
    lines = [json.loads(line) for line in run("journal", "export", str(folder)).stdout.splitlines()]
    assert b64decode(lines[2]["body_base64"]) == body and lines[2]["damaged"]


@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_folder_without_a_journal(run: Run, tmp_path: Path, command: str) -> None:
    assert "no journal" in one_line(run("journal", command, str(tmp_path)))
    one_line(run("journal", command, str(tmp_path / "nowhere")))


def test_status_of_a_register_that_is_not_served(run: Run, folder: Path) -> None:
    done = run("register", "status", "--data-dir", str(folder))
    assert done.stdout.startswith("2 sales worth €7.00 are saved here and not sent yet\n")
    content = json.loads(run("register", "status", "--data-dir", str(folder), "--json").stdout)
    assert (content["state"], content["cause"]) == ("offline", "not_running")
    assert content["journal"]["seq"] == 4 and content["unsent"]["value"] == 700
    assert "no register" in one_line(run("register", "status", "--data-dir", str(folder.parent)))


def test_status_of_a_register_that_is_served(run: Run, folder: Path, served: Server) -> None:
    asked = json.loads(run("register", "status", "--data-dir", str(folder), "--json").stdout)
    answered = httpx.get(served.url + "/api/v1/status").json()
    assert set(asked) == set(answered)
    assert asked["journal"] == answered["journal"]
    assert asked["cause"] != "not_running"


def test_one_process_per_folder(run: Run, folder: Path, served: Server) -> None:
    second = run("register", "serve", "--data-dir", str(folder), "--port", "8997")
    assert f"in use by a running register at {served.url}" in one_line(second)
    other = run(
        "register", "serve", "--data-dir", str(folder.parent / "R2"), "--port", str(served.port)
    )
    assert f"Port {served.port}" in one_line(other)
    served.kill()
    served.start()  # a lock does not outlive its process


@pytest.mark.parametrize(
    "arguments",
    [
        ["register", "serve"],
        ["register", "serve", "--data-dir", "x", "--port", "0"],
        ["register", "serve", "--data-dir", "x", "--port", "till"],
        ["register", "serve", "--data-dir", __file__],
        ["register", "serve", "--data-dir", "x", "--host", "no such host"],
        ["register", "activate", "--data-dir", "x"],
        ["register", "activate", "--data-dir", "x", "--backoffice", "shop", "--account", "A",
         "--license-key", "K"],
        ["register", "activate", "--data-dir", "x", "--backoffice", "http://shop.example",
         "--account", "A", "--license-key", "K"],
        ["register", "activate", "--data-dir", "x", "--backoffice", "http://127.0.0.1:9",
         "--account", "A", "--license-key", "K"],
        ["register", "nothing"],
        ["journal", "verify"],
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    one_line(run(*arguments))


def test_it_ends_in_order_while_a_screen_listens(run: Run, folder: Path, served: Server) -> None:
    """An open event stream does not hold up the end of the program."""
    seen: list[str] = []
    ended = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", served.url + "/ui/events", timeout=30) as answer:
            for line in answer.iter_lines():
                seen.append(line)
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 5
    assert ended.wait(2)
    assert run("journal", "verify", str(folder)).returncode == 0


def test_it_listens_on_this_machine_only(served: Server) -> None:
    outside = [str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for address in {a for a in outside if not a.startswith("127.")}:
        with pytest.raises(OSError), socket.create_connection((address, served.port), timeout=1):
            pass


def test_it_serves_with_no_network_at_all(folder: Path, tmp_path: Path) -> None:
    """In a network namespace of its own, where not even an address but loopback exists."""
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs the right to make a network namespace")
    script = (
        f"ip link set lo up 2>/dev/null; {STILLOPEN} register serve --data-dir {folder} "
        f"--port 8600 & P=$!; for i in $(seq 100); do sleep 0.1; "
        f"{STILLOPEN} register status --data-dir {folder} --json > {tmp_path}/status && "
        f"grep -q not_running {tmp_path}/status || break; done; kill $P; wait $P"
    )
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, timeout=60, check=False
    )
    content = json.loads((tmp_path / "status").read_text())
    assert content["journal"]["seq"] == 4, done.stderr
    assert content["state"] in ("reconnecting", "offline") and content["cause"] != "not_running"
    assert done.returncode == 0


def test_a_folder_that_is_not_there_is_not_made_by_deactivating(run: Run, tmp_path: Path) -> None:
    done = run("register", "deactivate", "--data-dir", str(tmp_path / "typo"))
    assert done.returncode == 1 and "[no_register]" in done.stderr
    assert not (tmp_path / "typo").exists()
