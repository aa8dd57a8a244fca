"""The templates' engine: Jinja2 like the register's, with the words and the drawings they use."""

from pathlib import Path

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.templatetags.static import static
from django_htmx.jinja import htmx_script
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stillopen.backoffice.ingest.fixes import WORDS as FIX_WORDS
from stillopen.backoffice.web import words
from stillopen.domain.quantity import format_quantity

_FILTERS = (
    "money", "round_money", "signed", "number", "seconds", "clock", "when", "full", "day", "ago", "tender",
)  # fmt: skip
#: Nothing is loaded from elsewhere, nothing in a page runs that did not come as a file of ours.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_FOLDER = Path(__file__).parent / "templates"


def icon(name: str) -> Markup:
    """A drawing of design/icons.svg; the word beside it is what is read aloud."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        static("icons.svg"), name
    )


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(icon=icon, static=static, htmx_script=htmx_script, states=words.STATES)
    env.globals.update(count=words.count, cash_kinds=words.CASH_KINDS)
    env.globals["exception_fixes"] = FIX_WORDS
    for name in _FILTERS:
        env.filters[name] = getattr(words, name)
    env.filters["quantity"] = format_quantity
    return env


_env = _environment()


def render(
    request: HttpRequest, template: str, status: int = 200, **context: object
) -> HttpResponse:
    """``daily/<template>.html`` with ``context``; toasts that are due are shown once."""
    html = _env.get_template(f"daily/{template}.html").render(
        request=request,
        csrf_token=get_token(request),
        toasts=list(get_messages(request)),
        **context,
    )
    response = HttpResponse(html, status=status)
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = _POLICY
    return response
