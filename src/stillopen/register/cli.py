"""The commands ``stillopen register …`` and ``stillopen journal …``."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register import serve as server
from stillopen.register.onlyone import only_one, running
from stillopen.register.store.identity import Identity
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import SyncResult, Till
from stillopen.register.usecases.activate import activate as activate_till
from stillopen.register.usecases.deactivate import deactivate as deactivate_till
from stillopen.register.usecases.inspect_journal import export_lines, verify_journal
from stillopen.register.usecases.purge import KEEP_DAYS
from stillopen.register.usecases.recover import recover as recover_journal
from stillopen.register.usecases.status import status as status_of
from stillopen.register.usecases.status import status_json

FOLDER = click.Path(file_okay=False, path_type=Path)
data_dir_option = click.option(
    "--data-dir", type=FOLDER, required=True, help="Folder of this register: journal and catalogue."
)


@click.group()
def register() -> None:
    """The till: activate it, serve it, ask how it is."""


@register.command()
@data_dir_option
@click.option("--backoffice", required=True, help="Address of the Back Office, https://…")
@click.option("--account", required=True, help="Account ID.")
@click.option("--license-key", required=True, help="License Key of this register.")
@click.option("--insecure-http", is_flag=True, help="Allow http:// to another machine. Do not.")
def activate(
    data_dir: Path, backoffice: str, account: str, license_key: str, insecure_http: bool
) -> None:
    """Make this device a register of the account. Needs the line; safe to repeat."""
    asked = {
        "backoffice": backoffice,
        "account": account,
        "license_key": license_key,
        "insecure_http": insecure_http,
    }
    holder = running(data_dir)
    if holder is not None and holder.url:
        made = _ask_server(holder.url, asked)
        click.echo(f"Register {made['store']}-{made['register']} is activated.")
        return
    with only_one(data_dir):
        asyncio.run(_activate(data_dir, asked))


def _ask_server(url: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The folder is being served: its own process does it."""
    answer = httpx.post(url + "/api/v1/activate", json=asked, timeout=60, trust_env=False)
    content: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK:
        raise DomainError(content["code"], content["message"], **content["details"])
    return content


async def _activate(data_dir: Path, asked: dict[str, Any]) -> None:
    till = Till.open(data_dir)
    try:
        identity = await activate_till(till, **asked)
        click.echo(f"{_name(identity)} is activated for {identity.account_name}.")
        await _first_sync(till)
    finally:
        till.close()


@register.command()
@data_dir_option
def deactivate(data_dir: Path) -> None:
    """Give this device's register back. Needs the line, a closed register, and everything sent."""
    holder = running(data_dir)
    if holder is not None and holder.url:
        raise DomainError(
            "in_use", "This folder is in use by a running register: deactivate it in its Settings."
        )
    Till.open_to_read(data_dir).close()  # a mistyped folder is refused, not made
    with only_one(data_dir):
        asyncio.run(_deactivate(data_dir))


async def _deactivate(data_dir: Path) -> None:
    till = Till.open(data_dir)
    try:
        syncer = Syncer(till)

        async def once(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
            return await syncer.sync_once()

        till.sync_now = once
        identity = await deactivate_till(till, None)
        click.echo(f"{_name(identity)} is deactivated. Its journal stays in {data_dir}.")
    finally:
        till.close()


def _name(identity: Identity) -> str:
    return f"Register {identity.store_code}-{identity.register_name}"


async def _first_sync(till: Till) -> None:
    """The activation stands also when the line breaks just now."""
    try:
        result = await Syncer(till).sync_once()
    except DomainError as error:
        click.echo(f"The first synchronization follows when it is served: {error.message}")
        return
    products = till.catalogue.count("product")
    click.echo(f"Fetched {result.received} records, {products} products.")


@register.command()
@data_dir_option
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8600, show_default=True, help="Port."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-host", multiple=True, help="A host name that the till may be called by.")
@click.option(
    "--mirror",
    metavar="DIR",
    envvar="STILLOPEN_MIRROR",
    help="A second folder (stick, share) for each entry; it is remembered. “off” ends it.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(1, 36_500),
    default=KEEP_DAYS,
    show_default=True,
    envvar="STILLOPEN_KEEP_DAYS",
    help="How long entries stay here that are in every backup of the Back Office.",
)
def serve(
    data_dir: Path,
    port: int,
    host: str,
    allow_host: tuple[str, ...],
    mirror: str | None,
    keep_days: int,
) -> None:
    """Serve the screens and the local API until SIGTERM, also with no network at all."""
    server.serve(data_dir, host, port, allow_host, click.echo, mirror, keep_days)


@register.command()
@click.option(
    "--mirror", type=FOLDER, required=True, help="The mirror of the till whose disk died."
)
@click.option("--data-dir", type=FOLDER, required=True, help="A new folder for the till.")
def recover(mirror: Path, data_dir: Path) -> None:
    """Make the journal of a till again from its mirror, after its disk died.

    Then activate it as the same register, with a new License Key: what was not sent is sent.
    """
    done = recover_journal(mirror, data_dir)
    click.echo(f"Recovered {done.entries} entries, {done.sales} sales among them.")
    click.echo("Now revoke the old device in the Back Office, make a new License Key for the same")
    click.echo(f"register, and: stillopen register activate --data-dir {data_dir} …")


@register.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, like GET /api/v1/status.")
def status(data_dir: Path, as_json: bool) -> None:
    """How the register is; while it is being served and while it is not."""
    content = _served_status(data_dir) or _stored_status(data_dir)
    if as_json:
        click.echo(json.dumps(content, indent=2))
        return
    click.echo(content["sentence"])
    for name, value in _rows(content):
        click.echo(f"{name:<16}{value}")


def _served_status(data_dir: Path) -> dict[str, Any] | None:
    holder = running(data_dir)
    if holder is None or not holder.url:
        return None
    with suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(holder.url + "/api/v1/status", timeout=5, trust_env=False)
        content: dict[str, Any] = answer.json()
        return content if answer.status_code == httpx.codes.OK else None
    return None


def _stored_status(data_dir: Path) -> dict[str, Any]:
    till = Till.open_to_read(data_dir)
    try:
        content = status_json(status_of(till))
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(content))
        return found
    finally:
        till.close()


def _rows(content: dict[str, Any]) -> list[tuple[str, object]]:
    unsent, journal = content["unsent"], content["journal"]
    return [
        ("State", f"{content['word']} ({content['indicator']})"),
        ("Account", content["account"] or "–"),
        ("Register", f"{content['store']}-{content['register']}" if content["register"] else "–"),
        ("Unsent", f"{unsent['count']} records, oldest {unsent['oldest_at'] or '–'}"),
        ("Quarantined", content["quarantined"]),
        ("Journal", f"entry {journal['seq']}, acknowledged to {content['acked']['seq']}"),
        ("Products", content["catalogue"]["products"]),
        ("Last exchange", content["last_exchange_at"] or "never"),
        ("Version", content["version"]),
    ]


@click.group()
def journal() -> None:
    """The journal of a register: check it, export it."""


@journal.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
def verify(folder: Path) -> None:
    """Check the hash chain of every entry in DIR; exit 1 and say where it is broken."""
    verdict = verify_journal(folder)
    for epoch, fault in verdict.faults:
        click.echo(f"entry {fault.seq} of epoch {epoch[:8]}: {fault.code}", err=True)
    if verdict.faults:
        raise DomainError("broken_chain", f"{len(verdict.faults)} of {verdict.entries} are broken.")
    click.echo(f"{verdict.entries} entries, the chain is intact. Head: {verdict.head}")


@journal.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
def export(folder: Path) -> None:
    """Write every entry in DIR as one line of JSON, its exact bytes inside as ``body``."""
    stream = sys.stdout.buffer
    for line in export_lines(folder):
        stream.write(line + b"\n")
    stream.flush()
