"""A roll-out: a release goes to one station, then to a tenth, then to all, and stops where more parts do not pass.

Laws of this file:

1. A station is given the release only when every earlier stage has ended well, and its own base is known.
2. Whatever is true of a roll-out stands in its state: `orders` follow from it alone, so that whoever was killed goes
   on where the state was kept, and what is ordered twice has the effect of one.
3. An outcome counts once (by its `seq`), and only under the release that decided it.
4. A release that is no worse is stopped with a chance of at most `Limits.error_rate`, over all looks of all stages and
   both signs together.

The test: for each station, held parts before and after the release make a table of two proportions. Under the
hypothesis that the release changes nothing, the number of held parts after it, given each table's margins, is a sum of
independent hypergeometric numbers (Cox, Biometrika 53 (1966) 215-220; of one station it is Fisher's exact test), so the
chance of as many or more is exact at any count, and stations that hold parts more often than others confuse nothing.
Looks, stages and signs share the error rate by Bonferroni's inequality.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil, comb
from typing import Literal

from edge.core.outcome import Disposition

#: One outcome as it is kept: p, h or f.
_LETTER: Mapping[Disposition, str] = {Disposition.PASS: "p", Disposition.HOLD: "h", Disposition.FAIL: "f"}
#: What may get worse: parts held, and parts failed (a wrong pattern fails parts, and holds none).
SIGNS: Mapping[str, str] = {"h": "held", "f": "failed"}

Answer = Literal["", "taken", "refused"]


class Phase(StrEnum):
    """Where a roll-out is: its stage's base is gathered, its stage is tried, or it is over."""

    BASE = "base"
    TRIAL = "trial"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Limits:
    """How a roll-out goes. `shares`: of all stations by the end of each stage; 0 is one station.

    `outcomes` are compared in each stage before and after, in `looks` looks; each station gives its part of them. 0
    outcomes: the release goes to all at once and nothing is compared, as in a roll-back.
    """

    shares: tuple[float, ...] = (0.0, 0.10, 1.0)
    outcomes: int = 300
    looks: int = 4
    error_rate: float = 0.05

    @property
    def chance(self) -> float:
        """The chance below which one test stops the roll-out."""
        return self.error_rate / (len(self.shares) * self.looks * len(SIGNS))


@dataclass(frozen=True, slots=True)
class Station:
    """One station: its outcomes before and after, a letter each, and what it answered to the release."""

    before: str = ""
    after: str = ""
    last_seq: int = 0
    answer: Answer = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A station told an outcome; `number` is that of the release which decided it, 0 for none."""

    station: str
    seq: int
    disposition: Disposition
    number: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A station took or refused the release; `why` where it refused."""

    station: str
    number: int
    answer: Answer
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The whole state. `stages` never change; `why` says why it stopped; `looked` counts the stage's looks."""

    number: int
    stages: tuple[tuple[str, ...], ...]
    limits: Limits = field(default_factory=Limits)
    stations: Mapping[str, Station] = field(default_factory=dict)
    stage: int = 0
    phase: Phase = Phase.BASE
    looked: int = 0
    why: str = ""

    @classmethod
    def of(cls, number: int, stations: Sequence[str], limits: Limits) -> Rollout:
        """The roll-out of a release to these stations, in this order."""
        begun = cls(number, stages(stations, limits.shares), limits, {name: Station() for name in stations})
        return begun.onward()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done."""
        return self.phase in (Phase.DONE, Phase.STOPPED)

    @property
    def orders(self) -> tuple[str, ...]:
        """The stations that are to be given the release now: those reached that have not answered."""
        if self.phase is not Phase.TRIAL:
            return ()
        return tuple(name for name in self.reached if not self.stations[name].answer)

    @property
    def reached(self) -> tuple[str, ...]:
        """The stations that may have been given the release."""
        last = self.stage if self.phase is Phase.BASE else self.stage + 1
        return tuple(name for stage in self.stages[:last] for name in stage)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The stations of this stage that owe outcomes, or an answer."""
        if self.is_over:
            return ()
        return tuple(name for name in self.stages[self.stage] if not self._has_enough(self.stations[name]))

    def each(self, stage: int) -> int:
        """How many outcomes each station of a stage gives, before and after."""
        return ceil(self.limits.outcomes / len(self.stages[stage]))

    def after(self, event: Heard | Answered) -> Rollout:
        """The roll-out once this has happened."""
        if event.station not in self.stations or self.is_over:
            return self
        return self._answered(event) if isinstance(event, Answered) else self._heard(event)

    def _answered(self, event: Answered) -> Rollout:
        known = self.stations[event.station]
        if event.number != self.number or known.answer:
            return self
        heard = self._with(event.station, replace(known, answer=event.answer))
        if event.answer == "refused" and self.limits.outcomes:
            return replace(heard, phase=Phase.STOPPED, why=f"{event.station} refused the release: {event.why}")
        return heard.onward()

    def _heard(self, event: Heard) -> Rollout:
        known = self.stations[event.station]
        if event.seq <= known.last_seq:
            return self
        known = replace(known, last_seq=event.seq)
        letter, most = _LETTER[event.disposition], self.each(self._stage_of(event.station))
        if event.number == self.number:
            known = replace(known, after=(known.after + letter)[:most])
        elif not known.after:
            known = replace(known, before=(known.before + letter)[-most:])
        return self._with(event.station, known).onward()

    def _with(self, name: str, station: Station) -> Rollout:
        return replace(self, stations={**self.stations, name: station})

    def onward(self) -> Rollout:
        """Take whatever step can be taken now; first of all where a roll-out begins."""
        if not self.limits.outcomes:
            return self._at_once()
        if self.phase is Phase.BASE:
            return self if self.waits_for else replace(self, phase=Phase.TRIAL)
        looked = self._look()
        if looked.is_over or looked.waits_for:
            return looked
        if looked.stage + 1 == len(looked.stages):
            return replace(looked, phase=Phase.DONE)
        return replace(looked, stage=looked.stage + 1, phase=Phase.BASE, looked=0).onward()

    def _at_once(self) -> Rollout:
        """All stations have been given the release: over when each has answered, whatever it was."""
        refused = [name for name, one in self.stations.items() if one.answer == "refused"]
        if any(not one.answer for one in self.stations.values()):
            return replace(self, phase=Phase.TRIAL)
        why = f"{', '.join(refused)} refused the release" if refused else ""
        return replace(self, phase=Phase.STOPPED if refused else Phase.DONE, why=why)

    def _look(self) -> Rollout:
        """Test at the next look that is due; a look is due by how many outcomes there are, never by what they say."""
        there = sum(len(self.stations[name].after) for name in self.stages[self.stage])
        due = there * self.limits.looks // (self.each(self.stage) * len(self.stages[self.stage]))
        if due <= self.looked:
            return self
        for letter, word in SIGNS.items():
            chance = chance_of_as_many(self._tables(letter))
            if chance <= self.limits.chance:
                return replace(self, phase=Phase.STOPPED, looked=due, why=self._worse(letter, word, chance))
        return replace(self, looked=due)

    def _tables(self, letter: str) -> Iterator[Table]:
        for name in self.stages[self.stage]:
            one = self.stations[name]
            yield Table(len(one.before), one.before.count(letter), len(one.after), one.after.count(letter))

    def _worse(self, letter: str, word: str, chance: float) -> str:
        tables = list(self._tables(letter))
        before, after = sum(one.before for one in tables), sum(one.after for one in tables)
        return (
            f"stage {self.stage + 1}: {sum(one.worse_after for one in tables)} of {after} parts {word} with the "
            f"release, {sum(one.worse_before for one in tables)} of {before} without: by chance 1 in {1 / chance:.0f}"
        )

    def _has_enough(self, station: Station) -> bool:
        gathered = station.before if self.phase is Phase.BASE else station.after
        return len(gathered) >= self.each(self.stage) and (self.phase is Phase.BASE or station.answer == "taken")

    def _stage_of(self, station: str) -> int:
        return next(place for place, names in enumerate(self.stages) if station in names)


@dataclass(frozen=True, slots=True)
class Table:
    """Of one station: outcomes before and after, and those among them that bear a sign."""

    before: int
    worse_before: int
    after: int
    worse_after: int


def stages(stations: Sequence[str], shares: Sequence[float]) -> tuple[tuple[str, ...], ...]:
    """The stations that each stage adds, in their order; a stage that would add none is left out."""
    ends = [max(1, ceil(share * len(stations) - 1e-9)) for share in shares]
    found, begun = [], 0
    for end in ends:
        if end > begun:
            found.append(tuple(stations[begun:end]))
            begun = end
    return tuple(found)


def chance_of_as_many(tables: Iterable[Table]) -> float:
    """The chance of as many worse outcomes after, or more, given each table's margins, if nothing has changed."""
    seen, chances = 0, [1.0]
    for table in tables:
        seen += table.worse_after
        chances = _sum_of(chances, _hypergeometric(table))
    return min(1.0, sum(chances[seen:]))


def _hypergeometric(table: Table) -> list[float]:
    """The chance of each number of worse outcomes after, from 0 on."""
    worse, outcomes = table.worse_before + table.worse_after, table.before + table.after
    ways = comb(outcomes, table.after)
    return [
        comb(worse, number) * comb(outcomes - worse, table.after - number) / ways
        for number in range(min(worse, table.after) + 1)
    ]


def _sum_of(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """The chances of the sum of two independent numbers."""
    both = [0.0] * (len(one) + len(other) - 1)
    for first, chance in enumerate(one):
        for second, factor in enumerate(other):
            both[first + second] += chance * factor
    return both
