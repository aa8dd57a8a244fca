"""All addresses of the Back Office: pages at the root, the APIs, and the administration."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from stillopen.backoffice.web.signin import sign_out

urlpatterns: list[URLPattern | URLResolver] = [
    # People sign in and out on one page, wherever they come from.
    path("admin/login/", RedirectView.as_view(url="/login", query_string=True)),
    path("admin/logout/", sign_out),
    path("admin/", admin.site.urls),
    path("", include("stillopen.backoffice.rest_api.urls")),
    path("", include("stillopen.backoffice.web.urls")),
]
