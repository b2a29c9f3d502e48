"""Wrong tables `[erp]`, for the tests of wrong configurations."""

from __future__ import annotations

from tests.wrong_case import SECRET, Case


def _rest(more: str = "", *, url: str = "https://erp.example", lookup: str = "/parts/{serial}") -> str:
    return f'[erp]\nkind = "rest"\nurl = "{url}"\nlookup = "{lookup}"\n{more}'


CASES = [
    Case("an unknown kind of ERP", ("erp.kind", "none, csv, sql, rest"), more='[erp]\nkind = "soap"\n'),
    Case("a csv without a path", ("erp.path", "missing"), more='[erp]\nkind = "csv"\n'),
    Case("a csv that is not there", ("erp.path", "parts.csv"), more='[erp]\nkind = "csv"\npath = "parts.csv"\n'),
    Case(
        "a password in the URL",
        ("erp.url", "url_file"),
        more=f'[erp]\nkind = "sql"\ntable = "t"\nurl = "postgresql://u:{SECRET}@h/d"\n',
    ),
    Case(
        "a password behind the URL",
        ("erp.url", "url_file"),
        more=f'[erp]\nkind = "sql"\ntable = "t"\nurl = "postgresql://h/d?password={SECRET}"\n',
    ),
    Case("no URL", ("erp.url_file", "erp_url"), more='[erp]\nkind = "sql"\ntable = "t"\n'),
    Case(
        "a relative database",
        ("erp.url", "whole path"),
        more='[erp]\nkind = "sql"\ntable = "t"\nurl = "sqlite:///a.db"\n',
    ),
    Case(
        "a password file of ERP that is not there",
        ("erp.password_file", "none.txt"),
        more='[erp]\nkind = "sql"\ntable = "t"\nurl = "postgresql://u@h/d"\npassword_file = "none.txt"\n',
    ),
    Case("a web API without a lookup", ("erp.lookup", "missing"), more='[erp]\nkind = "rest"\nurl = "https://h"\n'),
    Case("a lookup without a serial", ("erp.lookup", "{serial}"), more=_rest(lookup="/parts")),
    Case("a lookup with a host", ("erp.lookup", "one /"), more=_rest(lookup=f"https://{SECRET}/{{serial}}")),
    Case("a key in ERP's URL", ("erp.url", "secret"), more=_rest(url=f"https://h/?key={SECRET}")),
    Case("a record that is no pointer", ("erp.record", "JSON pointer"), more=_rest('record = "data.parts"\n')),
    Case("a header that is none", ("erp.api_key_header", "letters"), more=_rest('api_key_header = "X Key:"\n')),
    Case("a CA of ERP that is not there", ("erp.ca_file", "ca.pem"), more=_rest('ca_file = "ca.pem"\n')),
    Case(
        "a client without its secret",
        ("erp.oauth.client_secret_file", "erp_client_secret"),
        more=_rest('[erp.oauth]\ntoken_url = "https://h/t"\nclient_id = "c"\n'),
    ),
    Case("a snapshot of nothing", ("erp.listing", "sync_every_s"), more=_rest("sync_every_s = 60\n")),
    Case(
        "a cursor that stands nowhere",
        ("erp.listing.cursor", "missing"),
        more=_rest('[erp.listing]\npath = "/p"\npage = "cursor"\n'),
    ),
    Case(
        "an offset that goes nowhere",
        ("erp.listing.parameter", "missing"),
        more=_rest('[erp.listing]\npath = "/p"\npage = "offset"\n'),
    ),
    Case("a sync too often", ("erp.sync_every_s", "at least 60"), more=_rest("sync_every_s = 5\n")),
    Case(
        "a column of no field",
        ("erp.columns.modl", "did you mean model?"),
        more='[erp]\nkind = "none"\n[erp.columns]\nmodl = "M"\n',
    ),
]
