"""From a few examples of a field to its rule: a pattern, the characters that readers mix up in it, a check digit.

A pattern from examples is a guess. It says no more than they show: runs of digits and letters of the lengths seen,
separators as they are, and what all of at least three different examples begin with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from edge.core.fields import CHECKS, FieldRule, normalise

#: So many different examples must share a beginning before it is taken for fixed, and have a right check digit before
#: they have one: by chance three do in about 3 of 1000, over the four checks that there are.
LEAST_EXAMPLES = 3
#: With more forms than this the pattern says only which characters there are, and how many.
MOST_FORMS = 6
#: Longest pattern that a product file may have.
MOST_CHARACTERS = 1000
#: Characters that readers mix up: the digit first.
CONFUSABLE = ("0O", "1I", "2Z", "5S", "6G", "8B")

_CLASSES = {"digit": "0-9", "upper": "A-Z", "lower": "a-z"}
_RUN = re.compile(r"(?P<digit>[0-9]+)|(?P<upper>[A-Z]+)|(?P<lower>[a-z]+)|(?P<mark>.)", re.DOTALL)
_SPECIAL = frozenset("\\.^$*+?{}[]|()")

_Run = tuple[str, str]
"""Kind ("digit", "upper", "lower", or the mark itself), text."""


@dataclass(frozen=True, slots=True)
class Generalised:
    """What examples say about a field: its pattern, its confusable groups, and the check digit that all have."""

    pattern: str
    confusable: tuple[str, ...] = ()
    check: str | None = None


def generalise(examples: Sequence[str], *, checked: bool = True) -> Generalised:
    """Generalise a field's examples; every one of them, in its plain form (`normalise`), matches the pattern.

    Args:
        examples: texts as printed; at least one that is not blank.
        checked: whether a check digit is looked for.

    Raises:
        ValueError: there is no example.
    """
    plain = [text for text in dict.fromkeys(normalise(one, FieldRule(""))[0] for one in examples) if text]
    if not plain:
        raise ValueError("no example has a text; give at least one")
    check = next((name for name in sorted(CHECKS) if all(CHECKS[name](text) for text in plain)), None)
    characters = _possible(plain)
    return Generalised(
        _pattern([_runs(text) for text in plain], plain),
        tuple(group for group in CONFUSABLE if any(c in characters for c in group)),
        check if checked and len(plain) >= LEAST_EXAMPLES else None,
    )


def _runs(text: str) -> tuple[_Run, ...]:
    found = []
    for match in _RUN.finditer(text):
        kind = match.lastgroup or "mark"
        found.append((match[0] if kind == "mark" else kind, match[0]))
    return tuple(found)


def _pattern(examples: Sequence[tuple[_Run, ...]], plain: Sequence[str]) -> str:
    fixed = _shared(examples) if len(examples) >= LEAST_EXAMPLES else 0
    forms: dict[tuple[str, ...], list[tuple[_Run, ...]]] = {}
    for example in examples:
        forms.setdefault(tuple(kind for kind, _ in example), []).append(example)
    written = [_form(those, fixed) for those in forms.values()]
    pattern = written[0] if len(written) == 1 else f"(?:{'|'.join(written)})"
    if len(written) > MOST_FORMS or len(pattern) > MOST_CHARACTERS:
        pattern = _characters(plain)
    return pattern if len(pattern) <= MOST_CHARACTERS else f".{_times(plain)}"


def _shared(examples: Sequence[tuple[_Run, ...]]) -> int:
    """Count the runs with which all examples begin; what comes last is never fixed."""
    columns = zip(*(example[:-1] for example in examples), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _form(examples: Sequence[tuple[_Run, ...]], fixed: int) -> str:
    """Write examples whose runs are of the same kinds."""
    written = []
    for number, column in enumerate(zip(*examples, strict=True)):
        kind, text = column[0]
        if number < fixed or kind not in _CLASSES:
            written.append("".join(f"\\{c}" if c in _SPECIAL else c for c in text))
        else:
            written.append(f"[{_CLASSES[kind]}]{_times([text for _, text in column])}")
    return "".join(written)


def _characters(plain: Sequence[str]) -> str:
    """Write which characters there are, and how many of them."""
    kinds = {kind for text in plain for kind, _ in _runs(text)}
    classes = "".join(range_ for kind, range_ in _CLASSES.items() if kind in kinds)
    marks = "".join(f"\\{mark}" if mark in "\\]^-[&~|" else mark for mark in sorted(kinds - _CLASSES.keys()))
    return f"[{classes}{marks}]{_times(plain)}"


def _times(texts: Sequence[str]) -> str:
    least, most = min(map(len, texts)), max(map(len, texts))
    if least == most:
        return "" if most == 1 else f"{{{most}}}"
    return f"{{{least},{most}}}"


def _possible(plain: Sequence[str]) -> frozenset[str]:
    """Give the characters that a pattern of these examples has room for."""
    kinds = {kind for text in plain for kind, _ in _runs(text)}
    ranges = {"digit": "0123456789", "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lower": ""}
    return frozenset("".join(ranges.get(kind, kind) for kind in kinds))
