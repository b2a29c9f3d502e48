"""How often question profiles are answered right, by which reader: `python bench/questions.py [--count 60] [--small]`.

Charts, forms and shelf labels are drawn (`python -m simulator questions`); questions about the past are put together
from the words of the profile, and from others. Each answer is right, refused (by name), or wrong. Of a form each named
field counts; a form that is refused counts as refused with all of its fields. `--small` asks the model that ships with
edge as well, and then also what it refuses because it has not learnt it: the rows say so.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.errors import AnswerError, UseError
from edge.products import NAMEPLATE, to_product
from edge.question_profiles import QuestionProfile, read_profiles
from edge.readers import opening
from edge.readers.profiled import NO_IMAGE, Asked, answer_by
from edge.readers.reader import Image, Reader
from simulator import questions

PROFILES = read_profiles(Path(__file__).parents[1] / "config" / "profiles")
PRODUCT = to_product(NAMEPLATE)
TODAY = date(2026, 11, 27)
#: Another seed than the tests draw by.
SEED = 7
#: What a person adds that the profile's words do not say: it must be refused, and never be left out.
STRANGE = ("before the strike", "that Paul saw", "but not the old ones", "or failed twice", "in the night shift")

Case = tuple[Image, str, Any]


def drawn(kind: str, count: int) -> Iterator[Case]:
    """Pictures of a kind with their questions."""
    for number in range(count):
        one = questions.one(kind, SEED, number)
        for asked in one.questions:
            yield one.frame, asked["question"], asked["answer"]


def about_the_past(count: int, *, strange: bool) -> Iterator[Case]:
    """Questions about the history, each with the query that it means; strange ones mean none."""
    dice = random.Random(f"past {SEED} {strange}")
    shown = ("which parts were {}", "show me the parts that {}", "{} parts please", "list all plates that were {}")
    said = {"hold": ("held", "on hold"), "fail": ("failed", "rejected"), "pass": ("passed", "good")}
    when: dict[str, dict[str, str]] = {"": {}, "since 2026-11-01": {"since": "2026-11-01"}}
    when["yesterday"] = {"since": str(TODAY - timedelta(1)), "until": str(TODAY)}
    when["last week"] = {"since": str(TODAY - timedelta(7))}
    where = {"": {}, "because they could not be read": {"reason": "unreadable"}, "of model GM-40": {"model": "GM-40"}}
    for _ in range(count):
        disposition = dice.choice(list(said))
        day, place = dice.choice(list(when)), dice.choice(list(where))
        question = " ".join((dice.choice(shown).format(dice.choice(said[disposition])), place, day)).strip()
        query = {"disposition": disposition, **when[day], **where[place]}
        if strange:
            yield NO_IMAGE, f"{question} {dice.choice(STRANGE)}", None
        else:
            yield NO_IMAGE, question, {name: query.get(name) for name in PROFILES["outcomes_query"].answer.members}  # type: ignore[union-attr]


def count_of(reader: Reader, profile: QuestionProfile, cases: Iterator[Case]) -> Counter[str]:
    """How many answers, or fields of a form, were right, refused and wrong."""
    count: Counter[str] = Counter()
    for image, question, right in cases:
        many = len(right) if profile.answer.kind == "fields" else 1
        try:
            told = answer_by(reader, Asked(profile, image, question, TODAY), PRODUCT)
        except (AnswerError, UseError):
            count["refused"] += many
            continue
        if profile.answer.kind == "fields":
            assert told.object is not None
            count.update("right" if told.object[name] == one else "wrong" for name, one in right.items())
        else:
            count["right" if (told.object or told.text) == right else "wrong"] += 1
    return count


def row(what: str, who: str, count: Mapping[str, int]) -> None:
    """One line of the table."""
    whole = sum(count.values()) or 1
    shares = " | ".join(f"{100 * count.get(name, 0) / whole:.1f} %" for name in ("right", "refused", "wrong"))
    print(f"| {what} | {who} | {whole} | {shares} |", flush=True)


def main() -> None:
    """Ask, count, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    ocr = opening.open_reader("ocr")
    readers: dict[str, Reader] = {"ocr": ocr}
    if given.small:
        readers["vlm, the small model"] = opening.open_reader("vlm")
    print("| profile | reader | asked | right | refused | wrong |\n| --- | --- | --- | --- | --- | --- |")
    for name, kind in (("medical_form", "forms"), ("shop_yes_no", "shelves"), ("chart_value", "charts")):
        for who, reader in readers.items():
            profile, asked = PROFILES[name], who
            if profile.needs_large_model and reader is not ocr:
                row(name, who, count_of(reader, profile, drawn(kind, 2)))
                profile = profile.model_copy(update={"needs_large_model": False})
                asked = f"{who}, asked all the same"
            row(name, asked, count_of(reader, profile, drawn(kind, given.count)))
    profile = PROFILES["outcomes_query"]
    row("outcomes_query, its words", "any (no model)", count_of(ocr, profile, about_the_past(200, strange=False)))
    row("outcomes_query, strange words", "ocr", count_of(ocr, profile, about_the_past(200, strange=True)))


if __name__ == "__main__":
    main()
