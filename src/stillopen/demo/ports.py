"""Ports on the loopback: is one free, and which one may the line have?"""

import socket
from collections.abc import Collection

from stillopen.domain.errors import DomainError

HOST = "127.0.0.1"
#: Where the line between register and Back Office looks for a port: near the others, and not among
#: those that the system hands out to outgoing connections.
_LINE_PORTS = range(8701, 8800)


def is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def require_free(port: int, what: str, remedy: str) -> None:
    """``DomainError port_taken``; ``remedy`` is what else can be done about it."""
    if not is_free(port):
        raise DomainError(
            "port_taken",
            f"Port {port}, wanted for {what}, is taken by another program: end that one, or {remedy}.",
            port=port,
        )


def choose_for_line(avoid: Collection[int]) -> int:
    """A free port for the line; ``DomainError port_taken`` when there is none left."""
    for port in _LINE_PORTS:
        if port not in avoid and is_free(port):
            return port
    first, last = _LINE_PORTS[0], _LINE_PORTS[-1]
    raise DomainError("port_taken", f"No port from {first} to {last} is free for the demo's line.")
