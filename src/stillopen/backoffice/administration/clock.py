"""Times of the set-up pages, as the clock in the shop shows them."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from stillopen.backoffice.accounts.access import stores_for
from stillopen.backoffice.accounts.models import User


class StoreTime:
    """Below ``/admin/`` times are in the zone of the first store that the user sees."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self._get_response(request)
        with timezone.override(_zone(request)):
            return self._get_response(request)


def _zone(request: HttpRequest) -> ZoneInfo | None:
    user = request.user
    store = stores_for(user).first() if isinstance(user, User) and user.account else None
    return ZoneInfo(store.timezone) if store else None
