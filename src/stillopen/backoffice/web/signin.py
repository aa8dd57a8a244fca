"""Signing in with e-mail address and password, signing out, and choosing the store in view."""

from hashlib import sha256

from django.contrib import auth, messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from stillopen.backoffice.web.access import STORE, Viewer, back, page
from stillopen.backoffice.web.render import render

#: So many wrong passwords for one address from one place, then a pause.
MAX_TRIES = 8
PAUSE = 300  # seconds


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    target = _target(request)
    if request.method == "GET":
        if request.user.is_authenticated:
            return HttpResponseRedirect(target)
        return render(request, "login", email="", problem="", target=target)
    email = request.POST.get("email", "").strip().lower()
    tries = _tries_key(request, email)
    if cache.get(tries, 0) >= MAX_TRIES:
        return _again(
            request, email, "Too many wrong tries. Wait five minutes, then try again.", 429
        )
    user = auth.authenticate(request, username=email, password=request.POST.get("password", ""))
    if user is None:
        cache.add(tries, 0, PAUSE)
        cache.incr(tries)
        return _again(request, email, "E-mail address and password do not belong together.", 401)
    cache.delete(tries)
    auth.login(request, user)
    return HttpResponseRedirect(target)


def _again(request: HttpRequest, email: str, problem: str, status: int) -> HttpResponse:
    return render(
        request, "login", status=status, email=email, problem=problem, target=_target(request)
    )


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    return wanted if url_has_allowed_host_and_scheme(wanted, {request.get_host()}) else "/"


def _tries_key(request: HttpRequest, email: str) -> str:
    return f"sign-in:{request.META.get('REMOTE_ADDR', '')}:{sha256(email.encode()).hexdigest()}"


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    messages.success(request, "Signed out.")
    return HttpResponseRedirect("/login")


@require_POST
@page()
def choose_store(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The store in view; an empty choice is all of them."""
    chosen = request.POST.get("store", "")
    known = {str(s.id) for s in viewer.stores}
    request.session[STORE] = chosen if chosen in known else ""
    return back(request)
