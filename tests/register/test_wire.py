"""What counts as a sign of life while a request goes out."""

import socket
import time

from stillopen.register.syncer.wire import Wire


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200_000)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    return near, far


def test_a_request_that_is_swallowed_is_no_sign_of_life_and_a_slow_upload_is() -> None:
    wire = Wire("http://127.0.0.1:9")
    near, far = connected()
    wire._sockets = {near}
    # Questions and answers, so that the system puts off its own acknowledgements.
    for _ in range(20):
        near.sendall(b"q" * 300)
        far.recv(1000)
        far.sendall(b"a" * 300)
        near.recv(1000)
    waited = 0
    for _ in range(5):
        wire.is_sending()
        near.sendall(b"q" * 300)
        waited += wire.is_sending()
        time.sleep(0.1)
        waited += wire.is_sending()
    assert waited == 0

    near.setblocking(False)
    sent = near.send(b"u" * 150_000)
    assert not wire.is_sending()
    moved = 0
    while sent > 1500:
        sent -= len(far.recv(20_000))
        time.sleep(0.05)
        moved += wire.is_sending()
    assert moved > 1
    near.close()
    far.close()
