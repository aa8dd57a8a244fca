"""Prometheus metrics of one account, read from the database when they are asked for."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.reports.health import entries_by_status, open_exceptions
from stillopen.backoffice.reports.registers import LiveRegister, State, live_registers
from stillopen.backoffice.reports.scope import Scope

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(scope: Scope, now: datetime) -> bytes:
    """The account's metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_AccountCollector(scope, now))
    return generate_latest(registry)


class _AccountCollector(Collector):
    def __init__(self, scope: Scope, now: datetime) -> None:
        self._scope, self._now = scope, now

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        tills = live_registers(self._scope, self._now)
        yield _by_state(tills)
        yield from _per_register(tills, self._now)
        yield from _of_account(self._scope)


def _by_state(tills: Sequence[LiveRegister]) -> Metric:
    gauge = GaugeMetricFamily("stillopen_registers", "Registers by live state.", labels=["state"])
    for state in State:
        gauge.add_metric([state.value], sum(x.state is state for x in tills))
    return gauge


def _per_register(tills: Sequence[LiveRegister], now: datetime) -> Iterator[Metric]:
    labels = ["store", "register"]
    unsent = GaugeMetricFamily(
        "stillopen_register_unsent",
        "Entries not sent yet, as the register last said.",
        labels=labels,
    )
    value = GaugeMetricFamily(
        "stillopen_register_unsent_value_minor_units",
        "Value of the sales not sent yet, as the register last said, in minor units.",
        labels=labels,
    )
    missing = GaugeMetricFamily(
        "stillopen_register_not_received",
        "Entries that a register has and the server has not.",
        labels=labels,
    )
    behind = GaugeMetricFamily(
        "stillopen_register_records_behind",
        "Published records that a register has not pulled.",
        labels=labels,
    )
    age = GaugeMetricFamily(
        "stillopen_register_last_seen_seconds",
        "Seconds since a register was last heard of.",
        labels=labels,
    )
    for x in tills:
        names = [x.register.store.code, x.register.name]
        unsent.add_metric(names, x.unsent_count)
        value.add_metric(names, x.unsent_value)
        missing.add_metric(names, x.not_received)
        behind.add_metric(names, x.behind)
        if x.register.last_seen_at:
            age.add_metric(names, (now - x.register.last_seen_at).total_seconds())
    yield from (unsent, value, missing, behind, age)


def _of_account(scope: Scope) -> Iterator[Metric]:
    entries = GaugeMetricFamily(
        "stillopen_entries", "Journal entries held, by what became of them.", labels=["status"]
    )
    for status, counted in entries_by_status(scope).items():
        entries.add_metric([status], counted)
    receipts = CounterMetricFamily("stillopen_receipts", "Receipts held.")
    receipts.add_metric([], scope.of_stores(Receipt.objects.all()).count())
    exceptions = GaugeMetricFamily("stillopen_exceptions_open", "Exceptions to look at.")
    exceptions.add_metric([], open_exceptions(scope).count())
    yield from (entries, receipts, exceptions)
