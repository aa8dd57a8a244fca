"""Who is looking: sign-in, account, the stores in sight, and the permission that a page asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

from stillopen.backoffice.accounts.access import require, stores_for
from stillopen.backoffice.accounts.models import Account, Store, User
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.web.render import render
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

P = ParamSpec("P")
STORE = "store"  # key of the chosen store in the session
_STATUS = {"not_found": 404, "not_permitted": 403}


@dataclass(frozen=True)
class Viewer:
    """A signed-in user. ``stores`` are those in sight, ``store`` the chosen one of them (None: all);
    ``scope`` is what the pages show accordingly, ``sight`` everything the user may see."""

    user: User
    account: Account
    stores: tuple[Store, ...]
    store: Store | None
    scope: Scope
    sight: Scope

    @property
    def currency(self) -> str:
        return self.account.currency

    @property
    def timezone(self) -> str:
        """Of the store in view; with several stores, of the first."""
        stores = self.scope.stores
        return stores[0].timezone if stores else "UTC"

    def may(self, permission: Permission) -> bool:
        return self.user.allows(permission)


View = Callable[Concatenate[HttpRequest, Viewer, P], HttpResponse]


def page(permission: Permission | None = None) -> Callable[[View[P]], Callable[..., HttpResponse]]:
    """Make a view a page for signed-in users who have ``permission``.

    A DomainError of the view becomes an error page; of a change (POST), a toast on the page before.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            user = request.user
            if not isinstance(user, User) or not user.is_active:
                return _to_sign_in(request)
            try:
                viewer = viewer_of(request, user)
                if permission is not None:
                    require(user, permission)
                return view(request, viewer, *args, **kwargs)
            except DomainError as error:
                return _refused(request, error)

        return wrapped

    return decorate


def viewer_of(request: HttpRequest, user: User) -> Viewer:
    """``DomainError no_account_for_user`` when the user belongs to no account or sees no store."""
    account = user.account
    if account is None:
        raise DomainError("no_account_for_user", "Your user does not belong to an account yet.")
    stores = tuple(stores_for(user))
    if not stores:
        raise DomainError("no_account_for_user", "Your user does not see any store yet.")
    every = len(stores) == Store.objects.filter(account=account).count()
    sight = Scope(account, stores, whole=every)
    chosen = str(request.session.get(STORE, ""))
    store = next((s for s in stores if str(s.id) == chosen), None)
    scope = Scope(account, (store,), whole=False) if store else sight
    return Viewer(user, account, stores, store, scope, sight)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; htmx must be told to leave the page, or it would show it inside of it."""
    here = request.get_full_path() if request.method == "GET" else "/"
    target = f"/login?{urlencode({'next': here})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": "/login"})
    return HttpResponseRedirect(target)


def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    if request.method == "POST" and error.code != "no_account_for_user":
        messages.error(request, error.message)
        return back(request)
    status = _STATUS.get(error.code, 422)
    return render(request, "error", status=status, error=error)


def back(request: HttpRequest, otherwise: str = "/") -> HttpResponse:
    """To where a form was sent from (its ``back`` field, or the page that held it)."""
    wanted = request.POST.get("back") or request.headers.get("Referer") or otherwise
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()})
    target = wanted if safe else otherwise
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)
