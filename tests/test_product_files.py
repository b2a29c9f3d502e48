"""Product files: what a right one gives, and which patterns are taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from edge import products
from edge.core.fields import CHECKS
from edge.products import FieldTable, WholeText, load_product

CONFIG = Path(__file__).parent.parent / "config"


def test_the_built_in_product_is_the_shipped_file() -> None:
    """Without any file `nameplate` reads a model and a serial with no pattern, as the shipped file does."""
    shipped, built_in = load_product("nameplate", CONFIG / "products"), load_product("nameplate")

    assert built_in == shipped
    assert list(built_in.fields) == ["model", "serial"]
    assert all(rule.pattern is None and rule.matches("anything") for rule in built_in.fields.values())


def test_the_product_of_the_design_is_taken_word_for_word(tmp_path: Path) -> None:
    """The product file that the design gives, with all its keys, becomes the rule that it says."""
    path = tmp_path / "gearmotor.toml"
    path.write_text((CONFIG / "products" / "gearmotor.toml").read_text(encoding="utf-8"), encoding="utf-8")

    product = load_product(str(path))

    rule = product.fields["serial"]
    assert product.mode == "verify"
    assert rule.keys == ("S/N", "Fabr.-Nr.")
    assert rule.confusable == ("0O", "1I", "8B")
    assert (rule.required, rule.min_confidence, rule.max_new_tokens) == (True, 0.9, 32)
    assert rule.question == "What is the serial number? Digits and letters only."
    assert rule.matches("12345678AB")
    assert not rule.matches("12345678ABC")
    assert not rule.matches("x12345678AB")


@given(st.text(max_size=300))
def test_a_pattern_is_of_the_whole_text(text: str) -> None:
    """A pattern takes a text as a whole, whatever the text; a text past the limit matches nothing."""
    matches = WholeText("(?s).{1,400}")

    assert matches(text) == (0 < len(text) <= products.MAX_TEXT)


def test_a_pattern_that_takes_too_long_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that gets past the checks and searches on is cut off, and matches nothing."""
    monkeypatch.setattr(products, "MATCH_S", 0.05)
    monkeypatch.setattr(products, "log", structlog.wrap_logger(structlog.ReturnLogger()))  # its own may be closed

    assert not WholeText("(a|a)+")("a" * 60 + "!")


@pytest.mark.parametrize(
    "pattern",
    ["(a|aa)+", "([0-9]|[0-5])+[A-Z]", r"(\w|[0-9])+[A-Z]", "(?:.|..)+z"],
)
def test_a_pattern_that_can_search_on_is_refused(pattern: str) -> None:
    """Patterns that need time without end for some text are refused at the start (L13)."""
    with pytest.raises(ValueError, match="without end"):
        FieldTable(pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9]{8}[A-Z]{2}",
        "(?:[A-Z]{1,3}[0-9]{0,4}[- ]?){1,6}",
        r"\p{Lu}{2,4}-\d+(?:/\d+)?",
        "(AX|BX|CX)-[0-9]+",
        "[^ ]+",
    ],
)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    """Patterns as people write them for serials and models are not refused."""
    assert FieldTable(pattern=pattern).pattern == pattern


def test_the_checks_of_a_field_are_those_of_the_core() -> None:
    """A product file may name every check digit that the core can compute, and no other."""
    for check in CHECKS:
        assert FieldTable.model_validate({"check": check}).check == check
    with pytest.raises(ValueError, match="check"):
        FieldTable.model_validate({"check": "none"})
