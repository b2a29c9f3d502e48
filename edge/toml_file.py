"""A TOML file as people wrote it: its values, the line of every key, and each mistake in it as one sentence.

No sentence repeats a text from the file: a secret may stand in the wrong place. Numbers, and the names of keys, are
repeated.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edge.errors import ConfigError

Key = tuple[str, ...]

MAX_BYTES = 1_000_000
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"))*)\s*=")
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """One read file: where it lies, what it says, and in which line each key stands (where that could be told)."""

    path: Path
    values: dict[str, Any]
    lines: Mapping[Key, int] = field(default_factory=dict)

    def at(self, key: Key) -> str:
        """Name a key for people: file, line, key path. An absent key has the line of its table."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.lines:
                return f"{self.path}:{self.lines[key[:end]]}: {'.'.join(key)}"
        return f"{self.path}: {'.'.join(key)}"

    def refusal(self, error: ValidationError, model: type[BaseModel]) -> ConfigError:
        """What is wrong with this file as a model: every mistake a sentence, with its place."""
        return ConfigError([f"{self.at(one.key)} {one.what}" for one in problems(error, self.values, model)])


def read(path: Path) -> TomlFile:
    """Read one TOML file.

    Raises:
        ConfigError: it cannot be read, or is not TOML; with line and column.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES or not path.is_file() else None
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name one that exists, or make it") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{path}: cannot be read ({why}); name a file that this user may read") from None
    if raw is None:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES} bytes, the most that a configuration file may have")
    return parse(raw, path)


def parse(raw: bytes, path: Path) -> TomlFile:
    """Read the bytes of a TOML file; `path` is where people find them.

    Raises:
        ConfigError: they are not TOML; with line and column.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_sentence(path, str(error), text)) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply to be a configuration") from None
    return TomlFile(path, values, dict(_lines(text)))


def _syntax_sentence(path: Path, message: str, text: str) -> str:
    found = _AT.search(message)
    if found is None or found.group(1) is None:
        line, column = text.count("\n") + 1, len(text.rsplit("\n", 1)[-1]) + 1
    else:
        line, column = int(found.group(1)), int(found.group(2))
    what = _AT.sub("", message)
    what = re.sub(r"['\"].*['\"]|:.*$", "", what).strip() or "it is not TOML"  # tomllib may repeat what it found
    return f"{path}:{line}:{column}: not TOML at line {line}, column {column}: {what}; correct this line"


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    """Where each table and key begins. A line inside a long text that only looks like one gives a wrong hint."""
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header.group(1))
            for end in range(1, len(table) + 1):
                if end == len(table):
                    yield table[:end], number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*table, *_parts(assignment.group(1))), number


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


Where = Callable[[Key], str]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: at which key, and the sentence for people without the place."""

    key: Key
    what: str
    missing: bool = False
    #: Other keys that must be right for this to be a mistake.
    needs: tuple[Key, ...] = ()


def problems(error: ValidationError, values: Mapping[str, Any], model: type[BaseModel]) -> list[Problem]:
    """Every mistake that the model found in these values."""
    found = [_problem(detail, values, model) for detail in error.errors(include_url=False)]
    # A misspelt key is one mistake, not two: it is not missing as well.
    meant = {(*problem.key[:-1], guess) for problem in found if (guess := _guess(problem.what))}
    return [problem for problem in found if not (problem.missing and problem.key in meant)]


def _guess(what: str) -> str:
    found = re.search(r"did you mean (\w+)\?$", what)
    return found.group(1) if found else ""


def _problem(detail: ErrorDetails, values: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    key = _key(detail["loc"], values)
    kind, facts = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(key, f"is an unknown key; {suggestion(key[-1], _known(model, key[:-1], values))}")
    if kind == "missing":
        return Problem(key, "is missing; add it", missing=True)
    if kind == "union_tag_not_found":
        return Problem((*key, "kind"), "is missing; add it", missing=True)
    if kind == "union_tag_invalid":
        return Problem((*key, "kind"), f"is unknown; choose one of {_plain(facts['expected_tags'])}")
    return Problem(key, _value_sentence(kind, facts, detail))


def _value_sentence(kind: str, facts: Mapping[str, Any], detail: ErrorDetails) -> str:
    given = detail["input"]
    shown = f"is {given}, but" if isinstance(given, int | float) and not isinstance(given, bool) else "is wrong: it"
    if kind == "value_error":
        return str(facts["error"])
    if kind in _BOUNDS:
        words, fact = _BOUNDS[kind]
        return f"{shown} must be {words} {facts[fact]}"
    if kind == "literal_error":
        return f"is not one of the allowed values; choose one of {_plain(facts['expected'])}"
    if kind in _LENGTHS:
        words, fact = _LENGTHS[kind]
        return f"must have {words} {facts[fact]} {'characters' if kind.startswith('string') else 'entries'}"
    expected = _TYPES.get(kind, detail["msg"] if kind.startswith("string_pattern") else "a value of another type")
    return f"must be {expected}, and is {_TYPE_NAMES.get(type(given).__name__, 'something else')}"


_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_LENGTHS = {
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}
_TYPES = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text in quotes",
    "path_type": "a path in quotes",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
}
_TYPE_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number with a point",
    "bool": "true or false",
    "dict": "a table",
    "list": "a list",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}


def _plain(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def _key(loc: Sequence[int | str], values: Mapping[str, Any]) -> Key:
    """The key path as the file has it: pydantic adds the chosen `kind` of a table to its own."""
    key: list[str] = []
    here: Any = values
    for part in loc:
        if isinstance(here, Mapping) and here.get("kind") == part and part not in here:
            continue
        key.append(str(part) if isinstance(part, str) else f"{part + 1}")
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
    return tuple(part for part in key if part != "[key]")


def _known(model: type[BaseModel], table: Key, values: Any) -> list[str]:
    """The keys that a table may have."""
    models: list[type[BaseModel]] = [model]
    for part in table:
        values = values.get(part) if isinstance(values, Mapping) else None
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        if fields:  # else `part` is the name of an entry, such as a camera's: its table is of the same models
            models = [inner for one in fields for inner in _models_in(one.annotation)]
        kind = values.get("kind") if isinstance(values, Mapping) else None
        models = [one for one in models if _kind_of(one) in (None, kind)] or models  # a kind may be anything
    return sorted({name for one in models for name in one.model_fields})


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _kind_of(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return None if kind is None else str(get_args(kind.annotation)[0])


def suggestion(word: str, known: Sequence[str]) -> str:
    """What the writer of an unknown key may have meant."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}"
