"""A whole sale in one call, for kiosks and scripts."""

from collections.abc import Sequence

import msgspec

from stillopen.domain.tender import Tender
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.pay import Paid


class SaleLine(msgspec.Struct, frozen=True, kw_only=True):
    """``sku`` or ``barcode``; quantity as a decimal string."""

    sku: str = ""
    barcode: str = ""
    quantity: str = "1"


def sell(
    till: Till,
    session: Session,
    sale_id: str,
    lines: Sequence[SaleLine],
    tenders: Sequence[Tender],
    customer: str = "",
    note: str = "",
) -> Paid:
    """Sell ``lines``; the same id and content again answers the same receipt, other content ``id_reused``."""
    raise NotImplementedError
