"""Counting statements, and where a register stands in the feed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.db import connection

from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.heads import scopes_of
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.feed.publish import RecordChange, publish
from stillopen.sync.feed import GENESIS_CHAIN, cursors_hash
from stillopen.sync.messages import Cursor
from tests.backoffice.ingest.till import Till


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are executed meanwhile, the end of transactions left out."""
    seen: list[str] = []

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, rest)

    with connection.execute_wrapper(count):
        yield seen


def publish_one(till: Till) -> None:
    change = RecordChange("account", "product", uuid4(), b"{}")
    publish(till.register.account_id, [change], "test")


def in_step(till: Till, store: str) -> bytes:
    """What a register in ``store`` says when it is at the heads."""
    scopes = scopes_of(store, str(till.register.id))
    rows = {h.scope: h for h in Head.objects.filter(account_id=till.register.account_id)}
    heads = [
        Cursor(s, rows[s].seq, bytes(rows[s].chain)) if s in rows else Cursor(s, 0, GENESIS_CHAIN)
        for s in scopes
    ]
    return cursors_hash(server_epoch(), heads)
