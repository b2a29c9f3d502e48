"""Shows a run while it goes on: a table that grows and a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulator.story import Story, Summary, percentile

_COLUMNS = (
    ("part", 4, "right"),
    ("scene", 25, "left"),
    ("looks", 5, "right"),
    ("defects", 22, "left"),
    ("retake", 7, "left"),
    ("fields", 23, "left"),
    ("verdict", 26, "left"),
    ("ms", 6, "right"),
)
_HEADS = [Text(name, style="bold") for name, _, _ in _COLUMNS]
_STYLES = {"pass": "green", "fail": "red", "hold": "yellow", "none": "bold red"}


class Show:
    """What the person at the terminal sees; `keep` where a picture of it is wanted afterwards."""

    def __init__(self, *, keep: bool = False) -> None:
        self.console = Console()
        # A live display overwrites itself, so a picture of it is made anew from what was printed.
        self._kept: list[tuple[RenderableType, str]] | None = [] if keep else None
        self._progress: Progress | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is shown on a terminal."""
        return self.console.is_terminal

    def say(self, text: str) -> None:
        """One line in between."""
        self._print(text, "dim" if self.is_live else "")

    @contextmanager
    def running(self, parts: int) -> Iterator[None]:
        """Show the progress of so many parts, with an estimate of the time that is left."""
        if not self.is_live:
            yield
            return
        self._print(_row(_HEADS))
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._progress = progress
        progress.add_task("parts", total=parts)
        try:
            with Live(progress, console=self.console, transient=True, refresh_per_second=4):
                yield
        finally:
            self._progress = None

    def part(self, story: Story) -> None:
        """Show one part."""
        if self.is_live:
            self._print(_row(_cells(story)))
        else:
            self._print(_line(story))
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])

    def summary(self, summary: Summary) -> None:
        """Show the run in numbers, and every difference."""
        for problem in summary.problems:
            self._print(f"wrong: {problem}", "bold red")
        for story in summary.stories:
            for difference in story.differences:
                self._print(f"differs: part {story.number} {story.scene}: {difference}", "red")
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, value in _facts(summary):
            table.add_row(Text(name, style="dim"), value)
        self._print("")
        self._print(table)

    def save(self, path: str) -> None:
        """Write what was shown as an SVG picture."""
        paper = Console(record=True, width=sum(width + 1 for _, width, _ in _COLUMNS), file=io.StringIO())
        for renderable, style in self._kept or ():
            paper.print(renderable, style=style, highlight=False)
        picture = paper.export_svg(title="edge demo")
        # rich names a font on an outside host; whoever looks at the picture has a monospace font of their own.
        Path(path).write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")

    def _print(self, renderable: RenderableType, style: str = "") -> None:
        self.console.print(renderable, style=style, highlight=False, soft_wrap=isinstance(renderable, str))
        if self._kept is not None:
            self._kept.append((renderable, style))


def _row(cells: list[Text]) -> Table:
    """One row by itself: a table that is printed row by row scrolls like any other text."""
    table = Table.grid(padding=(0, 1))
    for _, width, justify in _COLUMNS:
        table.add_column(width=width, justify=justify, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    table.add_row(*cells)
    return table


def _cells(story: Story) -> list[Text]:
    kind = _kind(story)
    helped = story.retake_helped
    verdict = Text(f"{kind} {_reason(story)}", style=_STYLES.get(kind, ""))
    if story.differences:
        verdict.append(" differs", style="bold red")
    return [
        Text(str(story.number), style="dim"),
        Text(story.scene),
        Text(str(len(story.attempts))),
        Text(", ".join(story.defects), style="yellow"),
        Text("" if helped is None else "helped" if helped else "no help", style="green" if helped else "dim"),
        Text(" ".join(story.texts.values()), style="cyan"),
        verdict,
        Text("" if story.latency_ms is None else f"{story.latency_ms:.0f}"),
    ]


def _line(story: Story) -> str:
    told = [f"part {story.number}", story.scene, f"{_kind(story)} {_reason(story)}", f"looks {len(story.attempts)}"]
    told += [f"defects {','.join(story.defects)}"] if story.defects else []
    told += [f"retake {'helped' if story.retake_helped else 'no help'}"] if story.retake_helped is not None else []
    told += [f"{name}={text}" for name, text in story.texts.items()]
    told += [] if story.latency_ms is None else [f"{story.latency_ms:.0f} ms"]
    told += [f"DIFFERS: {'; '.join(story.differences)}"] if story.differences else []
    return " | ".join(told)


def _facts(summary: Summary) -> list[tuple[str, Text]]:
    retaken, helped = summary.retakes
    p50, p99 = (percentile(summary.latencies_ms, share) for share in (0.50, 0.99))
    reasons = ", ".join(f"{reason} {count}" for (_, reason), count in summary.reasons.most_common())
    gap = Text("gapless") if summary.is_gapless else Text("has a gap", style="bold red")
    equal = summary.triggers == summary.outcomes
    counted = f"{summary.triggers} triggers, {summary.outcomes} outcomes, {summary.messages} messages"
    facts = [
        (
            "as named",
            Text(f"{summary.as_named} of {len(summary.stories)}", style="green" if summary.is_good else "red"),
        ),
        ("reasons", Text(reasons)),
        ("count", Text(f"{counted} ({summary.repeats} repeats)", style="" if equal else "bold red")),
        ("sequence", gap),
        (
            "contract",
            Text(
                f"{summary.checked} messages, {summary.violations} violations",
                style="bold red" if summary.violations else "",
            ),
        ),
        ("wrong passes", Text(str(summary.wrong_passes), style="bold red" if summary.wrong_passes else "green")),
        ("retakes", Text(f"{retaken} parts with a retake, it helped {helped}")),
        ("latency", Text("none" if p50 is None or p99 is None else f"p50 {p50:.0f} ms, p99 {p99:.0f} ms")),
    ]
    for process, (early, late) in sorted(summary.memory.items()):
        facts.append((f"memory {process}", Text(f"{early:.0f} MiB, then {late:.0f} MiB ({late / early - 1:+.1%})")))
    return facts


def _kind(story: Story) -> str:
    return "none" if story.outcome is None else str(story.outcome.get("disposition"))


def _reason(story: Story) -> str:
    return "no outcome" if story.outcome is None else str(story.outcome.get("reason"))
