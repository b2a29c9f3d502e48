"""A reader process of its own whose reader only sees what it is shown: `python -m tests.web.mutated_house RUNTIME_DIR`.

Decoding and measuring are the real ones; no model stands behind them, so that thousands of files take seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edge.core.fields import FieldRule, Product
from edge.services.reader import ReaderService
from tests.web.test_asking import Talker


def main() -> None:
    """Answer until the parent is gone."""
    parent = os.getppid()
    product = Product("pump", {"serial": FieldRule("serial")})
    ReaderService(Path(sys.argv[1]), Talker(), product).run(lambda: os.getppid() != parent)


if __name__ == "__main__":
    main()
