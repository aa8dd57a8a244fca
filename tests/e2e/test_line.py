"""The line that tests and the demo cut: what is on either end must notice nothing but silence."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from stillopen.demo.line import LineThread

QUIET = 0.3  # seconds that count as "nothing arrives"


class Echo:
    """A server that sends back what it gets and counts what it saw."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.received: list[bytes] = []
        self.ended = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.listener.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with closing(connection), suppress(ConnectionResetError):
            while data := connection.recv(1000):
                self.received.append(data)
                connection.sendall(data)
            self.ended += 1


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def line(echo: Echo) -> Iterator[LineThread]:
    wire = LineThread(echo.address)
    yield wire
    wire.close()


def connect(line: LineThread) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", line.port), timeout=5)
    connection.settimeout(5)
    return connection


def ask(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return connection.recv(1000)


def is_silent(connection: socket.socket) -> bool:
    """Neither bytes nor an end nor a reset within :data:`QUIET`."""
    connection.settimeout(QUIET)
    try:
        connection.recv(1000)
    except TimeoutError:
        return True
    return False


def test_forwards_both_ways_and_the_end(line: LineThread, echo: Echo) -> None:
    with connect(line) as connection:
        assert ask(connection, b"one") == b"one"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    assert echo.ended == 1


def test_a_cut_line_is_silent_for_old_and_new_connections(line: LineThread, echo: Echo) -> None:
    with connect(line) as old:
        assert ask(old, b"before") == b"before"
        line.cut()
        old.sendall(b"lost")
        with connect(line) as new:
            new.sendall(b"lost too")
            assert is_silent(new)
        assert is_silent(old)
    assert echo.received == [b"before"]
    assert echo.ended == 0


def test_after_mending_new_connections_work_and_old_ones_stay_dead(
    line: LineThread, echo: Echo
) -> None:
    with connect(line) as old:
        assert ask(old, b"before") == b"before"
        line.cut()
        line.mend()
        old.sendall(b"lost")
        assert is_silent(old)
        with connect(line) as new:
            assert ask(new, b"after") == b"after"
    assert echo.received == [b"before", b"after"]


def test_an_end_that_dies_during_the_cut_is_not_noticed_by_the_other(
    line: LineThread, echo: Echo
) -> None:
    old = connect(line)
    assert ask(old, b"before") == b"before"
    line.cut()
    old.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    old.close()
    with connect(line) as probe:
        assert is_silent(probe)  # time enough for the news to travel, if it did
    assert echo.ended == 0


def test_refusing_resets_what_is_open_and_mending_listens_on_the_same_port(
    line: LineThread,
) -> None:
    port = line.port
    with connect(line) as old:
        assert ask(old, b"before") == b"before"
        line.refuse()
        with pytest.raises(ConnectionResetError):
            old.recv(1000)
    with pytest.raises(ConnectionRefusedError):
        connect(line)
    line.mend()
    assert line.port == port
    with connect(line) as new:
        assert ask(new, b"after") == b"after"
