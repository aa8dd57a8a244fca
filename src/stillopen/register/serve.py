"""Serving a till: one process per folder, a listening socket, an orderly end."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from stillopen.listening import listen
from stillopen.register.app import build_app
from stillopen.register.onlyone import only_one
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till

#: Seconds after which streams that are still open are cut when the program ends.
LAST_CALL = 2
#: Seconds after which a thread (a page of the feed being written) must let a screen have its turn.
FAIR_SHARE = 0.001


class Server(uvicorn.Server):
    """Tells the event streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, till: Till) -> None:
        super().__init__(config)
        self._till = till

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike the parent's, not raised again in the end: a till that was asked to stop exits with 0."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._till.notify("stop")


def serve(
    data_dir: Path, host: str, port: int, names: tuple[str, ...], say: Callable[[str], object]
) -> None:
    """Serve ``data_dir`` until SIGTERM or SIGINT; tells ``say`` where. ``in_use``, ``port_in_use``."""
    url = url_of(host, port)
    with only_one(data_dir, url), listen(host, port) as listener:
        sys.setswitchinterval(FAIR_SHARE)
        say(f"Register at {url}")
        till = Till.open(data_dir)
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
        Server(config, till).run(sockets=[listener])


def url_of(host: str, port: int) -> str:
    """How this machine itself reaches the till."""
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://[{near}]:{port}" if ":" in near and "[" not in near else f"http://{near}:{port}"
