"""The shift: open register, X report, close register with its count, and the Z."""

from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.domain.money import minor_digits, parse_major
from stillopen.domain.shift import ShiftReport
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.x_report import x_report
from stillopen.register.web.pages.frame import Signed, Ui, page
from stillopen.register.web.view_sale import fresh_of

#: Face values of a currency's notes and coins, in hundredths (or in whole units where it has none).
_FACES = {
    "EUR": (50000, 20000, 10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1),
    "GBP": (5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1),
    "USD": (10000, 5000, 2000, 1000, 500, 200, 100, 25, 10, 5, 1),
    "CHF": (100000, 20000, 10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5),
    "JPY": (10000, 5000, 1000, 500, 100, 50, 10, 5, 1),
}
_COMMON = (10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 1)


def faces_of(currency: str) -> tuple[int, ...]:
    """Face values in minor units, the largest first; a common series where the currency is not known."""
    if currency in _FACES:
        return _FACES[currency]
    digits = minor_digits(currency)
    if digits == 0:
        return _COMMON
    return tuple(face * 10 ** (digits - 2) for face in _COMMON)


def _counting(ui: Ui, form: FormData | None, name: str) -> dict[str, object]:
    """What parts/counting.html needs, with what was typed before."""
    names = [f"d{face}" for face in faces_of(ui.currency)] + [name]
    return {
        "faces": faces_of(ui.currency),
        "currency": ui.currency,
        "digits": minor_digits(ui.currency),
        "values": {n: str(form.get(n, "")) if form else "" for n in names},
    }


def _denominations(ui: Ui, form: FormData) -> dict[str, int]:
    """Face value → count of what was counted; ``bad_count`` for anything but whole numbers."""
    counts = {str(face): str(form.get(f"d{face}", "")).strip() for face in faces_of(ui.currency)}
    if any(text and not (text.isascii() and text.isdigit()) for text in counts.values()):
        raise DomainError("bad_count", "Notes and coins are counted in whole numbers.")
    return {face: int(text) for face, text in counts.items() if text and int(text)}


def _amount(ui: Ui, form: FormData, name: str) -> int:
    text = str(form.get(name, "")).strip()
    if not text:
        raise DomainError("bad_amount", "Type the amount, also when it is 0.")
    return parse_major(text, ui.currency)


# -- open ------------------------------------------------------------------------------------------


async def opening(ui: Ui) -> Response:
    if ui.stage == "work":
        return ui.go("/")
    return ui.page("open.html", problem="", **_counting(ui, None, "float"))


async def open_it(ui: Ui) -> Response:
    form = await ui.form()
    try:
        open_register(ui.till, ui.who, _amount(ui, form, "float"))
    except DomainError as error:
        if error.code == "shift_already_open":
            return ui.go("/")
        counting = _counting(ui, form, "float")
        return ui.page("open.html", problem=error.message, **counting)
    fresh_of(ui.request.app).forget()
    return ui.go("/sell")


# -- X ---------------------------------------------------------------------------------------------


async def x(ui: Ui) -> Response:
    report = x_report(ui.till, ui.who)
    return ui.page("report.html", report=report, title="X report")


# -- close -----------------------------------------------------------------------------------------


async def closing(ui: Ui) -> Response:
    return _close_screen(ui)


def _close_screen(ui: Ui, form: FormData | None = None, problem: str = "") -> Response:
    return ui.page(
        "close.html",
        problem=problem,
        expected=_expected(ui),
        **_counting(ui, form, "counted"),
    )


def _expected(ui: Ui) -> int | None:
    """What should be in the drawer, for those who may see the X report and where the close is not blind."""
    try:
        return x_report(ui.till, ui.who).expected
    except DomainError:
        return None


async def close_it(ui: Ui) -> Response:
    form = await ui.form()
    try:
        counted = _amount(ui, form, "counted")
        z = close_register(ui.till, ui.who, counted, _denominations(ui, form))
    except DomainError as error:
        return _close_screen(ui, form, error.message)
    fresh_of(ui.request.app).forget()
    _keep(ui, z)
    return ui.go("/operations/z-report", Signed("green", f"Register closed: Z {z.z_number}"))


def _keep(ui: Ui, z: ShiftReport) -> None:
    ui.request.app.state.last_z = z


def last_taken(ui: Ui) -> ShiftReport | None:
    """The Z that was taken since the till was started."""
    z: ShiftReport | None = getattr(ui.request.app.state, "last_z", None)
    return z


async def last_z(ui: Ui) -> Response:
    """The Z that was just taken; it is in the journal and in the Back Office, too."""
    z = last_taken(ui)
    if z is None:
        return ui.go("/")
    return ui.page("report.html", report=z, title=f"Z report {z.z_number}")


routes: list[BaseRoute] = [
    Route("/open", page(opening, "open"), methods=["GET"]),
    Route("/open", page(open_it, "open"), methods=["POST"]),
    Route("/operations/x-report", page(x)),
    Route("/operations/close", page(closing), methods=["GET"]),
    Route("/operations/close", page(close_it), methods=["POST"]),
    Route("/operations/z-report", page(last_z, "open")),
]
