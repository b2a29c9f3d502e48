"""ERP: it is asked what it holds, and for the record of a serial that nobody has: 'none' is an answer, too."""

from __future__ import annotations

import time
from contextlib import closing

from edge.adapters.erp import LiveErp, open_live
from edge.adapters.erp_snapshot import open_snapshot
from edge.commands.checks.finding import Finding, judged, ok
from edge.errors import ErpError
from edge.sections_erp import RestErp
from edge.settings import Settings

#: No part has it; what ERP says to it shows that a look-up works.
SERIAL = "EDGE-CHECK"


def check(settings: Settings) -> Finding:
    """Ask it now, not its snapshot.

    Raises:
        ErpError: it cannot be asked in time, or answers with something that is no record.
    """
    opened = open_live(settings.erp)
    if opened is None:
        return ok("none is set")
    with closing(opened):
        return _asked(opened, settings)


def _asked(opened: LiveErp, settings: Settings) -> Finding:
    erp = settings.erp
    snapshot = open_snapshot(erp, settings.erp_snapshot)
    held = f"{opened.describe()}; {snapshot.describe() if snapshot.path.exists() else 'no snapshot'}"
    doubts = [*opened.doubts(), *snapshot.doubts()]
    known = erp.known_serial if isinstance(erp, RestErp) else None
    begun_s = time.monotonic()
    try:
        opened.lookup(known or SERIAL)
    except ErpError:
        # REST without `known_serial` cannot tell 'no such record' from a wrong address, and says so; it has answered.
        if not isinstance(erp, RestErp) or known is not None:
            raise
    ms = (time.monotonic() - begun_s) * 1000
    limit_ms = erp.timeout_ms
    slow = [f"a look-up takes more than half of erp.timeout_ms, {limit_ms}; see its index, or allow more time"]
    doubts += slow if ms > limit_ms / 2 else []
    return judged(f"{held}; a look-up took {ms:.0f} ms", doubts, lookup_ms=round(ms, 1))
