"""Fetch what letters are learnt from: faces of Debian's packages, and the words of its Russian dictionary.

    python -m training.letters.faces [--out build/letters]      (needs apt-get and dpkg)

None is a face that `training/linking/drawn.py` judges with, nor one of the same shapes (Arimo, Tinos, Cousine).
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from PIL import ImageFont

from training.small.fonts import Face, unpack

FOLDER = Path("build/letters")

#: Debian package -> faces taken from it, without ending.
FACES = {
    "fonts-3270": "3270-Regular 3270SemiCondensed-Regular",
    "fonts-adf-gillius": "GilliusADF-Regular GilliusADF-Bold GilliusADFNo2-Cond",
    "fonts-adf-ikarius": "IkariusADFStd-Bold",
    "fonts-adf-libris": "LibrisADFStd-Regular LibrisADFStd-Bold",
    "fonts-adf-mekanus": "MekanusADFStd-Regular MekanusADFStd-Bold",
    "fonts-adf-solothurn": "Solothurn-Medium Solothurn-Bold",
    "fonts-adf-universalis": "UniversalisADFStd-Regular UniversalisADFStd-BoldCond",
    "fonts-adf-verana": "VeranaSansDemi-Regular",
    "fonts-allerta": "allerta_medium",
    "fonts-averia-sans-gwf": "AveriaSansGWF-Regular AveriaSansGWF-Bold",
    "fonts-bebas-neue": "BebasNeue-Regular BebasNeue-Bold",
    "fonts-beteckna": "Beteckna BetecknaGS-Bold",
    "fonts-clear-sans": "ClearSans-Regular ClearSans-Medium ClearSans-Bold",
    "fonts-cmu": "cmunss cmunssdc cmunbx",
    "fonts-comic-neue": "ComicNeue-Bold",
    "fonts-compagnon": "Compagnon-Roman Compagnon-Bold",
    "fonts-dotgothic16": "DotGothic16-Regular",
    "fonts-dustin": "Dustismo dustismo_bold",
    "fonts-eurofurence": "eurof55 eurof75 unifur",
    "fonts-gemunu-libre": "GemunuLibre-Medium GemunuLibre-Bold",
    "fonts-glasstty": "Glass_TTY_VT220",
    "fonts-gnutypewriter": "GNUTypewriter",
    "fonts-go": "Go-Regular Go-Medium Go-Bold Go-Italic Go-Mono Go-Mono-Bold",
    "fonts-hermit": "Hermit-medium Hermit-bold",
    "fonts-ipaexfont-gothic": "ipaexg",
    "fonts-junction": "Junction",
    "fonts-ldco": "Miso PatchSans",
    "fonts-league-mono": "LeagueMono-Regular LeagueMono-Bold LeagueMono-NarrowMedium LeagueMono-CondensedBold",
    "fonts-levien-typoscript": "TypoScript",
    "fonts-lmodern": "lmsans10-regular lmsans10-bold lmsansdemicond10-oblique lmmono10-regular lmmonoltcond10-regular "
    "lmmonolt10-bold",
    "fonts-millimetre": "millimetreA_01",
    "fonts-mona": "mona",
    "fonts-monapo": "monapo",
    "fonts-morisawa-bizud-gothic": "BIZUDPGothic-Regular BIZUDGothic-Bold",
    "fonts-motoya-l-cedar": "MTLc3m",
    "fonts-mplus": "Mplus1-Regular Mplus1-Bold Mplus2-Medium MplusCodeLatin50-Medium MplusCodeLatin60-Bold "
    "Mplus1Code-Regular",
    "fonts-nanum": "NanumBarunGothic NanumGothicBold NanumSquareR NanumGothicCoding",
    "fonts-national-park": "NationalPark-Regular NationalPark-Heavy",
    "fonts-naver-d2coding": "D2Coding-Ver1.3.2-20180524-all",
    "fonts-noto-core": "NotoSans-Regular NotoSans-Bold NotoSans-Italic NotoSansDisplay-Regular NotoSansDisplay-Bold "
    "NotoSerif-Regular NotoSerif-Bold",
    "fonts-noto-extra": "NotoSans-Condensed NotoSans-ExtraCondensedBold NotoSansMono-CondensedMedium",
    "fonts-noto-mono": "NotoMono-Regular NotoSansMono-Regular NotoSansMono-Bold",
    "fonts-okolaks": "okolaksRegular okolaksBold",
    "fonts-oldstandard": "OldStandard-Regular",
    "fonts-open-sans": "OpenSans-Regular OpenSans-Semibold OpenSans-Bold OpenSans-ExtraBold OpenSans-Italic "
    "OpenSans-CondBold OpenSans-CondLight OpenSans-Light",
    "fonts-opendin": "OSP-DIN",
    "fonts-oxygen": "Oxygen-Sans Oxygen-Sans-Bold OxygenMono-Regular",
    "fonts-pc": "Px_IBM_VGA8",
    "fonts-quattrocento": "Quattrocento-Regular",
    "fonts-roadgeek": "RG2014B RG2014C RG2014D RG2014E RG2014F",
    "fonts-roboto-slab": "RobotoSlab-Regular RobotoSlab-Bold",
    "fonts-routed-gothic": "routed-gothic routed-gothic-narrow routed-gothic-wide routed-gothic-italic",
    "fonts-sawarabi-gothic": "sawarabi-gothic-medium",
    "fonts-sil-andika": "Andika-Regular Andika-Bold",
    "fonts-sil-charis": "CharisSIL-Regular CharisSIL-Bold",
    "fonts-sil-gentium": "Gentium-R",
    "fonts-smc-manjari": "Manjari-Regular Manjari-Bold",
    "fonts-sora": "Sora-Regular Sora-Bold",
    "fonts-spleen": "spleen-16x32",
    "fonts-stick": "Stick-Regular",
    "fonts-tiresias": "tiresias_infofont tiresias_infofontz_bold tiresias_pcfont tiresias_pcfontz_bold "
    "tiresias_signfont_bold",
    "fonts-tlwg-loma-ttf": "Loma-Bold",
    "fonts-tlwg-typo-ttf": "TlwgTypo-Bold",
    "fonts-tlwg-umpush-ttf": "Umpush-Bold",
    "fonts-unfonts-core": "UnDotum UnGraphicBold",
    "fonts-vollkorn": "Vollkorn-Regular Vollkorn-Bold",
    "fonts-wine": "tahoma tahomabd",
    "fonts-woowa-bm": "BMDOHYEON_ttf",
    "fonts-yusei-magic": "YuseiMagic-Regular",
}
#: Those with Japanese letters, for lines in which nothing is Cyrillic.
HAN_FACES = ("Mplus1-Regular", "Mplus1-Bold", "sawarabi-gothic-medium", "ipaexg", "BIZUDPGothic-Regular")
_WORDS = "hunspell-ru"
_WORD = re.compile("[а-яА-Я-]{2,13}")  # noqa: RUF001 - Cyrillic is meant
#: A character that no face has: what is drawn for it is drawn for all that are missing.
_MISSING = "\uffff"


def faces(letters: str, without: str = "", folder: Path = FOLDER) -> list[Path]:
    """The files of the faces that have all of these letters and none of those, in the table's order.

    Raises:
        FileNotFoundError: `fetch` did not fill the folder.
    """
    known = files(" ".join(FACES.values()).split(), folder)
    return [path for path in known if has(path, letters) and not any(has(path, one) for one in without)]


def files(wanted: Iterable[str], folder: Path = FOLDER) -> list[Path]:
    """The files of faces, by their names.

    Raises:
        FileNotFoundError: `fetch` did not fill the folder.
    """
    found = [folder / f"{face}.ttf" for face in wanted]
    for path in found:
        if not path.is_file():
            raise FileNotFoundError(f"no face {path}: run python -m training.letters.faces")
    return found


def has(path: Path, letters: str) -> bool:
    """Say whether a face has all of these letters."""
    font = ImageFont.truetype(str(path), 40)
    missing = bytes(font.getmask(_MISSING))
    return all(bytes(font.getmask(letter)) not in (missing, b"") for letter in letters)


def characters(path: Path, among: str) -> frozenset[str]:
    """Those of some characters that a face has."""
    return frozenset(one for one in among if one == " " or has(path, one))


def with_characters(paths: Iterable[Path], among: str) -> list[Face]:
    """Faces as pages are set in them, each with those of some characters that it has."""
    return [Face(path, characters(path, among), fixed=False) for path in paths]


def words(folder: Path = FOLDER) -> list[str]:
    """Russian words, in the dictionary's order."""
    return (folder / "words.txt").read_text(encoding="utf-8").split()


def fetch(out: Path) -> int:
    """Download the packages and keep their faces and words; gives how many files that makes."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = " ".join(FACES.values()).split()
    with tempfile.TemporaryDirectory() as name:
        unpack((*FACES, _WORDS), name)
        found = {path.stem.replace(" ", "_"): path for path in sorted(Path(name).rglob("*.[ot]t[fc]"))}
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
