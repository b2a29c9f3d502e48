"""The panel's port: the panel answers there, or it is free."""

from __future__ import annotations

import http.client
import socket
import ssl

from edge.commands.checks.finding import Finding, fail, ok
from edge.settings import Settings

_LIMIT_S = 3.0


def check(settings: Settings) -> Finding:
    """Ask for `/health`, else try to bind."""
    host, port = settings.panel.host, settings.panel.port
    address = settings.panel.url
    asked_host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - it is compared, not bound
    link = http.client.HTTPConnection(asked_host, port, timeout=_LIMIT_S)
    if settings.panel.tls is not None:
        # Whether it is this station's panel is the question, not whether its certificate is for this address.
        anyones = ssl.create_default_context()
        anyones.check_hostname, anyones.verify_mode = False, ssl.CERT_NONE
        link = http.client.HTTPSConnection(asked_host, port, timeout=_LIMIT_S, context=anyones)
    try:
        link.request("GET", "/health")
        answer = link.getresponse()
        said = answer.read(65_536)
        # One that lets nobody see before they have signed in says so.
        if b'"triggers"' in said or (answer.status == http.HTTPStatus.UNAUTHORIZED and b'"not_allowed"' in said):
            return ok(f"{address} answers", running=True)
    except OSError:
        return _is_free(host, port, address)
    except http.client.HTTPException:
        pass
    finally:
        link.close()
    return fail(f"something else answers at {address}", "stop it, or set panel.port", running=False)


def _is_free(host: str, port: int, address: str) -> Finding:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return ok(f"{address} is free", running=False)
    except OSError as error:
        return fail(f"{address} cannot be bound ({error.strerror})", "see panel.host and panel.port", running=False)
