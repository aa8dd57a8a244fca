"""Addresses of the REST API, and of the two calls that machines expect at the root."""

from django.urls import URLPattern, include, path, re_path

from stillopen.backoffice.rest_api.api import api
from stillopen.backoffice.rest_api.errors import not_found, plain_errors


def _with_plain_errors() -> list[URLPattern]:
    """The API's addresses, where every error has our shape, also those that Django makes itself."""
    patterns, _, _ = api.urls
    return [
        URLPattern(p.pattern, plain_errors(p.callback), p.default_args, p.name)
        for p in patterns
        if isinstance(p, URLPattern)
    ]


_patterns = _with_plain_errors()
_at_root = {p.name: p.callback for p in _patterns}

urlpatterns = [
    path("api/v1/", include((_patterns, "ninja"), namespace="rest")),
    path("healthz", _at_root["healthz"]),
    path("metrics", _at_root["metrics"]),
    re_path(r"^api(/.*)?$", plain_errors(not_found)),
]
