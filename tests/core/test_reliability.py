"""What counting labelled reads promises: risk falls with the score, thresholds keep their rate and their order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.core.reliability import Scored, bands, least_score, measured, rescaled, risk_table, thresholds

READS = st.lists(st.builds(Scored, st.integers(-40, 40).map(lambda n: n / 4), st.booleans()), min_size=1, max_size=80)


@given(READS)
def test_risk_never_rises_with_the_score(reads: list[Scored]) -> None:
    """The table's scores rise, its shares fall, and none says never."""
    table = risk_table(reads)

    assert list(table) == sorted(table)
    assert all(one[1] >= other[1] for one, other in pairwise(table))
    assert all(0 < share <= 1 for _, share in table)


@given(READS, st.sampled_from([0.5, 0.1, 0.01]))
def test_a_threshold_keeps_its_rate_where_it_was_chosen(reads: list[Scored], rate: float) -> None:
    """Above the least score no more are wrong than the rate allows, reads of one score taken together."""
    score = least_score(rate, reads)

    if score is not None:
        found = measured(reads, score)
        assert found.wrong <= rate * found.accepted


@given(READS, READS)
def test_a_stricter_rate_never_has_a_lower_threshold(chosen: list[Scored], held: list[Scored]) -> None:
    """Rates fall, scores do not, and what was measured is of the other reads."""
    found = thresholds((0.01, 0.5, 0.1), chosen, held)

    assert [one.rate for one in found] == sorted((one.rate for one in found), reverse=True)
    assert [one.score for one in found] == sorted(one.score for one in found)
    assert all(one.measured.of == len(held) and one.measured.accepted for one in found)


def test_few_reads_give_no_rate_that_they_cannot_show_or_say() -> None:
    """Three right reads that are said to be wrong one time in fifty are no proof of one in ten thousand."""
    assert least_score(1e-4, [Scored(4.0, wrong=False)] * 3) is None


def test_scores_are_drawn_to_what_was_counted() -> None:
    """Where half of the reads are wrong that are said to be nearly all right, the scores come down."""
    slope, shift = rescaled([Scored(4.0, wrong=n % 2 == 0) for n in range(200)])

    assert abs(slope * 4.0 + shift) < 0.5


def test_scores_stay_as_they_are_where_they_are_right() -> None:
    """A fit to reads that are as wrong as they are said to be changes next to nothing."""
    reads = [Scored(score, wrong=n < wrong) for score, wrong in ((0.0, 50), (2.2, 10)) for n in range(100)]

    slope, shift = rescaled(reads)

    assert abs(slope - 1) < 0.1
    assert abs(shift) < 0.1


def test_the_reliability_table_counts_every_read_once() -> None:
    """Bands with their reads, wrong ones, and what was said on average."""
    table = bands([Scored(0, wrong=False), Scored(0, wrong=True), Scored(0, wrong=True)], [0.05, 0.2, 0.4], (0, 0.1, 1))

    assert [(band.reads, band.wrong, round(band.said, 3)) for band in table] == [(1, 0, 0.05), (2, 2, 0.3)]
