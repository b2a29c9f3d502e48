"""The story of each part on the line, and of the whole run: what was named, what came, and where they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.audit import Audit
from simulator.scenes import Expectation


@dataclass(frozen=True, slots=True)
class Story:
    """One trigger: the scene behind it, the outcome that it names, and the one that came (None: none came).

    `printed` is what stands on the plate. `data_dir` is where the station keeps its evidence.
    """

    number: int
    scene: str
    summary: str
    station: str
    trigger_id: str
    named: Expectation
    printed: Mapping[str, str]
    outcome: Mapping[str, Any] | None
    latency_ms: float | None
    fault: str = ""
    data_dir: Path = Path()

    @property
    def differences(self) -> tuple[str, ...]:
        """Where the outcome is not the one that the scene names; empty: all as named."""
        if self.outcome is None:
            return ("no outcome came",)
        found = self.named.problems(self.outcome)
        if self.is_wrong_pass:
            found.append("a wrong pass: what was read is not what is printed, or the part should not pass")
        return tuple(found)

    @property
    def is_wrong_pass(self) -> bool:
        """Whether a part passed that should not, or with a text that is not printed on it.

        A part that only looks bad and is read rightly all the same is not as named, and no wrong pass.
        """
        if self.outcome is None or self.outcome.get("disposition") != "pass":
            return False
        texts = self.texts
        return self.named.reason not in ("matched", "unreadable") or any(
            texts.get(name) not in (None, text) for name, text in self.printed.items()
        )

    @property
    def attempts(self) -> Sequence[Mapping[str, Any]]:
        """The looks at the part."""
        return () if self.outcome is None else self.outcome.get("attempts", ())

    @property
    def defects(self) -> list[str]:
        """The defects told, of the outcome and of each attempt, each once."""
        told = [] if self.outcome is None else list(self.outcome.get("defects", ()))
        for attempt in self.attempts:
            told += attempt.get("defects", ())
        return list(dict.fromkeys(told))

    @property
    def texts(self) -> dict[str, str]:
        """The text of each field that was read."""
        fields: Mapping[str, Any] = {} if self.outcome is None else self.outcome.get("fields", {})
        return {name: field["text"] for name, field in fields.items() if field.get("text")}

    @property
    def retake_helped(self) -> bool | None:
        """Whether a retake helped; None where there was none (a second look at a good frame is none)."""
        answers = [attempt["helped"] for attempt in self.attempts if attempt.get("helped") is not None]
        return any(answers) if answers else None


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole run in numbers. `problems` are what the audits and the run itself found wrong, in words.

    `checked` messages of every kind were held against the contract's schemas; `violations` broke them.

    `memory` is, by process, its resident memory early in the run and at its end, in MiB.
    """

    stories: Sequence[Story]
    triggers: int
    outcomes: int
    messages: int
    repeats: int
    is_gapless: bool
    checked: int = 0
    violations: int = 0
    problems: tuple[str, ...] = ()
    memory: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        stories: Sequence[Story],
        audits: Mapping[str, tuple[Audit, Sequence[str]]],
        problems: Iterable[str] = (),
        memory: Mapping[str, tuple[float, float]] | None = None,
    ) -> Summary:
        """Count a run; `audits` holds, by station, what was heard of it and the triggers sent to it."""
        found = list(problems)
        for station, (audit, triggers) in audits.items():
            found += [f"{station}: {problem}" for problem in audit.problems]
            found += [f"{station}: trigger {trigger_id} has no outcome" for trigger_id in audit.missing(triggers)]
            unknown = sorted(set(audit.by_trigger) - set(triggers))
            found += [f"{station}: an outcome came for trigger {trigger_id}, never sent" for trigger_id in unknown]
            if audit.num_problems > len(audit.problems):
                found.append(f"{station}: and {audit.num_problems - len(audit.problems)} further problems")
        heard = [audit for audit, _ in audits.values()]
        return cls(
            stories=stories,
            triggers=sum(len(triggers) for _, triggers in audits.values()),
            outcomes=sum(len(audit.outcomes) for audit in heard),
            messages=sum(audit.messages for audit in heard),
            repeats=sum(audit.repeats for audit in heard),
            is_gapless=all(audit.is_gapless for audit in heard),
            checked=sum(audit.num_checked for audit in heard),
            violations=sum(audit.num_violations for audit in heard),
            problems=tuple(found),
            memory=memory or {},
        )

    @property
    def as_named(self) -> int:
        """How many outcomes are the ones that their scenes name."""
        return sum(not story.differences for story in self.stories)

    @property
    def wrong_passes(self) -> int:
        """How many parts passed that should not, or with a text that is not printed on them."""
        return sum(story.is_wrong_pass for story in self.stories)

    @property
    def reasons(self) -> Counter[tuple[str, str]]:
        """How often each disposition and reason came."""
        told = [story.outcome for story in self.stories if story.outcome is not None]
        return Counter((str(outcome.get("disposition")), str(outcome.get("reason"))) for outcome in told)

    @property
    def retakes(self) -> tuple[int, int]:
        """Parts with a retake, and those of them that it helped."""
        answers = [story.retake_helped for story in self.stories if story.retake_helped is not None]
        return len(answers), sum(answers)

    @property
    def latencies_ms(self) -> list[float]:
        """Trigger sent to outcome heard, shortest first."""
        return sorted(story.latency_ms for story in self.stories if story.latency_ms is not None)

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be: the demo's exit code hangs on this alone."""
        return (
            self.as_named == len(self.stories)
            and self.triggers == self.outcomes
            and self.is_gapless
            and not self.wrong_passes
            and not self.problems
        )


def percentile(sorted_values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not sorted_values:
        return None
    return sorted_values[min(len(sorted_values) - 1, max(0, math.ceil(share * len(sorted_values)) - 1))]
