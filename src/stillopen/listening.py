"""The listening socket of both servers."""

import os
import socket

from stillopen.domain.errors import DomainError


def listen(host: str, port: int, backlog: int = 256) -> socket.socket:
    """A listening TCP socket; ``DomainError bad_host`` or ``port_in_use`` where there can be none.

    asyncio switches Nagle's algorithm off only for sockets that say that they speak TCP, which those of
    ``socket.create_server`` do not: an answer in two writes would then wait 40 ms for the first one's ack.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(backlog)
    except socket.gaierror:
        listening.close()
        raise DomainError("bad_host", f"This machine has no address “{host}”.") from None
    except OSError as error:
        listening.close()
        raise DomainError(
            "port_in_use", f"Port {port} on {host} cannot be used: {os.strerror(error.errno or 0)}."
        ) from None
    return listening
