"""How things are said and written on the pages: money, times, counts, states. Display only."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_currency, format_currency, format_decimal
from django.utils import timezone

from stillopen.backoffice.reports.registers import State
from stillopen.domain.businessday import zone
from stillopen.domain.money import to_major

LOCALE = "en_GB"
_MINUS = "\u2212"
_JOINED = "\u2060"  # no line ends between a sign and its amount


def money(amount: int | None, currency: str) -> str:
    """Minor units as people read them: ``€1,234.50``; ``–`` for None."""
    if amount is None:
        return "–"
    text = format_currency(to_major(abs(amount), currency), currency, locale=LOCALE)
    return f"{_MINUS}{_JOINED}{text}" if amount < 0 else text


def round_money(amount: int, currency: str) -> str:
    """Whole major units for the scale of a chart: ``€500``, ``€20K``, ``€1.5M``."""
    whole = to_major(amount, currency)
    return format_compact_currency(whole, currency, locale=LOCALE, fraction_digits=1)


def seconds(value: float) -> str:
    """A clock's offset: ``+0.4 s``, ``−2 min``."""
    sign = _MINUS if value < 0 else "+"
    size = abs(value)
    if size < 0.05:
        return "0 s"
    return f"{sign}{size:.1f} s" if size < 90 else f"{sign}{round(size / 60):,} min"


def signed(amount: int, currency: str) -> str:
    """Money with its sign, for differences: ``+€1.50``, ``−€1.50``, ``€0.00``."""
    return f"+{_JOINED}{money(amount, currency)}" if amount > 0 else money(amount, currency)


def number(value: int | Decimal) -> str:
    return format_decimal(value, locale=LOCALE).replace("-", _MINUS)


def count(value: int, one: str, many: str = "") -> str:
    """``count(1, "sale")`` → ``1 sale``; ``count(1204, "sale")`` → ``1,204 sales``."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def clock(moment: datetime | None, tz: str) -> str:
    """The store's wall clock: ``14:02``."""
    return format_datetime(moment.astimezone(zone(tz)), "HH:mm", locale=LOCALE) if moment else "–"


def when(moment: datetime | None, tz: str) -> str:
    """``14:02`` today, ``2 Mar 14:02`` this year, else with the year."""
    if moment is None:
        return "–"
    local, now = moment.astimezone(zone(tz)), timezone.now().astimezone(zone(tz))
    if local.date() == now.date():
        return format_datetime(local, "HH:mm", locale=LOCALE)
    pattern = "d MMM HH:mm" if local.year == now.year else "d MMM y HH:mm"
    return format_datetime(local, pattern, locale=LOCALE)


def full(moment: datetime | None, tz: str) -> str:
    """Date, time to the second and zone, for details and for titles."""
    if moment is None:
        return "–"
    return format_datetime(moment.astimezone(zone(tz)), "d MMM y, HH:mm:ss z", locale=LOCALE)


def day(value: date | None) -> str:
    return format_date(value, "EEE d MMM y", locale=LOCALE) if value else "–"


def ago(moment: datetime | None) -> str:
    """``8 s ago``, ``3 min ago``, ``2 h ago``, ``4 days ago``; ``never`` for None."""
    if moment is None:
        return "never"
    age = max(timezone.now() - moment, timedelta())
    seconds = int(age.total_seconds())
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if age < timedelta(days=2):
        return f"{seconds // 3600} h ago"
    return f"{age.days} days ago"


class Sign(NamedTuple):
    """A state as it is shown: colour, icon and word, never one of them alone."""

    colour: str
    icon: str
    word: str


STATES: dict[State, Sign] = {
    State.CONNECTED: Sign("green", "check-circle", "Connected"),
    State.OFF: Sign("gray", "idle", "Off"),
    State.NOT_HEARD: Sign("red", "offline", "Not heard of"),
    State.NEVER_SYNCED: Sign("gray", "cloud", "Never synced"),
    State.NOT_ACTIVATED: Sign("gray", "lock", "Not activated"),
    State.REVOKED: Sign("gray", "lock", "Revoked"),
}

TENDERS = {"cash": "Cash", "external_card": "External card", "card": "Card"}
CASH_KINDS = {"pay_in": "Pay-in", "pay_out": "Pay-out", "drop": "Safe drop"}


def tender(kind: str) -> str:
    return TENDERS.get(kind, kind.replace("_", " ").capitalize())
