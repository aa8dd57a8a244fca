"""``stillopen demo``: run the demo shop, and order it about from a second terminal."""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import IO

import click

from stillopen.demo import setup, shop
from stillopen.demo.control import Order, end_leftovers, tell
from stillopen.demo.ports import HOST, require_free
from stillopen.demo.shop import Demo
from stillopen.demo.supervisor import Supervisor
from stillopen.domain.errors import DomainError

DEFAULT_DIR = Path("var/demo")
_PORT = click.IntRange(1, 65535)
_dir_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where the demo lives.  [default: ./{DEFAULT_DIR}]",
)
_what_argument = click.argument("what", type=click.Choice(["backoffice", "register"]))
_number_argument = click.argument("number", type=click.IntRange(1), required=False)


@click.group(invoke_without_command=True)
@_dir_option
@click.option(
    "--backoffice-port",
    type=_PORT,
    default=8700,
    show_default=True,
    help="Port of the Back Office.",
)
@click.option(
    "--register-port",
    type=_PORT,
    default=8600,
    show_default=True,
    help="Port of the first register; the next ones follow.",
)
@click.option(
    "--registers",
    type=click.IntRange(1, shop.MAX_REGISTERS),
    help="How many registers.  [default: as many as before; at first 1]",
)
@click.pass_context
def demo(
    ctx: click.Context,
    folder: Path | None,
    backoffice_port: int,
    register_port: int,
    registers: int | None,
) -> None:
    """A demo shop: a Back Office, its registers, and the line between them, which can be cut.

    Without a command it runs in this terminal until Ctrl-C; the commands are for a second one.
    """
    ctx.obj = folder
    if ctx.invoked_subcommand is None:
        run((folder or DEFAULT_DIR).resolve(), backoffice_port, register_port, registers)


def run(folder: Path, backoffice_port: int, register_port: int, registers: int | None) -> None:
    """Run the demo in ``folder`` (absolute) until Ctrl-C. Errors: ``demo_running``, ``port_taken``, …"""
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        end_leftovers(folder)
        known = shop.load(folder)
        count = registers or max(1, len(known.tills) if known else 1)
        ports = list(range(register_port, register_port + count))
        _check_ports(known, backoffice_port, ports)
        shop_now = setup.prepare(folder, [backoffice_port, *ports], click.echo)
        supervisor = Supervisor(folder, shop_now, backoffice_port, ports, click.echo)
        asyncio.run(supervisor.run(lambda: click.echo(_welcome(folder, backoffice_port, ports))))


def _lock(folder: Path) -> IO[bytes]:
    """Held as long as the file is open; the system lets go of it whatever becomes of us."""
    file = (folder / "demo.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise DomainError("demo_running", f"A demo is already running in {folder}.") from None
    return file


def _check_ports(known: Demo | None, backoffice_port: int, register_ports: list[int]) -> None:
    if backoffice_port in register_ports:
        raise DomainError("port_taken", "Back Office and registers need different ports.")
    if register_ports[-1] > 65535:
        raise DomainError(
            "port_taken", "There are not so many ports: choose a lower --register-port."
        )
    require_free(backoffice_port, "the Back Office", "choose another with --backoffice-port")
    for port in register_ports:
        require_free(port, "a register", "choose another with --register-port")
    if known is not None:  # the registers remember where the line is
        require_free(known.line_port, "the line of this demo", "make another with --dir")


def _welcome(folder: Path, backoffice_port: int, register_ports: list[int]) -> str:
    people = " · ".join(f"{e.name} {e.pin} ({e.role})" for e in shop.EMPLOYEES)
    where = "" if folder == DEFAULT_DIR.resolve() else f" --dir {_short(folder)}"
    tills = "\n".join(
        f"  Register R{number}   http://{HOST}:{port}"
        for number, port in enumerate(register_ports, 1)
    )
    lines = [
        ("cut", "cut the line between register and Back Office"),
        ("mend", "and put it back"),
        ("stop register --kill", "pull the plug of the till, even in the middle of a sale"),
        ("start register", "and switch it on again"),
        ("stop backoffice", "the same for the Back Office; then: start backoffice"),
    ]
    width = max(len(command) for command, _ in lines)
    plug = "\n".join(f"  stillopen demo{where} {c:<{width}}  {words}" for c, words in lines)
    return f"""
The demo shop is open.

{tills}
                sign in as {people}
  Back Office   http://{HOST}:{backoffice_port}
                sign in as {shop.ADMIN_EMAIL} with the password {shop.ADMIN_PASSWORD}

To pull the plug, in a second terminal here, after: source .venv/bin/activate

{plug}

Ctrl-C stops everything; its data stays in {_short(folder)}, and the next run goes on with it.
"""


def _short(folder: Path) -> str:
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative


def _order(ctx: click.Context, folder: Path | None, order: Order) -> None:
    place = folder or ctx.obj or DEFAULT_DIR
    click.echo(tell(place.resolve(), order))


@demo.command()
@_dir_option
@click.pass_context
def cut(ctx: click.Context, folder: Path | None) -> None:
    """Cut the line: nothing gets through any more, and nobody is told."""
    _order(ctx, folder, Order(do="cut"))


@demo.command()
@_dir_option
@click.pass_context
def mend(ctx: click.Context, folder: Path | None) -> None:
    """Put the line back."""
    _order(ctx, folder, Order(do="mend"))


@demo.command()
@_dir_option
@click.pass_context
def status(ctx: click.Context, folder: Path | None) -> None:
    """What is running, and whether the line is cut."""
    _order(ctx, folder, Order(do="status"))


@demo.command()
@_what_argument
@_number_argument
@_dir_option
@click.option("--kill", is_flag=True, help="At once, as if the power had gone.")
@click.pass_context
def stop(
    ctx: click.Context, what: str, number: int | None, folder: Path | None, kill: bool
) -> None:
    """Stop the Back Office, or register NUMBER (without a number: all registers)."""
    _order(ctx, folder, Order(do="stop", what=what, number=number or 0, kill=kill))


@demo.command()
@_what_argument
@_number_argument
@_dir_option
@click.pass_context
def start(ctx: click.Context, what: str, number: int | None, folder: Path | None) -> None:
    """Start the Back Office, or register NUMBER (without a number: all registers), again."""
    _order(ctx, folder, Order(do="start", what=what, number=number or 0))
