"""The local API, ``/api/v1``: what kiosks, scripts and integrators use.

A sale is answered only after the journal is on the disk. Use cases are quick and run in place; what is
slow on purpose (argon2) runs in a thread.
"""

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from stillopen.domain.errors import DomainError
from stillopen.domain.quantity import format_quantity
from stillopen.domain.receipt import Receipt, ReceiptLine
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.activate import activate
from stillopen.register.usecases.change_cart import check_text
from stillopen.register.usecases.clear_cache import clear_cache
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.deactivate import deactivate
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.pay import Paid
from stillopen.register.usecases.receipts import StoredReceipt, find_receipt
from stillopen.register.usecases.search_products import ProductView, search_products
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.register.usecases.sign_in import sign_in, sign_out
from stillopen.register.usecases.status import status, status_json
from stillopen.register.usecases.x_report import x_report
from stillopen.register.web.api_frame import (
    Json,
    body_of,
    on_domain_error,
    on_http_error,
    on_mistake,
    require_session,
    till_of,
)

PAGE = 50
MAX_PAGE = 500


class SignInBody(msgspec.Struct):
    employee: str
    pin: str


class OpenBody(msgspec.Struct):
    float: int


class CloseBody(msgspec.Struct):
    counted: int
    denominations: dict[str, int] = {}


class TenderBody(msgspec.Struct):
    type: TenderType
    amount: int
    reference: str | None = None


class SaleBody(msgspec.Struct):
    id: str
    lines: list[SaleLine]
    tenders: list[TenderBody] = []
    customer: str | None = None
    note: str | None = None


class ActivateBody(msgspec.Struct):
    backoffice: str
    account: str
    license_key: str
    insecure_http: bool = False


# -- who ------------------------------------------------------------------------------------


async def post_session(request: Request) -> Json:
    body = await body_of(request, SignInBody)
    session = await to_thread.run_sync(sign_in, till_of(request), body.employee, body.pin)
    return Json({"token": session.token, **_person(session)})


async def get_session(request: Request) -> Json:
    return Json(_person(require_session(request)))


async def delete_session(request: Request) -> Json:
    sign_out(till_of(request), require_session(request))
    return Json({})


def _person(session: Session) -> dict[str, object]:
    return {
        "employee": session.code,
        "name": session.name,
        "role": session.role,
        "permissions": sorted(session.permissions),
    }


# -- the state of the till ------------------------------------------------------------------


async def get_status(request: Request) -> Json:
    return Json(status_json(status(till_of(request))))


async def post_sync(request: Request) -> Json:
    """No session needed: Sync stands on the login screen too, and tells nothing but two counts."""
    result = await till_of(request).sync_now()
    return Json(
        {"message": "Synced successfully", "sent": result.sent, "received": result.received}
    )


async def post_clear_cache(request: Request) -> Json:
    received = await clear_cache(till_of(request), require_session(request))
    return Json({"message": "The catalogue was fetched anew", "received": received})


async def post_activate(request: Request) -> Json:
    body = await body_of(request, ActivateBody)
    identity = await activate(
        till_of(request), body.backoffice, body.account, body.license_key, body.insecure_http
    )
    return Json(
        {
            "account": identity.account,
            "store": identity.store_code,
            "register": identity.register_name,
        }
    )


async def post_deactivate(request: Request) -> Json:
    identity = await deactivate(till_of(request), require_session(request))
    return Json({"store": identity.store_code, "register": identity.register_name})


# -- the shift ------------------------------------------------------------------------------


async def post_shift_open(request: Request) -> Json:
    session = require_session(request)
    body = await body_of(request, OpenBody)
    till = till_of(request)
    shift = open_register(till, session, body.float)
    return Json({"shift": shift, "float": body.float, "currency": till.rules.currency})


async def post_shift_close(request: Request) -> Json:
    session = require_session(request)
    body = await body_of(request, CloseBody)
    return Json(close_register(till_of(request), session, body.counted, body.denominations))


async def get_shift_report(request: Request) -> Json:
    return Json(x_report(till_of(request), require_session(request)))


# -- selling --------------------------------------------------------------------------------


async def post_sale(request: Request) -> Json:
    session = require_session(request)
    body = await body_of(request, SaleBody)
    paid = sell(
        till_of(request),
        session,
        body.id,
        body.lines,
        [_tender(t) for t in body.tenders],
        body.customer or "",
        body.note or "",
    )
    return Json(_sale(paid), 200 if paid.repeated else 201)


def _tender(body: TenderBody) -> Tender:
    return Tender(type=body.type, amount=body.amount, reference=check_text(body.reference or ""))


def _sale(paid: Paid) -> dict[str, object]:
    receipt = paid.receipt
    return {
        "id": paid.id,
        "receipt": receipt.number,
        "total": receipt.total,
        "net": receipt.net,
        "tax": receipt.tax,
        "taxes": receipt.taxes,
        "rounding": receipt.rounding,
        "change": receipt.change,
        "currency": receipt.rules.currency,
        "seq": paid.seq,
        "occurred_at": paid.occurred_at,
    }


async def get_receipt(request: Request) -> Json:
    require_session(request)
    return Json(_receipt(find_receipt(till_of(request), request.path_params["number"])))


def _receipt(stored: StoredReceipt) -> dict[str, object]:
    """Everything as it was made, lines flat."""
    receipt: Receipt = stored.receipt
    made = msgspec.structs.asdict(receipt)
    made.pop("number")
    return {
        "receipt": receipt.number,
        "currency": receipt.rules.currency,
        **made,
        "lines": [_line(line) for line in receipt.lines],
        "id": stored.id,
        "seq": stored.seq,
        "occurred_at": stored.occurred_at,
        "local_time": stored.local_time,
        "business_day": stored.business_day,
        "shift": stored.shift,
        "status": stored.status,
        "own": stored.own,
    }


def _line(line: ReceiptLine) -> dict[str, object]:
    item = line.item
    return {
        "sku": item.sku,
        "name": item.name,
        "barcode": item.barcode,
        "product": item.product,
        "quantity": format_quantity(item.quantity),
        "unit": item.unit,
        "unit_price": item.unit_price,
        "before": line.before,
        "discount": line.discount,
        "sale_discount": line.sale_discount,
        "net": line.net,
        "tax": line.tax,
        "gross": line.gross,
        "tax_name": item.tax_name,
        "tax_rate": item.tax_rate,
        "note": item.note,
    }


async def get_products(request: Request) -> Json:
    require_session(request)
    limit = _number(request, "limit", PAGE, MAX_PAGE)
    if limit == 0:  # its next page would begin where it began, for ever
        raise DomainError("bad_field", "“limit” is a whole number of one or more.")
    offset = _number(request, "cursor", 0, 10**6)
    text = request.query_params.get("q", "")
    found = search_products(till_of(request), text, limit + 1, offset)
    more = str(offset + limit) if len(found) > limit else None
    return Json({"results": [_product(view) for view in found[:limit]], "next": more})


def _product(view: ProductView) -> dict[str, object]:
    return {
        "id": view.id,
        "sku": view.sku,
        "name": view.name,
        "price": view.price,
        "currency": view.currency,
        "barcode": view.barcode,
        "barcodes": view.barcodes,
        "unit": view.unit,
        "category": view.category,
        "available": view.available,
        "stopped": view.stopped,
    }


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise DomainError("bad_field", f"“{name}” is a whole number of zero or more.")
    return min(int(text), most)


ROUTES = [
    Route("/session", post_session, methods=["POST"]),
    Route("/session", get_session, methods=["GET"]),
    Route("/session", delete_session, methods=["DELETE"]),
    Route("/status", get_status, methods=["GET"]),
    Route("/sync", post_sync, methods=["POST"]),
    Route("/clear-cache", post_clear_cache, methods=["POST"]),
    Route("/activate", post_activate, methods=["POST"]),
    Route("/deactivate", post_deactivate, methods=["POST"]),
    Route("/shift/open", post_shift_open, methods=["POST"]),
    Route("/shift/close", post_shift_close, methods=["POST"]),
    Route("/shift/report", get_shift_report, methods=["GET"]),
    Route("/sales", post_sale, methods=["POST"]),
    Route("/receipts/{number}", get_receipt, methods=["GET"]),
    Route("/products", get_products, methods=["GET"]),
]


def build_api(till: Till) -> Starlette:
    """The application to be mounted at ``/api/v1``."""
    api = Starlette(
        routes=ROUTES,
        exception_handlers={
            DomainError: on_domain_error,
            HTTPException: on_http_error,
            Exception: on_mistake,
        },
    )
    api.state.till = till
    return api
