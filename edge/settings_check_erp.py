"""The rules between the keys of `[erp]`, and between them and the product (L13)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from urllib.parse import urlsplit

from edge import toml_file
from edge.products import ProductFile
from edge.sections_erp import CsvErp, Erp, RestErp, SqlErp
from edge.settings_check_files import pem, secret
from edge.toml_file import Problem


def problems(erp: Erp, product: ProductFile | None) -> Iterator[Problem]:
    """Everything that is wrong with an ERP's table; `product` is None where its file is wrong itself."""
    if isinstance(erp, CsvErp) and not erp.path.is_file():
        yield Problem(("erp", "path"), f"names {erp.path}, which is no file; name the CSV file that ERP writes")
    if isinstance(erp, SqlErp):
        yield from _sql(erp)
    if isinstance(erp, RestErp):
        yield from _rest(erp)
    if product is None:
        return
    for name in erp.columns:
        if name not in product.fields:
            yield Problem(
                ("erp", "columns", name),
                f"is no field of the product {product.name}; {toml_file.suggestion(name, list(product.fields))}",
            )
    if erp.kind != "none" and "serial" not in product.fields:
        yield Problem(
            ("erp", "kind"),
            f"needs a field serial, by which records are found; {product.name} has none",
            needs=(("erp",),),
        )


def _sql(erp: SqlErp) -> Iterator[Problem]:
    if erp.url is not None and erp.url_file is not None:
        yield Problem(("erp", "url_file"), "is set, and url too; set one of them")
    yield from secret(erp.open_url, "erp", "url_file", needs=(("erp", "url"),))
    yield from secret(lambda: erp.password, "erp", "password_file")


def _rest(erp: RestErp) -> Iterator[Problem]:
    if importlib.util.find_spec("httpx2") is None:
        yield Problem(("erp", "kind"), "is rest, which needs httpx2: pip install 'edge-inspection[rest]'")
    yield from secret(lambda: erp.api_key, "erp", "api_key_file")
    if erp.oauth is not None:
        oauth = erp.oauth
        yield from secret(lambda: oauth.client_secret, "erp", "oauth", "client_secret_file")
    yield from pem(erp.ca_file, "erp", "ca_file")
    if erp.listing is None:
        if erp.sync_every_s is not None:
            yield Problem(("erp", "listing"), "is missing, and sync_every_s is set; add [erp.listing] with path")
        return
    listing = erp.listing
    if listing.page == "cursor" and not listing.cursor:
        yield Problem(("erp", "listing", "cursor"), "is missing, and page is cursor; name where a page has it")
    if listing.page == "offset" and not listing.parameter:
        yield Problem(("erp", "listing", "parameter"), "is missing, and page is offset; name the query parameter")
    if listing.parameter and f"{listing.parameter}=" in urlsplit(listing.path).query:
        yield Problem(("erp", "listing", "path"), f"holds {listing.parameter} itself; leave it to listing.parameter")
