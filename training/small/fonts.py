"""Fetch the typefaces that the training draws with: faces of Debian's font packages, cut down to what plates print.

    python -m training.small.fonts [--out build/fonts]      (needs apt-get, dpkg and `pip install fonttools`)

None of them is a face that the simulator draws with (those are inside OpenCV: Rubik and WenQuanYi Micro Hei, with its
Latin letters of Droid Sans), so Droid and its near relations Open Sans and Noto Sans are left out. `faces.json` lists,
by file, the characters that it has and whether it is a fixed pitch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from training.small import words

FOLDER = Path("build/fonts")

#: Debian package -> faces taken from it, without ending.
FACES = {
    "fonts-agave": "agave-r-autohinted agave-b-autohinted",
    "fonts-anonymous-pro": "Anonymous_Pro Anonymous_Pro_B",
    "fonts-b612": "B612-Regular B612-Bold B612Mono-Regular B612Mono-Bold",
    "fonts-cabin": "Cabin-Regular Cabin-Bold Cabin-Italic",
    "fonts-cantarell": "Cantarell-Regular Cantarell-Bold",
    "fonts-comfortaa": "Comfortaa-Regular Comfortaa-Bold",
    "fonts-courier-prime": "Courier_Prime Courier_Prime_Bold Courier_Prime_Sans",
    "fonts-crosextra-carlito": "Carlito-Regular Carlito-Bold Carlito-Italic",
    "fonts-dejavu-core": "DejaVuSans DejaVuSans-Bold DejaVuSansMono DejaVuSansMono-Bold",
    "fonts-dejavu-extra": "DejaVuSansCondensed DejaVuSansCondensed-Bold DejaVuSans-Oblique",
    "fonts-dosis": "Dosis-Medium Dosis-Bold",
    "fonts-fantasque-sans": "FantasqueSansMono-Regular FantasqueSansMono-Bold",
    "fonts-firacode": "FiraCode-Regular FiraCode-Bold FiraCode-Light",
    "fonts-freefont-ttf": "FreeSans FreeSansBold FreeSansOblique FreeMonoBold",
    "fonts-hack": "Hack-Regular Hack-Bold Hack-Italic",
    "fonts-inconsolata": "Inconsolata",
    "fonts-inter": "Inter-Regular Inter-Medium Inter-Bold Inter-Italic",
    "fonts-jetbrains-mono": "JetBrainsMono-Regular JetBrainsMono-Bold JetBrainsMono-Light",
    "fonts-jura": "Jura-Medium Jura-Bold",
    "fonts-karla": "Karla-Regular Karla-Bold",
    "fonts-lato": "Lato-Regular Lato-Medium Lato-Bold Lato-Italic",
    "fonts-league-spartan": "LeagueSpartan-Regular LeagueSpartan-Bold",
    "fonts-liberation": "LiberationSans-Regular LiberationSans-Bold LiberationSans-Italic LiberationSansNarrow-Regular "
    "LiberationSansNarrow-Bold LiberationMono-Regular LiberationMono-Bold LiberationSerif-Regular",
    "fonts-linuxlibertine": "LinBiolinum_R LinBiolinum_RB",
    "fonts-manrope": "Manrope-Regular Manrope-Bold",
    "fonts-monofur": "monof55",
    "fonts-monoid": "Monoid-Regular Monoid-Bold",
    "fonts-mononoki": "mononoki-Regular mononoki-Bold",
    "fonts-ocr-a": "OCRA OCRABold",
    "fonts-ocr-b": "OCRB OCRBF",
    "fonts-osifont": "osifont",
    "fonts-paratype": "PTS55F PTS75F PTN57F PTN77F PTM55F PTC55F PTC75F",
    "fonts-play": "Play-Regular Play-Bold",
    "fonts-quicksand": "Quicksand-Medium Quicksand-Bold",
    "fonts-roboto-unhinted": "Roboto-Regular Roboto-Medium Roboto-Bold Roboto-Italic RobotoCondensed-Regular "
    "RobotoCondensed-Bold",
    "fonts-texgyre": "texgyreadventor-regular texgyreadventor-bold texgyreheros-regular texgyreheros-bold "
    "texgyreheroscn-regular texgyreheroscn-bold texgyrecursor-bold",
    "fonts-tuffy": "tuffy_regular tuffy_bold",
    "fonts-urw-base35": "NimbusSans-Regular NimbusSans-Bold NimbusSansNarrow-Bold NimbusMonoPS-Bold URWGothic-Demi",
    "fonts-yanone-kaffeesatz": "YanoneKaffeesatz-Regular YanoneKaffeesatz-Bold",
    "fonts-smiley-sans": "SmileySans-Oblique",
    "fonts-vlgothic": "VL-Gothic-Regular",
    "fonts-wqy-zenhei": "wqy-zenhei",
}


@dataclass(frozen=True, slots=True)
class Face:
    """A typeface: its file, the characters that it has, and whether all are equally wide."""

    path: Path
    has: frozenset[str]
    fixed: bool

    @property
    def han(self) -> bool:
        """Whether it has Chinese characters."""
        return "型" in self.has

    def can(self, text: str) -> bool:
        """Whether it has every character of the text."""
        return self.has.issuperset(text)


@lru_cache(maxsize=2)
def faces(folder: Path = FOLDER) -> tuple[Face, ...]:
    """The faces of a folder that `fetch` filled.

    Raises:
        FileNotFoundError: it was not.
    """
    listed = json.loads((folder / "faces.json").read_text(encoding="utf-8"))
    return tuple(Face(folder / one["file"], frozenset(one["has"]), one["fixed"]) for one in listed)


def characters() -> str:
    """Every character that the training draws."""
    latin = "".join(chr(code) for code in (*range(0x20, 0x7F), *range(0xA1, 0x180)))
    printed = [word for row in words.ROWS.values() for word in row] + [*words.keys("model"), *words.keys("serial")]
    return "".join(sorted({*latin, "№", "°", *"".join(printed)}))


def fetch(out: Path, wanted: str = "") -> list[dict[str, Any]]:
    """Download the packages, cut their faces down to these characters, and list them in `faces.json`."""
    wanted = wanted or characters()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        unpack(FACES, name)
        found = {path.stem.replace(" ", "_"): path for path in sorted(Path(name).rglob("*.*")) if _is_face(path)}
        listed = [_cut_down(found[face], out / f"{face}.ttf", wanted) for face in " ".join(FACES.values()).split()]
    (out / "faces.json").write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8")
    return listed


def unpack(packages: Iterable[str], folder: str) -> None:
    """Download Debian packages and put what they hold into a folder."""
    subprocess.run(["apt-get", "download", *packages], cwd=folder, check=True)
    for package in Path(folder).glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), folder], check=True)


def _is_face(path: Path) -> bool:
    return path.suffix.lower() in {".ttf", ".otf", ".ttc"} and path.is_file() and not path.is_symlink()


def _cut_down(source: Path, target: Path, wanted: str) -> dict[str, Any]:
    from fontTools import subset, ttLib  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - only to fetch

    font = ttLib.TTFont(source, fontNumber=0)
    options = subset.Options(
        layout_features=[], hinting=False, notdef_outline=True, drop_tables=["GSUB", "GPOS", "kern"]
    )
    cutter = subset.Subsetter(options)
    cutter.populate(text=wanted)
    cutter.subset(font)
    font.flavor = None
    font.save(target)
    mapped: dict[int, str] = font.getBestCmap()
    widths = {font["hmtx"][mapped[ord(one)]][0] for one in "iW0" if ord(one) in mapped}
    return {
        "file": target.name,
        "has": "".join(one for one in wanted if ord(one) in mapped),
        "fixed": len(widths) == 1,
    }


def main(arguments: Iterable[str] | None = None) -> int:
    """Fetch the faces."""
    parser = argparse.ArgumentParser(description="Fetch the typefaces that the training draws with.")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args(None if arguments is None else list(arguments))
    listed = fetch(given.out)
    size = sum(path.stat().st_size for path in given.out.iterdir())
    print(f"{len(listed)} faces, {size / 1e6:.1f} MB in {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
