"""Every error leaves as ``{"code", "message", "details"}``, whoever raised it."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from stillopen.domain.errors import DomainError

log = logging.getLogger(__name__)
View = Callable[..., HttpResponseBase]

#: HTTP status of a DomainError's code; any other code is 422.
STATUS = {
    "bad_token": 401,
    "bad_cursor": 400,
    "not_found": 404,
    "sku_taken": 409,
    "barcode_taken": 409,
    "taken": 409,
    "not_retryable": 409,
    "settled": 409,
    "fix_not_possible": 409,
}


def answer(status: int, code: str, message: str, **details: object) -> JsonResponse:
    body = {"code": code, "message": message, "details": details}
    response = JsonResponse(body, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    return answer(STATUS.get(error.code, 422), error.code, error.message, **error.details)


def bad_token(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return answer(401, "bad_token", "This call needs a token: “Authorization: Bearer …”.")


def bad_request(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = {_field(e): str(e.get("msg", "")) for e in error.errors}
    first = next(iter(fields.items()), ("request", "not understood"))
    return answer(422, "bad_request", f"{first[0]}: {first[1]}.", fields=fields)


def _field(error: dict[str, Any]) -> str:
    """``("body", "new", "price")`` → ``price``: the place as the caller wrote it."""
    place = [str(p) for p in error.get("loc", ())]
    return ".".join(place[2:] or place[1:] or place) or "request"


def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return answer(error.status_code, "bad_request", f"{error.message.rstrip('.')}.")


def not_found(request: HttpRequest, error: object = None) -> HttpResponse:
    return answer(404, "not_found", "There is nothing at this address.", path=request.path)


def unavailable(request: HttpRequest, error: object = None) -> HttpResponse:
    return answer(503, "database_unavailable", "The database does not answer. Try again.")


def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(500, "internal_error", "This is our fault; the log of the Back Office says more.")


def handle_errors(api: NinjaAPI) -> None:
    api.exception_handler(DomainError)(domain_error)
    api.exception_handler(AuthenticationError)(bad_token)
    api.exception_handler(ValidationError)(bad_request)
    api.exception_handler(HttpError)(http_error)
    api.exception_handler(Http404)(not_found)
    api.exception_handler(OperationalError)(unavailable)
    api.exception_handler(InterfaceError)(unavailable)
    api.exception_handler(Exception)(unexpected)


def plain_errors(view: View) -> View:
    """Wrap a view: its 405 becomes one of ours, and NUL characters, which no text field can hold,
    are refused before any database sees them."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return answer(422, "bad_request", "The address has a character that is not possible.")
        try:
            response = view(request, *args, **kwargs)
        except Http404 as error:
            return not_found(request, error)
        if response.status_code != 405 or response.get("Content-Type") == "application/json":
            return response
        refusal = answer(405, "method_not_allowed", f"{request.method} is not possible here.")
        refusal["Allow"] = response["Allow"]
        return refusal

    wrapped.csrf_exempt = True  # type: ignore[attr-defined]
    return wrapped
