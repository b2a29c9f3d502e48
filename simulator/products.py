"""The product files of the simulated site: what edge is told to read, in edge's own file format.

Each name is also a make in `wording.MAKES`. A site writes such files by hand; the runner writes these to its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

#: By name: the text of config/products/NAME.toml.
PRODUCTS: Mapping[str, str] = MappingProxyType(
    {
        "gearmotor": """\
version = 1
name = "gearmotor"

[fields.model]
pattern = 'NG[0-9]{2}-[0-9]{2,3}[LMH][246]'

[fields.serial]
pattern = '[0-9]{8}[A-Z]{2}'
keys = ["S/N", "Fabr.-Nr."]
confusable = ["0O", "1I", "8B", "5S", "2Z"]

[gate]
contrast = 60
motion = 60
sharpness = 60
underexposure = 60

[erp]
mode = "verify"
""",
        "device": """\
version = 1
name = "device"

[fields.model]

[fields.serial]

[gate]
tilt = 60

[erp]
mode = "identify"
""",
    }
)

#: How each product is checked: "verify" needs to be told by MES which part comes.
MODE_OF: Mapping[str, str] = MappingProxyType({"gearmotor": "verify", "device": "identify"})


def write(folder: Path) -> list[Path]:
    """Write every product file into a folder; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in PRODUCTS.items():
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
