"""All addresses of the Back Office: pages at the root, the APIs, and the administration."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("", include("stillopen.backoffice.rest_api.urls")),
    path("", include("stillopen.backoffice.web.urls")),
]
