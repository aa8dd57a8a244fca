"""The business day: a store's day ends at its cut-off, not at midnight."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stillopen.domain.errors import DomainError


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone ``name``; ``DomainError bad_timezone`` if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DomainError("bad_timezone", f"There is no time zone “{name}”.") from None


def local_time(moment: datetime, timezone: str) -> datetime:
    """``moment`` (aware) as the wall clock of the store shows it, without zone."""
    return moment.astimezone(zone(timezone)).replace(tzinfo=None)


def business_day(moment: datetime, timezone: str, cutoff: time) -> date:
    """The day that ``moment`` (aware) belongs to; the wall clock before ``cutoff`` is still yesterday."""
    local = moment.astimezone(zone(timezone))
    return local.date() - timedelta(days=1) if local.time() < cutoff else local.date()
