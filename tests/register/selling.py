"""One sale in one call."""

import uuid

from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.checkout import Paid
from stillopen.register.usecases.sell import SaleLine, sell


def one_sale(till: Till, session: Session) -> Paid:
    """A flat white, paid with ten."""
    tender = Tender(type=TenderType.CASH, amount=1000)
    return sell(till, session, str(uuid.uuid4()), [SaleLine(sku="100")], [tender])
