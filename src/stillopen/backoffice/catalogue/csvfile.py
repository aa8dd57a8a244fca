"""Reading a CSV of products: every row is checked before anything is stored."""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from stillopen.backoffice.catalogue import values as checks
from stillopen.backoffice.catalogue.models import TaxRate
from stillopen.design import PICTURES, TINTS
from stillopen.domain.errors import DomainError
from stillopen.domain.quantity import MAX_QUANTITY, SCALE

NEEDED = ("sku", "name", "price")
OPTIONAL = (
    *("barcode", "category", "tax", "cost", "unit", "stock", "quick_key"),
    *("pictogram", "category_colour"),
)
#: Where tiles go whose ``quick_key`` names no page.
QUICK_KEYS_PAGE = "Quick keys"
_DELIMITERS = ",;\t"
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_YES, _NO = ("yes", "true", "x"), ("", "no", "false", "0")
_LAST_PLACE = 10**6


class QuickKey(msgspec.Struct, frozen=True):
    page: str
    place: int = (
        _LAST_PLACE  # among the tiles of the page; without one the order of the file counts
    )


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row, checked. ``given`` are the columns of the file: what is not there is left as it is."""

    line: int
    given: frozenset[str]
    sku: str
    name: str
    price: int  # minor units
    barcodes: tuple[str, ...] = ()
    category: str = ""
    tax: TaxRate | None = None
    cost: int | None = None  # minor units
    unit: str = ""
    stock: Decimal | None = None
    quick_key: QuickKey | None = None
    pictogram: str = ""  # one of design.PICTURES
    category_colour: str = ""  # one of design.TINTS; for a category that is new


class ProductFile(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[ProductRow, ...]
    unknown: tuple[str, ...]  # columns that mean nothing here


def read_products(path: Path, currency: str, rates: list[TaxRate]) -> ProductFile:
    """All rows of ``path``: UTF-8, separated by comma, semicolon or tab, the first line names columns.

    Errors: ``bad_file``, ``bad_columns``, ``bad_row`` (names the first bad line and counts the others).
    """
    lines = _lines(path)
    _, header = next(lines, (0, []))
    columns = _columns(header)
    given = frozenset(columns) & {*NEEDED, *OPTIONAL}
    rows: list[ProductRow] = []
    faults: list[tuple[int, DomainError]] = []
    for line, cells in lines:
        try:
            rows.append(_row(line, _by_column(columns, cells), given, currency, rates))
        except DomainError as error:
            faults.append((line, error))
    faults += _repeated(rows)
    if faults:
        raise bad_row(faults)
    return ProductFile(rows=tuple(rows), unknown=tuple(c for c in columns if c and c not in given))


def bad_row(faults: list[tuple[int, DomainError]]) -> DomainError:
    """One sentence for the first of ``faults`` (line, what is wrong)."""
    line, first = min(faults, key=lambda fault: fault[0])
    others = len(faults) - 1
    more = f" ({others} more bad {'row' if others == 1 else 'rows'})" if others else ""
    return DomainError(
        "bad_row", f"Line {line}: {first.message}{more}", line=line, cause=first.code
    )


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of each row that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DomainError("bad_file", f"{path.name} is not a text file in UTF-8.") from error
    except OSError as error:
        raise DomainError("bad_file", f"{path} cannot be read: {error.strerror}.") from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    at = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield at, cells
            at = reader.line_num + 1
    except csv.Error as error:
        raise DomainError("bad_file", f"Line {at}: this is not CSV: {error}.", line=at) from error


def _columns(header: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise DomainError(
            "bad_columns",
            f"The first line must name the columns; missing: {', '.join(missing)}.",
        )
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise DomainError("bad_columns", f"The column {twice[0]} is there twice.")
    return columns


def _by_column(columns: list[str], cells: list[str]) -> dict[str, str]:
    """Cells that are left out at the end are empty."""
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise DomainError(
            "bad_row",
            f"there are {len(cells)} cells for {len(columns)} columns (a quote missing?).",
        )
    padded = cells + [""] * (len(columns) - len(cells))
    return {name: cell.strip() for name, cell in zip(columns, padded, strict=False)}


def _row(
    line: int, cells: dict[str, str], given: frozenset[str], currency: str, rates: list[TaxRate]
) -> ProductRow:
    def cell(name: str) -> str:
        return cells.get(name, "")

    return ProductRow(
        line=line,
        given=given,
        sku=checks.clean_text(cell("sku"), "SKU", checks.SKU_LENGTH),
        name=checks.clean_text(cell("name"), "name", checks.NAME_LENGTH),
        price=checks.read_price(cell("price"), currency),
        barcodes=tuple(checks.clean_barcodes(cell("barcode").split("|"))),
        category=checks.clean_text(
            cell("category"), "category", checks.CATEGORY_LENGTH, needed=False
        ),
        tax=checks.find_tax(cell("tax"), rates) if cell("tax") else None,
        cost=checks.read_price(cell("cost"), currency, "cost") if cell("cost") else None,
        unit=checks.clean_text(cell("unit"), "unit", checks.UNIT_LENGTH, needed=False),
        stock=_stock(cell("stock")),
        quick_key=_quick_key(cell("quick_key")),
        pictogram=_one_of(cell("pictogram"), PICTURES, "pictogram"),
        category_colour=_one_of(cell("category_colour"), TINTS, "colour"),
    )


def _one_of(text: str, names: Collection[str], what: str) -> str:
    if text and text not in names:
        raise DomainError(
            "bad_value", f"There is no {what} “{text}”; there are: {', '.join(names)}."
        )
    return text


def _stock(text: str) -> Decimal | None:
    if not text:
        return None
    value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    if value is None or abs(value) > MAX_QUANTITY or value != value.quantize(SCALE):
        raise DomainError(
            "bad_quantity", f"“{text}” is not a stock: a number with at most three decimals."
        )
    return value


def _quick_key(text: str) -> QuickKey | None:
    """``yes``; a place on the one page (``3``); a page (``Coffee``); or both (``Coffee:3``)."""
    if text.lower() in _NO:
        return None
    if text.lower() in _YES:
        return QuickKey(QUICK_KEYS_PAGE)
    if _is_place(text):
        return QuickKey(QUICK_KEYS_PAGE, int(text))
    page, _, place = text.rpartition(":")
    if page and _is_place(place.strip()):
        return QuickKey(checks.clean_text(page, "quick key page", 60), int(place))
    return QuickKey(checks.clean_text(text, "quick key page", 60))


def _is_place(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _repeated(rows: list[ProductRow]) -> list[tuple[int, DomainError]]:
    """SKUs and barcodes that come twice in the file."""

    def barcodes(row: ProductRow) -> tuple[str, ...]:
        return row.barcodes

    def sku(row: ProductRow) -> tuple[str, ...]:
        return (row.sku,)

    return [*_twice(rows, sku, "SKU"), *_twice(rows, barcodes, "barcode")]


def _twice(
    rows: list[ProductRow], keys: Callable[[ProductRow], tuple[str, ...]], what: str
) -> Iterator[tuple[int, DomainError]]:
    seen: dict[str, int] = {}
    for row in rows:
        for key in keys(row):
            if key in seen:
                words = f"the {what} {key} stands in line {seen[key]} already."
                yield row.line, DomainError("repeated_value", words)
            seen.setdefault(key, row.line)
