"""What a calibration came out as, as text: reliability table, error against accept, thresholds with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from edge.core.calibration import Calibration, Measured, clopper_pearson
from edge.core.reliability import Scored, bands

#: Edges of the reliability table, by what share was said to be wrong.
_EDGES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.01)
#: Shares accepted at which the error is printed.
_ACCEPTED = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def show(found: Calibration, held: Sequence[Scored], rates: Sequence[float]) -> None:
    """Print the tables; `held` are the reads that nothing was fitted on or chosen by."""
    _reliability(found, held)
    _curve(held)
    _thresholds(found, rates)
    _looks(found)


def _reliability(found: Calibration, held: Sequence[Scored]) -> None:
    print("\nsaid to be wrong     reads  wrong  said    counted  (95 %)")
    whole = [read for read in held if read.score > float("-inf")]
    for band in bands(whole, [found.wrong_at(read.score) for read in whole], _EDGES):
        low, high = clopper_pearson(band.wrong, band.reads)
        print(
            f"{band.low:8.2%} to {min(band.high, 1.0):7.2%}  {band.reads:5d}  {band.wrong:5d}  {band.said:7.2%}"
            f" {band.wrong / band.reads:7.2%}  ({low:.2%} to {high:.2%})"
        )


def _curve(held: Sequence[Scored]) -> None:
    print("\naccepted, surest first   wrong  share wrong (95 %)")
    ranked = sorted((read for read in held if read.score > float("-inf")), key=lambda read: -read.score)
    for number in sorted({max(1, round(share * len(ranked))) for share in _ACCEPTED} if ranked else ()):
        wrong = sum(read.wrong for read in ranked[:number])
        low, high = clopper_pearson(wrong, number)
        share = f"{wrong / number:.3%} ({low:.3%} to {high:.3%})"
        print(f"{number:6d} of {len(held):5d} {number / len(held):6.1%}  {wrong:6d}  {share}")


def _thresholds(found: Calibration, rates: Sequence[float]) -> None:
    print("\none look: rate asked for   score  accepted        wrong  stated rate (95 %)")
    for rate in rates:
        one = next((one for one in found.thresholds if one.rate == rate), None)
        if one is None:
            print(f"{rate:>24g}   no score is so sure on these plates")
            continue
        print(f"{rate:>24g}  {one.score:6.2f}  {_counted(one.measured)}")
        if one.measured.interval[1] > rate:
            print(f"{'':26}not shown: that takes about {3.7 / rate:.0f} accepted reads with none wrong")


def _looks(found: Calibration) -> None:
    at = f"every character at {found.least_confidence:g} or above"
    for number, one in found.looks.items():
        what = f"{number} agreeing looks" if number > 1 else "one look"
        print(f"{what}, {at}: {_counted(one)}")


def _counted(one: Measured) -> str:
    low, high = one.interval
    return f"{one.accepted:5d} of {one.of:5d}  {one.wrong:5d}  {one.rate:.3%} ({low:.3%} to {high:.3%})"
