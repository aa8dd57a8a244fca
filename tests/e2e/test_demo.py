"""``stillopen demo`` as a person uses it: two terminals, a line to cut, a plug to pull."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.postgres import free_port
from tests.support.process import STILLOPEN, output, run, wait_for

pytestmark = pytest.mark.serial


class DemoRun:
    """The first terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backoffice_port, self.register_port = free_port(), free_port()
        self.printed = folder.parent / "printed.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ports = ["--backoffice-port", str(self.backoffice_port)]
        ports += ["--register-port", str(self.register_port)]
        with self.printed.open("wb") as out:
            self._process = subprocess.Popen(
                [STILLOPEN, "demo", "--dir", str(self.folder), *ports],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={"PYTHONUNBUFFERED": "1"},
            )
        wait_for(self._is_open, 90, "the demo shop is open")

    def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.printed.read_text()
        return "The demo shop is open." in self.printed.read_text()

    def end(self, number: int = signal.SIGINT) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(40)

    def order(self, *words: str) -> str:
        """In the second terminal."""
        return output("demo", *words, "--dir", str(self.folder))

    def status(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.register_port}/api/v1/status"
        status: dict[str, Any] = httpx.get(url, timeout=5).json()
        return status


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    demo = DemoRun(tmp_path_factory.mktemp("demo") / "var")
    demo.start()
    yield demo
    if demo._process is not None and demo._process.poll() is None:
        demo.end()


def test_the_first_run_prints_what_one_needs_and_has_a_whole_shop(demo: DemoRun) -> None:
    printed = demo.printed.read_text()
    ports = (str(demo.backoffice_port), str(demo.register_port))
    for words in (*ports, "1111", "owner@demo.example", f"demo --dir {demo.folder} cut"):
        assert words in printed
    wait_for(lambda: demo.status()["state"] == "synced", 10, "the register is synced")
    assert demo.status()["catalogue"]["products"] == 200


def test_the_line_is_cut_and_mended_from_the_second_terminal(demo: DemoRun) -> None:
    assert "cut" in demo.order("cut")
    assert "The line: cut" in demo.order("status")
    wait_for(
        lambda: demo.status()["indicator"] == "red", 6, "the register shows that it is offline"
    )
    demo.order("mend")
    wait_for(lambda: demo.status()["state"] == "synced", 4, "the register is synced again")


def test_the_back_office_and_the_register_are_stopped_and_started(demo: DemoRun) -> None:
    demo.order("stop", "backoffice")
    wait_for(
        lambda: demo.status()["indicator"] == "red", 6, "the register shows that it is offline"
    )
    assert "The Back Office: stopped" in demo.order("status")
    demo.order("stop", "register", "--kill")
    with pytest.raises(httpx.HTTPError):
        demo.status()
    demo.order("start", "register")
    assert demo.status()["indicator"] in ("red", "yellow")
    demo.order("start", "backoffice")
    wait_for(lambda: demo.status()["state"] == "synced", 10, "the register is synced again")
    words = ("demo", "stop", "register", "7", "--dir", str(demo.folder))
    assert "no_such_register" in run(*words).stderr


def test_a_second_demo_in_the_same_folder_or_on_the_same_port_is_refused(
    demo: DemoRun, tmp_path: Path
) -> None:
    again = run("demo", "--dir", str(demo.folder))
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "demo_running" in again.stderr
    port = str(demo.backoffice_port)
    other = run("demo", "--dir", str(tmp_path / "other"), "--backoffice-port", port)
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
    assert port in other.stderr


def test_ctrl_c_stops_everything_and_the_next_run_goes_on_within_five_seconds(
    demo: DemoRun,
) -> None:
    before = demo.status()["journal"]
    assert demo.end() == 0
    for port in (demo.backoffice_port, demo.register_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    started = time.monotonic()
    demo.start()
    assert time.monotonic() - started < 5
    assert demo.status()["journal"] == before


def test_a_demo_that_was_killed_leaves_nothing_in_the_way(demo: DemoRun) -> None:
    demo.end(signal.SIGKILL)
    refused = run("demo", "cut", "--dir", str(demo.folder))
    assert "demo_not_running" in refused.stderr
    demo.start()
    wait_for(lambda: demo.status()["state"] == "synced", 10, "the register is synced again")
