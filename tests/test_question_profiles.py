"""Question profile files: every one that ships is right, and a wrong one is refused with all its mistakes (L13)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from edge.errors import ConfigError, UseError
from edge.question_profiles import QueryAnswer, profile_named, read_profile, read_profiles
from edge.readers.query_words import query_of
from edge.settings import load
from tests import smallest_station

FOLDER = Path(__file__).parents[1] / "config" / "profiles"
TODAY = date(2026, 11, 27)
RIGHT = """version = 1
name = "right"
prompt = "{question}"
[answer]
kind = "choices"
choices = ["yes", "no"]
"""


def written(folder: Path, text: str, name: str = "right") -> Path:
    """A profile file of this text."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_profile_that_ships_is_right(path: Path) -> None:
    """Every file in config/profiles is one, and says what it is for."""
    profile = read_profile(path)

    assert profile.about
    assert profile.example or not profile.asks
    assert profile.told(profile.example if profile.asks else "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (('kind = "choices"', 'kind = "choice"'), "answer.kind is unknown; choose one of"),
        (('"yes", "no"', '"yes", "Yes"'), "names one twice; leave one out"),
        (('"yes", "no"', '\'say "yes"\', "no"'), "answer.choices"),
        (("version = 1", "version = 2"), "version is not one of the allowed values"),
        (('prompt = "{question}"', 'prompt = "What is the {field}?"'), "holds {field}, which only"),
        (('name = "right"', 'name = "Wrong!"'), "name must be"),
        (("[answer]", "max_tokens = 0\n[answer]"), "max_tokens is 0, but must be at least 1"),
        (("[answer]", 'view = "whole"\n[answer]'), "view is an unknown key"),
        (('prompt = "{question}"', 'prompt = "Is it?"\nimage.view = "none"'), "must hold {question}"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str], what: str) -> None:
    """A mistake is named with file, key and remedy (L13)."""
    path = written(tmp_path, RIGHT.replace(*change))

    with pytest.raises(ConfigError) as refused:
        read_profile(path)

    assert any(str(path) in one and what in one for one in refused.value.problems), refused.value.problems


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('kind = "text"\npattern = "(a|a)+b"', "can search without end"),
        ('kind = "fields"\n[answer.fields.x]', "prompt asks for fields: it must hold {field}"),
        ('kind = "query"\n[answer.members.n]\nkind = "number"\nleast = 9\nmost = 3', "least is 9, and more than most"),
        ('kind = "query"\n[answer.members.n]\nkind = "choices"\nchoices = ["a"]\nwords = { b = ["c"] }', "words has b"),
    ],
)
def test_a_wrong_answer_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """What an answer may be is checked as a whole (L13)."""
    path = written(tmp_path, f'version = 1\nname = "right"\nprompt = "{{question}}"\n[answer]\n{text}\n')

    with pytest.raises(ConfigError) as refused:
        read_profile(path)

    assert what in str(refused.value)


def test_all_mistakes_of_all_files_are_listed(tmp_path: Path) -> None:
    """Two wrong files beside a right one: each mistake of both is named, and no profile is given (L13)."""
    written(tmp_path, RIGHT)
    written(tmp_path, RIGHT.replace("version = 1", "version = 7").replace('"yes", "no"', '"yes"'), "one")
    written(tmp_path, "not toml", "two")

    with pytest.raises(ConfigError) as refused:
        read_profiles(tmp_path)

    told = refused.value.problems
    assert len(told) == 3
    assert [Path(one.split(":")[0]).name for one in told] == ["one.toml", "one.toml", "two.toml"]


def test_a_file_whose_name_differs_is_refused(tmp_path: Path) -> None:
    """A profile is named as its file is: whoever asks for the name gets that file (L13)."""
    with pytest.raises(ConfigError, match="differs from the file's own name"):
        read_profile(written(tmp_path, RIGHT, "other"))


def test_an_unknown_profile_names_the_known_ones() -> None:
    """Whoever misspells a name hears what was meant."""
    with pytest.raises(UseError, match="did you mean shop_yes_no"):
        profile_named("shop_yesno", FOLDER)


def test_a_station_lists_the_mistakes_of_its_profiles(tmp_path: Path) -> None:
    """A station with a wrong profile does not start, and says every mistake, the settings' own too (L13)."""
    (tmp_path / "profiles").mkdir()
    written(tmp_path / "profiles", RIGHT.replace("version = 1", "version = 7"))
    config = smallest_station.write(tmp_path, "[retake]\nbudget_ms = 999999\n")

    with pytest.raises(ConfigError) as refused:
        load(config, {})

    assert len(refused.value.problems) == 2


QUERY = read_profile(FOLDER / "outcomes_query.toml").answer


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Which parts were held yesterday?", {"disposition": "hold", "since": "2026-11-26", "until": "2026-11-27"}),
        ("Show me the last 20 parts that failed", {"disposition": "fail", "limit": 20}),
        (
            "Welche Teile wurden gestern angehalten?",
            {"disposition": "hold", "since": "2026-11-26", "until": "2026-11-27"},
        ),
        ("all unreadable plates since 2026-11-01", {"reason": "unreadable", "since": "2026-11-01"}),
        ("parts of model GM-40 before 20.11.2026", {"model": "GM-40", "until": "2026-11-20"}),
        ("serial A12-9 please", {"serial": "A12-9"}),
        ("show outcomes", {}),
    ],
)
def test_words_alone_make_a_query(question: str, query: dict[str, object]) -> None:
    """A question of words that the profile knows becomes the query that it means, and nothing beside it."""
    assert isinstance(QUERY, QueryAnswer)
    told = query_of(question, QUERY, TODAY)

    assert told.left == ()
    assert {name: value for name, value in told.query.items() if value is not None} == query


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Which parts were not held?", "not"),
        ("parts that were held or failed", "or"),
        ("the last 9999 parts", "9999"),
        ("parts held since 2026-02-30", "2026-02-30"),
        ("'; DROP TABLE outcomes; --", "DROP"),
    ],
)
def test_a_word_that_means_nothing_known_is_left_over(question: str, left: str) -> None:
    """A condition that is not understood is never dropped: it may be the one that counts (L4)."""
    assert isinstance(QUERY, QueryAnswer)
    told = query_of(question, QUERY, TODAY)

    assert left in told.left
