"""Serving a till: one process per folder, a listening socket, an orderly end."""

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from stillopen.listening import listen
from stillopen.register.app import build_app
from stillopen.register.housekeeping import Housekeeper
from stillopen.register.mirror import Mirror, choose, chosen
from stillopen.register.onlyone import only_one
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till
from stillopen.register.usecases.purge import KEEP_DAYS

#: Seconds after which streams that are still open are cut when the program ends.
LAST_CALL = 2
#: Seconds after which a thread (a page of the feed being written) must let a screen have its turn. A sale asks for
#: the interpreter's lock again after each of its statements, so it waits some forty times as long.
FAIR_SHARE = 0.0001


class Server(uvicorn.Server):
    """Tells the event streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, till: Till, housekeeper: Housekeeper) -> None:
        super().__init__(config)
        self._till = till
        self._housekeeper = housekeeper

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Before the application closes the till."""
        self._housekeeper.end()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike the parent's, not raised again in the end: a till that was asked to stop exits with 0."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._till.notify("stop")


def serve(
    data_dir: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    say: Callable[[str], object],
    mirror: str | None = None,
    keep_days: int = KEEP_DAYS,
) -> None:
    """Serve ``data_dir`` until SIGTERM or SIGINT; tells ``say`` where.

    ``mirror``: the folder of the mirror, "off" for none, or None: as it was. ``keep_days``: entries
    that are safe elsewhere are kept so long. Errors: ``in_use``, ``port_in_use``, ``bad_mirror``.
    """
    url = url_of(host, port)
    with only_one(data_dir, url), listen(host, port) as listener:
        sys.setswitchinterval(FAIR_SHARE)
        say(f"Register at {url}")
        till = Till.open(data_dir)
        begin_mirror(till, mirror)
        app = build_app(till, Syncer(till), (*names, host))
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=LAST_CALL,
            server_header=False,
        )
        housekeeper = Housekeeper(till, keep_days)
        housekeeper.start()
        Server(config, till, housekeeper).run(sockets=[listener])


def begin_mirror(till: Till, folder: str | None) -> None:
    """Mirror from now on as ``folder`` says (see :func:`serve`), or as before. ``bad_mirror``."""
    if folder is not None:
        choose(till.journal, None if folder == "off" else Path(folder))
    choice = chosen(till.journal)
    if choice is not None:
        till.mirror = Mirror(till.journal, choice, till.data_dir, till.clock)
        till.mirror.tell = lambda: till.notify("link")
        till.mirror.start()


def url_of(host: str, port: int) -> str:
    """How this machine itself reaches the till."""
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://[{near}]:{port}" if ":" in near and "[" not in near else f"http://{near}:{port}"
