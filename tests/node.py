"""Where the JavaScript packages of the tests lie: Node-RED, AsyncAPI's schemas, Eclipse Tahu's reader of Sparkplug B.

They come from npm and are no part of the station, so that where npm gives none the tests that need them are skipped.
`make node` installs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

NODE_MODULES = Path(__file__).parents[1] / ".venv" / "node" / "node_modules"

needs_node_modules = pytest.mark.skipif(
    not (NODE_MODULES / "@asyncapi").is_dir(), reason="there are no packages of npm: make node"
)
