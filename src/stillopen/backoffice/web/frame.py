"""What stands around every page: navigation, top bar, the bar of unpublished changes."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from stillopen.backoffice.backups.report import open_items
from stillopen.backoffice.catalogue.drafts import pending_count
from stillopen.backoffice.reports.exceptions import Counts, count_open
from stillopen.backoffice.web.access import Viewer
from stillopen.backoffice.web.render import render
from stillopen.domain.permission import Permission


@dataclass(frozen=True)
class Place:
    """An entry of the navigation; ``badge`` counts what waits there, ``urgent`` is about part of it."""

    name: str
    address: str
    icon: str
    permission: Permission
    here: bool = False
    badge: int = 0
    urgent: str = ""


@dataclass(frozen=True)
class Frame:
    places: list[Place]
    pending: int
    may_publish: bool
    previewing: bool


PREVIEW = "/changes"
RESTORED = "/restored"  # shown while something waits there
_PLACES = (
    ("Overview", "/", "report", Permission.BO_REPORTS),
    ("Receipts", "/receipts", "receipt", Permission.BO_REPORTS),
    ("Shifts", "/shifts", "drawer", Permission.BO_REPORTS),
    ("Registers", "/registers", "store", Permission.BO_REPORTS),
    ("Exceptions", "/exceptions", "warn", Permission.BO_REPORTS),
    ("Restored", RESTORED, "safe", Permission.BO_REGISTERS),
    ("Products", "/products", "tag", Permission.BO_CATALOGUE),
    ("Stock", "/stock", "box", Permission.BO_REPORTS),
    ("Employees", "/employees", "user", Permission.BO_PEOPLE),
    ("Settings", "/admin/", "settings", Permission.BO_CATALOGUE),
)


def frame(request: HttpRequest, viewer: Viewer) -> Frame:
    exceptions = count_open(viewer.scope)
    undone = open_items(viewer.account.id) if viewer.sight.whole else 0
    return Frame(
        places=[
            Place(
                name=name,
                address=address,
                icon=icon,
                permission=permission,
                here=_is_here(request.path, address),
                badge={"/exceptions": exceptions.all, RESTORED: undone}.get(address, 0),
                urgent=_urgent(exceptions) if address == "/exceptions" else "",
            )
            for name, address, icon, permission in _PLACES
            if viewer.may(permission) and (address != RESTORED or undone)
        ],
        pending=pending_count(viewer.account),
        may_publish=viewer.may(Permission.BO_PUBLISH),
        previewing=request.path == PREVIEW,
    )


def _urgent(exceptions: Counts) -> str:
    if exceptions.critical:
        return f"{exceptions.critical} critical"
    return f"{exceptions.held} not booked" if exceptions.held else ""


def _is_here(path: str, address: str) -> bool:
    return path == address or (address != "/" and path.startswith(f"{address.rstrip('/')}/"))


def show(
    request: HttpRequest, viewer: Viewer, template: str, status: int = 200, **context: object
) -> HttpResponse:
    """A page inside its frame; ``viewer``, ``currency``, ``tz`` and ``now`` are there for every template."""
    return render(
        request,
        template,
        status=status,
        viewer=viewer,
        currency=viewer.currency,
        tz=viewer.timezone,
        now=timezone.now(),
        frame=frame(request, viewer),
        **context,
    )
