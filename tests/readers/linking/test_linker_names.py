"""The linker's promises about models that no key names: where such a name begins and ends, and what is none."""

from __future__ import annotations

import pytest

from edge.core.fields import FieldRule, Product
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset

NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})
SIZE = (4000, 4000)


def model_of(drawing: str) -> str:
    """Link a drawing without a product file."""
    return link(typeset(drawing), NAMEPLATE, SIZE)["model"].text


@pytest.mark.parametrize("text", ["TOK77,08 g", "PN860 bar", "Cl. F S1 cos ph 0.89"])
def test_a_rating_with_its_caption_glued_to_it_or_cut_is_no_model(text: str) -> None:
    """A caption that is not known and a number with its unit name nothing, though no blank parts them."""
    assert model_of(f"# KELVIA\n{text}\nS/N: 40123987") == ""


@pytest.mark.parametrize("text", ["NCU229 W", "SX200 HP", "UPS 25-40"])
def test_a_variant_in_capitals_is_no_unit(text: str) -> None:
    """Capitals behind a code are a part of the name."""
    assert model_of(f"# KELVIA\n{text}\nS/N: 40123987") == text


def test_a_variant_behind_a_size_is_no_unit_of_it() -> None:
    """What stands behind a slash and its letter may look like a rating; an order code says which is the model."""
    assert model_of("# KELVIA\nK63F/100 A\nS/N: 40123987\nArticle No. K63F/100-X7") == "K63F/100"


@pytest.mark.parametrize("name", ["Aqua 9", "Homeline 5(B48)", "Homeline 3E"])
def test_a_name_does_not_begin_in_the_midst_of_words(name: str) -> None:
    """A name of a word and a number is told whole, and with no word of what the thing is."""
    assert model_of(f"# KELVIA\nHeat pump {name}\nS/N: 40123987").removeprefix("Heat pump ") == name
    assert model_of(f"# KELVIA\n{name}\nS/N: 40123987") == name


@pytest.mark.parametrize("company", ["KELVIA S.p.A.", "Kelvia GmbH", "Kelvia Ltd."])
def test_a_company_behind_a_model_in_one_box_is_no_part_of_it(company: str) -> None:
    """Where a detector takes a model and the maker beside it for one, the model ends before the company's name."""
    assert model_of(f"K20B/296 AE {company}\nS/N: 40123987\n230 V") == "K20B/296 AE"


def test_a_number_before_a_company_is_no_value_of_its_own() -> None:
    """A year or a post code stays a part of the line that names the company."""
    assert model_of("Model\n2019 Kelvia Ltd.\nS/N: 40123987\n230 V") == ""


def test_a_model_without_a_key_is_not_given_up_for_a_worse_one_on_the_serial_numbers_plate() -> None:
    """Only a model at a key of its own elsewhere gives way to one that would do by itself."""
    drawing = "# KELVIA\nHeat pump U53D/646" + "\n" * 14 + "EPWR72014\n\nS/N: 40123987\nPOWER 230 V"

    assert model_of(drawing) == "U53D/646"


@pytest.mark.parametrize("behind", [" & ① IP21", "&① Soft starter", " &①Elektromotor", " ® Estufa"])
@pytest.mark.parametrize("key", ["", "Model: "])
def test_a_sign_behind_a_model_ends_it(key: str, behind: str) -> None:
    """A figure in a circle or the sign of a registered name is no part of a name, nor is what stands behind it."""
    assert model_of(f"# KELVIA\n{key}V-812-WN{behind}\nS/N: 40123987") == "V-812-WN"


def test_a_sentence_is_no_model() -> None:
    """Small print above a key names nothing, though it ends with a word and a number."""
    drawing = "KELVIA\nThis device complies with part 15 of the FCC Rules\nModel\n\n\nS/N: 40123987"

    assert model_of(drawing) == ""
