"""Fetch what Cyrillic lines are drawn with: faces of Debian's packages, and the words of its Russian dictionary.

    python -m training.cyrillic.faces [--out build/cyrillic]      (needs apt-get and dpkg)

None is a face that `training/linking/drawn.py` judges with, nor one of the same shapes (Arimo, Tinos, Cousine).
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from training.small.fonts import unpack

FOLDER = Path("build/cyrillic")

#: Debian package -> faces taken from it, without ending.
FACES = {
    "fonts-cmu": "cmunss cmunssdc",
    "fonts-go": "Go-Regular Go-Medium Go-Bold Go-Italic Go-Mono Go-Mono-Bold",
    "fonts-noto-core": "NotoSans-Regular NotoSans-Bold NotoSans-Italic NotoSansDisplay-Regular NotoSansDisplay-Bold "
    "NotoSansMono-Regular NotoSansMono-Bold NotoSerif-Regular NotoSerif-Bold",
    "fonts-noto-mono": "NotoMono-Regular",
    "fonts-oldstandard": "OldStandard-Regular",
    "fonts-open-sans": "OpenSans-Regular OpenSans-Semibold OpenSans-Bold OpenSans-ExtraBold OpenSans-Italic "
    "OpenSans-CondBold OpenSans-CondLight OpenSans-Light",
    "fonts-roboto-slab": "RobotoSlab-Regular RobotoSlab-Bold",
    "fonts-sil-andika": "Andika-Regular Andika-Bold",
    "fonts-sil-charis": "CharisSIL-Regular CharisSIL-Bold",
    "fonts-sil-gentium": "Gentium-R",
    "fonts-vollkorn": "Vollkorn-Regular Vollkorn-Bold",
    "fonts-wine": "tahoma tahomabd",
}
#: Faces with Japanese letters, for lines in which nothing is Cyrillic.
HAN_FACES = {"fonts-mplus": "Mplus1-Regular Mplus1-Bold"}
_WORDS = "hunspell-ru"
_WORD = re.compile("[а-яА-Я-]{2,13}")  # noqa: RUF001 - Cyrillic is meant


def faces(table: dict[str, str], folder: Path = FOLDER) -> list[Path]:
    """The files of a table's faces, in its order.

    Raises:
        FileNotFoundError: `fetch` did not fill the folder.
    """
    found = [folder / f"{face}.ttf" for row in table.values() for face in row.split()]
    for path in found:
        if not path.is_file():
            raise FileNotFoundError(f"no face {path}: run python -m training.cyrillic.faces")
    return found


def words(folder: Path = FOLDER) -> list[str]:
    """Russian words, in the dictionary's order."""
    return (folder / "words.txt").read_text(encoding="utf-8").split()


def fetch(out: Path) -> int:
    """Download the packages and keep their faces and words; gives how many files that makes."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        unpack((*FACES, *HAN_FACES, _WORDS), name)
        found = {path.stem: path for path in sorted(Path(name).rglob("*.[ot]tf"))}
        wanted = " ".join((*FACES.values(), *HAN_FACES.values())).split()
        for face in wanted:
            shutil.copyfile(found[face], out / f"{face}.ttf")
        dictionary = next(Path(name).rglob("ru_RU.dic")).read_text(encoding="utf-8").splitlines()
    known = (line.partition("/")[0].strip() for line in dictionary)
    (out / "words.txt").write_text("\n".join(word for word in known if _WORD.fullmatch(word)) + "\n", encoding="utf-8")
    return len(wanted) + 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    print(f"{fetch(parser.parse_args().out)} files")
