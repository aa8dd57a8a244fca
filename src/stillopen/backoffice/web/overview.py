"""The first page: today by the hour, the tills, what needs attention, cash, and whether it is complete."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from stillopen.backoffice.accounts.access import require
from stillopen.backoffice.backups.report import open_items
from stillopen.backoffice.reports.exceptions import count_open
from stillopen.backoffice.reports.health import (
    CashView,
    Completeness,
    cash_view,
    completeness,
)
from stillopen.backoffice.reports.registers import LiveRegister, State, live_registers
from stillopen.backoffice.reports.takings import day_takings
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.charts import hour_chart
from stillopen.backoffice.web.frame import RESTORED, frame, show
from stillopen.backoffice.web.words import count, money, signed
from stillopen.domain.permission import Permission

_CASH_DAYS = timedelta(days=7)


@page()
def overview(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The first page; whoever may not see figures is led to the first place that the role includes."""
    others = [p for p in frame(request, viewer).places if p.address != "/"]
    if not viewer.may(Permission.BO_REPORTS) and others:
        return HttpResponseRedirect(others[0].address)
    require(viewer.user, Permission.BO_REPORTS)
    now = timezone.now()
    tills = live_registers(viewer.scope, now)
    takings = day_takings(viewer.scope, now)
    complete = completeness(viewer.scope, tills, now)
    cash = cash_view(viewer.scope, takings.day - _CASH_DAYS)
    return show(
        request,
        viewer,
        "overview",
        tills=tills,
        takings=takings,
        chart=hour_chart(takings.hours, viewer.currency),
        complete=complete,
        cash=cash,
        attention=_attention(viewer, tills, complete, cash),
    )


Line = tuple[str, str, str, str]  # colour, icon, words, address


def _attention(
    viewer: Viewer, tills: list[LiveRegister], complete: Completeness, cash: CashView
) -> list[Line]:
    """What a person should do something about, the most pressing first."""
    lines: list[Line] = []
    for till in complete.silent:
        lines.append(("red", "offline", _silent(till, viewer.currency), _address(till)))
    lines += [
        ("red", "lock", f"{x.register} is blocked by wrong PINs", _address(x))
        for x in tills
        if x.register.blocked and x.state is not State.REVOKED
    ]
    undone = open_items(viewer.account.id) if viewer.sight.whole else 0
    if undone and viewer.may(Permission.BO_REGISTERS):
        words = f"{undone} to confirm: the Back Office was restored"
        lines.append(("yellow", "safe", words, RESTORED))
    found = count_open(viewer.scope)
    for colour, icon, number, words in (
        ("red", "warn", found.critical, "critical"),
        ("red", "lock", found.held, "not booked"),
        ("yellow", "info", found.notice, "to look at"),
    ):
        if number:
            lines.append((colour, icon, f"{count(number, 'exception')} {words}", "/exceptions"))
    for shift in cash.off[:3]:
        register = viewer.scope.registers[shift.register_id]
        words = f"Cash difference {signed(shift.difference or 0, viewer.currency)} on {register}"
        lines.append(("yellow", "cash", words, f"/shifts/{shift.id}"))
    return lines


def _address(till: LiveRegister) -> str:
    return f"/registers/{till.register.id}"


def _silent(till: LiveRegister, currency: str) -> str:
    unsent = till.unsent_count
    if not unsent:
        return f"{till.register} is not heard of, with its shift open"
    value = money(till.unsent_value, currency)
    return f"{till.register} is not heard of, with {count(unsent, 'entry', 'entries')} ({value}) unsent"
