"""Charts, forms and shelf labels: decided by the seed alone, with answers that their profiles allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import regex

from edge.question_profiles import ChoiceAnswer, FieldsAnswer, TextAnswer, read_profiles
from simulator import questions
from simulator.__main__ import main

PROFILES = read_profiles(Path(__file__).parents[2] / "config" / "profiles")


@pytest.mark.parametrize("kind", questions.KINDS)
def test_the_same_seed_draws_the_same_bytes(tmp_path: Path, kind: str) -> None:
    """A folder drawn twice with one seed is the same; another seed asks other things."""
    main(["questions", kind, str(tmp_path / "one"), "--count", "2", "--seed", "3"])
    main(["questions", kind, str(tmp_path / "two"), "--count", "2", "--seed", "3"])
    main(["questions", kind, str(tmp_path / "other"), "--count", "2", "--seed", "4"])
    first, second, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two", "other")
    )

    assert len(first) == 3
    assert first == second
    assert first["labels.jsonl"] != other["labels.jsonl"]


@pytest.mark.parametrize("kind", questions.KINDS)
def test_a_right_answer_is_one_that_the_profile_allows(tmp_path: Path, kind: str) -> None:
    """What a label calls right is never refused: accuracy counts readers, and not the drawing."""
    labels = [json.loads(line) for line in questions.write(kind, 8, tmp_path).read_text(encoding="utf-8").splitlines()]
    asked = [one for label in labels for one in label["questions"]]

    assert len(asked) == 8
    for one in asked:
        profile, right = PROFILES[one["profile"]], one["answer"]
        assert profile.told(one["question"])
        if isinstance(profile.answer, ChoiceAnswer):
            assert right in profile.answer.choices
        elif isinstance(profile.answer, TextAnswer):
            assert regex.fullmatch(profile.answer.pattern or ".*", right)
        else:
            assert isinstance(profile.answer, FieldsAnswer)
            assert right.keys() == profile.answer.fields.keys()
            rules = profile.product.fields
            assert all(rules[name].matches(text) for name, text in right.items() if text is not None)
            assert all(right[name] is not None for name, rule in rules.items() if rule.required)
