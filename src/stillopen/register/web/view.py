"""From the till's values to HTML: the Jinja environment and the words for money, times and quantities."""

import hashlib
import zlib
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from babel.numbers import get_currency_symbol
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from stillopen.design import DIRECTORY as DESIGN
from stillopen.design import TINTS
from stillopen.domain.businessday import local_time
from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.money import minor_digits, to_major
from stillopen.domain.quantity import format_quantity
from stillopen.register.till import Till
from stillopen.register.wording import LOCALE, figures, money

HERE = Path(__file__).parent
STATIC = HERE / "static"
#: htmx comes with django-htmx; nothing is fetched from elsewhere at run time.
HTMX = Path(str(files("django_htmx"))) / "static" / "django_htmx" / "htmx-2.min.js"


def plain(amount: int, currency: str) -> str:
    """Minor units to ``1,234.50``; a true minus sign."""
    return figures(amount, currency).replace("-", "−")


def cash(amount: int, currency: str) -> str:
    """Minor units with the sign of the currency: ``€41.20``."""
    return money(amount, currency).replace("-", "−")


def symbol(currency: str) -> str:
    """``€``, ``CHF``."""
    return get_currency_symbol(currency, locale=LOCALE)


def entered(amount: int, currency: str) -> str:
    """Minor units as a number pad shows and sends them: ``1234.50``."""
    return f"{to_major(amount, currency):.{minor_digits(currency)}f}"


def in_store(till: Till, moment: datetime) -> datetime:
    """``moment`` on the store's wall clock (naive); UTC before the first sync."""
    settings = till.catalogue.store_settings()
    return local_time(moment, settings.timezone if settings else "UTC")


def when(till: Till, moment: datetime | None) -> str:
    """``14:02`` today, ``21 Nov 14:02`` before that."""
    if moment is None:
        return "never"
    local = in_store(till, moment)
    today = in_store(till, till.clock.now())
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return (
        f"{local.day} {local:%b %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"
    )


def initials(name: str) -> str:
    """``Anna Keller`` → ``AK``."""
    parts = name.split()
    return "".join(p[0] for p in (parts[:1] + parts[1:][-1:])).upper()


def tint(colour: str, name: str) -> str:
    """The ground of a face: the chosen colour, else one that stays with the name."""
    return colour or TINTS[zlib.crc32(name.encode()) % len(TINTS)]


def discount_words(discount: Discount, currency: str) -> str:
    """``10 %`` or ``€1.50``."""
    if discount.kind is DiscountKind.PERCENT:
        return f"{format_quantity(discount.value)} %"
    return cash(int(discount.value), currency)


def count(n: int, one: str, many: str = "") -> str:
    """``1 sale``, ``3 sales``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _sprite(name: str) -> str:
    """Its address changes with its content: browsers keep it, also while the till program is gone."""
    mark = hashlib.sha256((DESIGN / name).read_bytes()).hexdigest()[:12]
    return f"/static/design/{name}?v={mark}"


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        ICONS=_sprite("icons.svg"),
        PICTURES=_sprite("pictures.svg"),
        plain=plain,
        cash=cash,
        entered=entered,
        symbol_of=symbol,
        initials=initials,
        tint=tint,
        count=count,
        discount_words=discount_words,
    )
    env.filters["qty"] = format_quantity
    return env


ENV = _environment()


def render(template: str, **values: object) -> str:
    """HTML of a page or a part of one."""
    return ENV.get_template(template).render(**values)
