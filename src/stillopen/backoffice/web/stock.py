"""Stock levels per store, with a search."""

from django.http import HttpRequest, HttpResponse

from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.stock import BY_SKU, find_products, stock_table
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.permission import Permission

ROWS = 100


@page(Permission.BO_REPORTS)
def stock(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    q = typed(request, "q")
    found = read_page(find_products(viewer.account, q=q), BY_SKU, typed(request, "cursor"), ROWS)
    rows = stock_table(viewer.scope, found.rows)
    return show(request, viewer, "stock", rows=rows, q=q, next=found.next)
