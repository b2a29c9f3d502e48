"""Product files: what to read on which product. Every mistake in a file is found before the line starts (L13).

A pattern is `regex` syntax over the whole text. One that could search without end is refused: it is tried on texts
made to provoke that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import regex
import structlog
from pydantic import AfterValidator, Field, ValidationError

from edge import toml_file
from edge.core.fields import FieldRule, Limits, Product
from edge.core.gate import DEFAULT_LIMITS
from edge.errors import ConfigError
from edge.section_types import Table

log = structlog.get_logger()

#: Longest text that a field can have; a longer one matches no pattern.
MAX_TEXT = 256
#: A sound pattern decides any text of `MAX_TEXT` in well under a millisecond.
PROBE_S = 0.1
PROBE_AGAIN_S = 1.0
MATCH_S = 1.0
BUILT_IN = "nameplate"
#: How a file begins that the page wrote where it may not change the original; the original's SHA-256 follows.
_EDITED = "# Edited on the page, in the place of the file with SHA-256 "

Score = Annotated[int, Field(ge=0, le=100, strict=True)]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Gate(Table):
    """The least score, 0 (worst) to 100 (best), that each measure of a frame needs. Unset: the default of edge."""

    sharpness: Score | None = Field(default=None, description="Sharpness of the strokes, score 0 to 100.")
    motion: Score | None = Field(default=None, description="Freedom from motion blur, score 0 to 100.")
    glare: Score | None = Field(
        default=None, description="Freedom from highlights that hide characters, score 0 to 100."
    )
    overexposure: Score | None = Field(default=None, description="Freedom from clipped bright pixels, score 0 to 100.")
    underexposure: Score | None = Field(default=None, description="Freedom from clipped dark pixels, score 0 to 100.")
    contrast: Score | None = Field(default=None, description="Contrast of ink and ground, score 0 to 100.")
    text_height: Score | None = Field(default=None, description="Height of the text in the frame, score 0 to 100.")
    subject_area: Score | None = Field(
        default=None, description="Share of the frame that the plate covers, score 0 to 100."
    )
    cut_off: Score | None = Field(
        default=None, description="Freedom from text cut off at the frame's edge, score 0 to 100."
    )
    tilt: Score | None = Field(default=None, description="Uprightness of the text, score 0 to 100.")

    def over(self, below: Mapping[Any, int]) -> dict[Any, int]:
        """These limits, and those of `below` where none is set here."""
        return {**below, **self.model_dump(exclude_none=True)}


def sound_pattern(text: str) -> str:
    """Pass a pattern on that decides any text in time, and not the empty one.

    Raises:
        ValueError: it does not; says why.
    """
    try:
        regex.compile(text)
    except (regex.error, RecursionError, OverflowError) as error:
        at: int | None = getattr(error, "pos", None)
        where = "" if at is None else f" at character {at + 1}"
        raise ValueError(f"is no pattern of `regex` syntax{where}; correct it") from None
    if _searches_on(text):
        raise ValueError(
            f"can search without end: it did not decide a text of at most {MAX_TEXT} characters in {PROBE_AGAIN_S} s; "
            "write it without choices or repeats inside repeats, such as (a|a)+"
        )
    if regex.fullmatch(text, "", timeout=PROBE_S):
        raise ValueError("matches the empty text, which means that nothing is there; let it ask for a character")
    return text


def _searches_on(pattern: str) -> bool:
    """Whether the pattern does not decide a text in time; a second, longer try tells it from a busy machine."""
    for text in _provocations(pattern):
        for limit_s in (PROBE_S, PROBE_AGAIN_S):
            try:
                regex.fullmatch(pattern, text, timeout=limit_s)
                break
            except TimeoutError:
                continue
        else:
            return True
    return False


def _provocations(pattern: str) -> Iterator[str]:
    """Texts of many equal or alternating characters with a wrong end: what makes a careless pattern search on."""
    letters = sorted({c for c in pattern if c.isalnum() or c in " -/._"} | set("0a A1Z-"))[:24]
    # `regex` gives up at once where a character that must come is nowhere: let each of them come.
    all_letters = "".join(letters)
    for letter in letters:
        for end in ("", "!", f"{all_letters}!", f"{all_letters}!{all_letters}"):
            yield letter * 40 + end
            yield letter * (MAX_TEXT - len(end)) + end
    for one in letters[:12]:
        for other in letters[:12]:
            if one != other:
                yield (one + other) * 30 + f"!{all_letters}"


def _groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    for group in groups:
        if len(group) < 2 or len(set(group)) < len(group) or any(c.isspace() for c in group):
            raise ValueError('has a group that is not two or more different characters, such as "0O"; correct it')
    if len(set(groups)) < len(groups):
        raise ValueError("names a group twice; leave one out")
    return groups


def _keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if any(not key.strip() for key in keys):
        raise ValueError("has an empty key word; leave it out")
    if len({key.casefold() for key in keys}) < len(keys):
        raise ValueError("names a key word twice; leave one out")
    return keys


class FieldTable(Table):
    """One field to read."""

    pattern: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(sound_pattern)] | None = Field(
        default=None, description="What the whole text looks like, `regex` syntax; unset: any text."
    )
    keys: Annotated[tuple[str, ...], Field(max_length=50), AfterValidator(_keys)] = Field(
        default=(), description="What is printed beside it, on top of the built-in key words of many languages."
    )
    required: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Whether a part without it is held; true or false."
    )
    confusable: Annotated[tuple[str, ...], Field(max_length=50), AfterValidator(_groups)] = Field(
        default=(),
        description="Groups of characters that readers mix up; reported as a rule when used, never applied silently.",
    )
    check: Literal["luhn", "mod11", "mod97", "gs1"] | None = Field(
        default=None, description="Check digit: luhn, mod11, mod97 or gs1; unset: none."
    )
    min_confidence: float = Field(
        default=0.90, gt=0, le=1, allow_inf_nan=False, description="Least confidence of every character, 0 to 1."
    )
    max_new_tokens: Annotated[int, Field(strict=True)] = Field(
        default=32, ge=1, le=256, description="Longest text that the vlm reader may write, tokens."
    )
    question: str = Field(
        default="",
        max_length=500,
        description="What the vlm reader is asked; unset: a question made from the field's name.",
    )


class ProductErp(Table):
    """How the part is checked against the record."""

    mode: Literal["verify", "identify"] = Field(
        default="identify",
        description="verify: MES said which part is expected; identify: read first, then find the record.",
    )


class ProductFile(Table):
    """A product file, as DESIGN gives it."""

    version: Literal[1] = Field(description="Version of this file's form; 1.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", description="Name of the product.")
    fields: Annotated[dict[FieldName, FieldTable], Field(min_length=1, max_length=50)] = Field(
        description="What to read; the two that every plate has are model and serial."
    )
    gate: Gate = Field(default=Gate(), description="Limits that differ from the station's.")
    erp: ProductErp = Field(default=ProductErp(), description="How the part is checked against the record.")


@dataclass(frozen=True, slots=True)
class WholeText:
    """Whether a text has the pattern as a whole; a text that is too long, or takes too long, has not."""

    pattern: str

    def __call__(self, text: str) -> bool:
        """Match one text."""
        return len(text) <= MAX_TEXT and has_pattern(text, self.pattern)


def has_pattern(text: str, pattern: str) -> bool:
    """Whether a text has the pattern as a whole; one that takes longer than `MATCH_S` has not."""
    try:
        return _compiled(pattern).fullmatch(text, timeout=MATCH_S) is not None
    except TimeoutError:
        log.warning("pattern took too long", pattern=pattern, length=len(text), limit_s=MATCH_S)
        return False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)


def any_text(_text: str) -> bool:
    """Match every text: the field has no pattern."""
    return True


def _rule(name: str, table: FieldTable) -> FieldRule:
    matches: Callable[[str], bool] = any_text if table.pattern is None else WholeText(table.pattern)
    facts = table.model_dump()
    facts["question"] = table.question or f"What is the {name.replace('_', ' ')}? Answer with its text only."
    if name == "model" and not table.question:
        facts["question"] = "What is the model or type? Answer with its text only."
    if name == "serial" and not table.question:
        facts["question"] = "What is the serial number? Digits and letters only."
    return FieldRule(name=name, matches=matches, **facts)


def to_product(file: ProductFile, station_gate: Gate | None = None) -> Product:
    """The product as the core knows it: its limits over the station's, over the defaults."""
    limits = file.gate.over((station_gate or Gate()).over(DEFAULT_LIMITS.min_scores))
    return Product(
        name=file.name,
        fields=MappingProxyType({name: _rule(name, table) for name, table in file.fields.items()}),
        limits=Limits(MappingProxyType(limits)),
        mode=file.erp.mode,
    )


#: Reads a model and a serial with no pattern: what there is without a product file.
NAMEPLATE = ProductFile(version=1, name=BUILT_IN, fields={"model": FieldTable(), "serial": FieldTable()})


def read_product(name_or_path: str, folder: Path | None = None, edited: Path | None = None) -> ProductFile:
    """Find and check a product file by its name in the folder, or by its path.

    `edited` is the folder of files that the page wrote where it may not write into the other one: they count.

    Raises:
        ConfigError: there is none, or it is wrong; lists all mistakes.
    """
    path = place_of(name_or_path, folder, edited)
    if path is None:
        return NAMEPLATE
    by_name = Path(name_or_path).suffix != ".toml"
    return checked_product(toml_file.read(path), name_or_path if by_name else None)


def checked_product(file: toml_file.TomlFile, name: str | None = None) -> ProductFile:
    """The product that a read file says, which must bear the name.

    Raises:
        ConfigError: it is wrong; lists all mistakes.
    """
    try:
        product = ProductFile.model_validate(file.values)
    except ValidationError as error:
        raise file.refusal(error, ProductFile) from None
    if name is not None and product.name != name:
        raise ConfigError(f"{file.at(('name',))} differs from the file's own name; make them the same")
    return product


def load_product(
    name_or_path: str, folder: Path | None = None, station_gate: Gate | None = None, edited: Path | None = None
) -> Product:
    """The product of that name in the folder, or of that path; `nameplate` is built in.

    Raises:
        ConfigError: there is none, or it is wrong; lists all mistakes.
    """
    return to_product(read_product(name_or_path, folder, edited), station_gate)


def is_path(name_or_path: str) -> bool:
    """Whether a product is named by its file."""
    return "/" in name_or_path or name_or_path.endswith(".toml")


def mark_of(original: Path | None) -> str:
    """The first line of a file that the page wrote in the place of another: which one it was made from."""
    is_there = original is not None and original.is_file()
    what = hashlib.sha256(original.read_bytes()).hexdigest() if original is not None and is_there else "none"
    return f"{_EDITED}{what}"


def without_mark(text: str) -> str:
    """A product file's text as a person edits it."""
    return text.partition("\n")[2] if text.startswith(_EDITED) else text


def _edited_place(name: str, folder: Path | None, edited: Path) -> Path | None:
    """The file that the page wrote, where there is one.

    Raises:
        ConfigError: the file that it was made from is another by now, so that nobody can say which one is meant.
    """
    made, original = edited / f"{name}.toml", None if folder is None else folder / f"{name}.toml"
    if not made.is_file():
        return None
    try:
        first = made.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        if first != mark_of(original):
            raise ConfigError(
                f"{made}: was made on the page from another {original or name} than there is now, so that two files "
                "say what this product is; take its changes over there and remove it, or remove it alone"
            )
    except OSError as error:
        raise ConfigError(f"{made}: cannot be read ({error.strerror}); let this user read it, or remove it") from None
    return made


def place_of(name_or_path: str, folder: Path | None, edited: Path | None = None) -> Path | None:
    """A product's file; None for the built-in one.

    Raises:
        ConfigError: there is none of that name, or there are two that disagree.
    """
    is_named = not is_path(name_or_path)
    if is_named and edited is not None and (made := _edited_place(name_or_path, folder, edited)) is not None:
        return made
    if not is_named:
        given = Path(name_or_path)
        return given if given.is_absolute() or given.exists() or folder is None else folder / given
    if folder is not None and (folder / f"{name_or_path}.toml").is_file():
        return folder / f"{name_or_path}.toml"
    if name_or_path == BUILT_IN:
        return None
    known = sorted({BUILT_IN, *(path.stem for path in folder.glob("*.toml"))} if folder is not None else {BUILT_IN})
    raise ConfigError(
        f"product {name_or_path!r} is not in {folder or 'the built-in ones'}; "
        f"{toml_file.suggestion(name_or_path, known)}"
    )
