"""The tables that ingest writes with raw SQL: their columns in the order in which rows are built.

A test holds these against the models. Values are engine-neutral (str, int, bytes, None); only ids and
times are written differently, by ``uid`` and ``moment`` of the engine's module.
"""

from dataclasses import dataclass

Value = str | int | bytes | None
Row = tuple[Value, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """``conflict`` is the ``ON CONFLICT`` clause where a row may be there already.

    Rows are kept by table: a table is equal to itself alone, which makes it cheap to look up.
    """

    name: str
    columns: tuple[str, ...]
    conflict: str = ""


ENTRY = Table(
    "ingest_entry",
    (
        "account_id", "register_id", "branch", "seq", "entry_id", "kind", "aggregate",
        "prev_hash", "hash", "body", "status", "code", "behind", "received_at",
    ),
)  # fmt: skip
EXCEPTION = Table(
    "ingest_exceptionitem",
    (
        "account_id", "id", "register_id", "entry_id", "code", "message", "details",
        "created_at", "resolved_at",
    ),
    'ON CONFLICT ("id") DO NOTHING',
)  # fmt: skip
DECISION = Table(
    "ingest_decision",
    (
        "account_id", "id", "register_id", "branch", "seq", "exception_id", "at", "by", "fix",
        "code", "result", "details",
    ),
)  # fmt: skip
RECEIPT = Table(
    "ledger_receipt",
    (
        "account_id", "id", "number", "store_id", "register_id", "branch", "seq", "shift_id",
        "employee_id", "cashier", "customer", "currency", "occurred_at", "business_day",
        "subtotal", "discount", "net", "tax", "total", "rounding", "change", "received_at",
    ),
)  # fmt: skip
LINE = Table(
    "ledger_receiptline",
    (
        "account_id", "receipt_id", "line", "product_id", "sku", "name", "quantity", "unit_price",
        "discount", "tax_name", "tax_rate", "net", "tax", "gross",
    ),
)  # fmt: skip
PAYMENT = Table(
    "ledger_payment",
    ("account_id", "receipt_id", "line", "type", "amount", "change", "reference"),
)
CASH = Table(
    "ledger_cashmovement",
    (
        "account_id", "id", "store_id", "register_id", "branch", "shift_id", "employee_id", "kind",
        "amount", "reason", "occurred_at",
    ),
)  # fmt: skip
EVENT = Table(
    "ledger_event",
    ("account_id", "id", "register_id", "employee_id", "kind", "details", "occurred_at"),
)
MOVEMENT = Table(
    "stock_movement",
    (
        "account_id", "source", "line", "store_id", "product_id", "reason", "quantity",
        "occurred_at",
    ),
)  # fmt: skip

# One shift, three ways to hear of it, in whatever order they come: a fact that names it (a stub), its
# opening, its closing. Each writes what it knows and leaves the rest.
SHIFT_STUB = Table(
    "ledger_shift",
    ("account_id", "id", "store_id", "register_id", "branch", "opened_by", "float", "closed_by"),
    'ON CONFLICT ("account_id", "id", "branch") DO NOTHING',
)
SHIFT_OPENED = Table(
    "ledger_shift",
    (
        "account_id", "id", "store_id", "register_id", "branch", "opened_at", "opened_by", "float",
        "closed_by", "business_day",
    ),
    """ON CONFLICT ("account_id", "id", "branch") DO UPDATE SET "opened_at" = excluded."opened_at",
    "opened_by" = excluded."opened_by", "float" = excluded."float",
    "business_day" = excluded."business_day" """,
)  # fmt: skip
SHIFT_CLOSED = Table(
    "ledger_shift",
    (
        "account_id", "id", "store_id", "register_id", "branch", "opened_at", "opened_by", "float",
        "closed_at", "closed_by", "business_day", "z_number", "expected", "counted", "difference",
        "report",
    ),
    """ON CONFLICT ("account_id", "id", "branch") DO UPDATE SET
    "float" = CASE WHEN ledger_shift."opened_at" IS NULL THEN excluded."float"
        ELSE ledger_shift."float" END,
    "opened_by" = CASE WHEN ledger_shift."opened_at" IS NULL THEN excluded."opened_by"
        ELSE ledger_shift."opened_by" END,
    "opened_at" = COALESCE(ledger_shift."opened_at", excluded."opened_at"),
    "business_day" = COALESCE(ledger_shift."business_day", excluded."business_day"),
    "closed_at" = excluded."closed_at", "closed_by" = excluded."closed_by",
    "z_number" = excluded."z_number", "expected" = excluded."expected",
    "counted" = excluded."counted", "difference" = excluded."difference",
    "report" = excluded."report"
    WHERE ledger_shift."closed_at" IS NULL""",
)  # fmt: skip

#: The tables that facts have effects in, in the order in which they are written.
EFFECTS: tuple[Table, ...] = (
    RECEIPT, LINE, PAYMENT, SHIFT_STUB, SHIFT_OPENED, SHIFT_CLOSED, CASH, EVENT, MOVEMENT,
)  # fmt: skip
