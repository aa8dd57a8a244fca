"""For the machine room: is it healthy, what are its figures."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router

import stillopen
from stillopen.backoffice.rest_api.auth import scope_of
from stillopen.backoffice.rest_api.errors import unavailable
from stillopen.backoffice.rest_api.metrics import CONTENT_TYPE, exposition
from stillopen.backoffice.rest_api.schemas import ErrorOut, HealthOut

router = Router(tags=["service"])


# Uptime checks often ask for the head alone.
@router.api_operation(
    ["HEAD"],
    "/healthz",
    auth=None,
    response={200: HealthOut, 503: ErrorOut},
    include_in_schema=False,
)
@router.get(
    "/healthz", auth=None, response={200: HealthOut, 503: ErrorOut}, summary="Does it answer?"
)
def healthz(request: HttpRequest) -> HealthOut | HttpResponse:
    """Needs no token. 503 ``database_unavailable`` when the database does not answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (DatabaseError, OSError):
        return unavailable(request)
    return HealthOut(status="ok", version=stillopen.__version__)


@router.get("/metrics", response={200: str}, summary="Prometheus metrics of the account")
def metrics(request: HttpRequest) -> HttpResponse:
    """Needs a token, like all that tells of the business: Prometheus sends it by ``authorization``."""
    return HttpResponse(exposition(scope_of(request), timezone.now()), content_type=CONTENT_TYPE)
