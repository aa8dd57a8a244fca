"""Whether the person at the till was allowed to do what was done: looked at, never refused."""

from collections.abc import Sequence

import msgspec

from stillopen.backoffice.ingest.fact import APPLIED, Fact, Finding, Place
from stillopen.backoffice.ingest.sql import Cursor, canonical
from stillopen.domain.permission import Permission

#: What the employee of an entry needs. Cash movements and drawers are not here: a manager may have
#: approved them on the spot.
_NEEDED = {
    "sale": Permission.SELL,
    "shift_opened": Permission.REGISTER_OPEN,
    "shift_closed": Permission.REGISTER_CLOSE,
}


def check_people(cursor: Cursor, facts: Sequence[Fact], place: Place) -> None:
    """Add a finding for each person, shift and permission that the Back Office does not know of now."""
    asked = [f for f in facts if f.status == APPLIED and f.kind in _NEEDED]
    allowed = _permissions(cursor, {f.employee for f in asked if f.employee}, place)
    for fact in asked:
        if fact.employee is None:
            continue
        held = allowed.get(fact.employee)
        if held is None or _NEEDED[fact.kind].value not in held:
            fact.findings.append(_finding(fact, fact.employee, held is None))


def _permissions(cursor: Cursor, employees: set[str], place: Place) -> dict[str, set[str]]:
    """Employee id → permissions; nobody who is switched off is in it."""
    if not employees:
        return {}
    cursor.execute(
        f"""SELECT e.id, r.permissions FROM accounts_employee e
        JOIN accounts_role r ON r.id = e.role_id
        WHERE e.account_id = %s AND e.active AND {place.db.among("e.id")}""",
        (place.account, place.db.many({place.db.uid(e) for e in employees})),
    )
    return {canonical(key): _as_set(permissions) for key, permissions in cursor.fetchall()}


def _as_set(permissions: object) -> set[str]:
    """JSON as either engine returns it."""
    if isinstance(permissions, str | bytes):
        return set(msgspec.json.decode(permissions, type=list[str]))
    return {str(p) for p in permissions} if isinstance(permissions, list) else set()


def _finding(fact: Fact, employee: str, unknown: bool) -> Finding:
    needed = _NEEDED[fact.kind].value
    return Finding(
        "not_permitted",
        "This was done at the till by someone who is switched off or not known here."
        if unknown
        else "This was done at the till by someone whose role does not allow it now.",
        {"employee": employee, "permission": needed, "kind": fact.kind},
        key=f"not_permitted:{employee}:{fact.shift}:{needed}",
    )
