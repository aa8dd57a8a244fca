"""The API as one object: its parts, its token, its errors."""

from ninja import NinjaAPI

import stillopen
from stillopen.backoffice.rest_api import exceptions, products, receipts, registers, service
from stillopen.backoffice.rest_api.auth import Bearer
from stillopen.backoffice.rest_api.errors import handle_errors

api = NinjaAPI(
    title="Stillopen Back Office",
    version=stillopen.__version__,
    description=(
        "Money is an integer in minor units beside a `currency`, quantities are decimal strings, times are "
        "RFC 3339 in UTC. Lists are `{results, next}`: pass `next` as `cursor` for the page behind. Errors "
        "are `{code, message, details}`."
    ),
    auth=Bearer(),
    docs_url=None,
    urls_namespace="rest",
)
handle_errors(api)
for part in (receipts, registers, exceptions, products, service):
    api.add_router("", part.router)
