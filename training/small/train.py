"""Train the small model from nothing, or on from a checkpoint, within a given time.

    python -m training.small.train --minutes 9 --out OUT [--resume OUT/checkpoint] [--device cuda]

The eye first: only once rows of senseless text are spelt right (CTC on the vision tower) does the language part learn,
at first from a few lines, then from whole plates. OUT gets model.tar.000 (the shipped folder), checkpoint.000 …,
and curve.jsonl, each under 16 MiB, every two minutes and at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.small import files, fonts, judge, light, tokens
from training.small.losses import batch_on, character_errors, exact, losses
from training.small.model import CTC_ALPHABET, Net, Shape
from training.small.plates import EYE, FEW, WHOLE, Block, Maker
from training.small.pool import Pool

#: Sheets of a batch by their height in rows: about 1000 rows.
SHEETS = {4: 256, 6: 176, 9: 112, 12: 80, 18: 48}
TINY = dict.fromkeys(SHEETS, 16)
#: Share of the time after which a stage ends at the latest; it ends as soon as the eye spells, or few lines are read.
_UNTIL = {EYE: 0.30, FEW: 0.50}
_EYE_LEAST, _EYE_GOOD, _FEW_GOOD = 0.05, 0.03, 0.85
_CTC_SHARE = {EYE: 1.0, FEW: 0.4, WHOLE: 0.2}
_WARM_UP = 200
_LOG_EVERY, _KEEP_EVERY_S, _JUDGE_EVERY_S = 50, 120.0, 75.0
#: Seconds that the last judging and saving need.
_CLOSING_S = 20.0


@dataclass(slots=True)
class Course:
    """Where the training stands."""

    stage: int = EYE
    step: int = 0
    text_step: int = 0
    sheets: int = 0
    errors: float = 1.0  # smoothed character error rate
    exact: float = 0.0  # smoothed share of right answers on the training batches
    curve: list[dict[str, Any]] = field(default_factory=list)


def optimiser_of(net: Net, device: str) -> torch.optim.AdamW:
    """AdamW in four groups: the eye and the language part, matrices (decayed) and the rest."""
    groups: dict[tuple[str, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        part = "eye" if ".visual." in name or name.startswith("ctc") else "text"
        groups.setdefault((part, parameter.ndim >= 2 and "embed" not in name), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some, "part": part, "weight_decay": 0.05 if decayed else 0.0}
         for (part, decayed), some in groups.items()],
        lr=1e-3, betas=(0.9, 0.97), fused=device.startswith("cuda"),
    )  # fmt: skip


def set_rate(optimiser: torch.optim.Optimizer, peak: float, share: float, course: Course) -> float:
    """Cosine over the time, each part warmed up from its own beginning; gives the eye's rate."""
    fall = 0.015 + 0.985 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    for group in optimiser.param_groups:
        steps = course.step if group["part"] == "eye" else course.text_step
        group["lr"] = peak * fall * min(1.0, (steps + 1) / _WARM_UP)
    return peak * fall


def next_stage(course: Course, share: float) -> int:
    """The stage to go on with."""
    if course.stage == EYE and ((share > _EYE_LEAST and course.errors < _EYE_GOOD) or share > _UNTIL[EYE]):
        return FEW
    if course.stage == FEW and (course.exact > _FEW_GOOD or share > _UNTIL[FEW]):
        return WHOLE
    return course.stage


@dataclass(frozen=True, slots=True)
class Given:
    """The command line."""

    minutes: float
    out: Path
    resume: Path | None
    device: str
    workers: int
    peak: float
    tiny: bool
    seed: int
    sheets: Path
    fonts: Path
    stage: int


def run(given: Given) -> Course:
    """Train; gives where it ended."""
    begun = time.monotonic()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    given.out.mkdir(parents=True, exist_ok=True)
    kept = files.checkpoint(given.resume) if given.resume else None
    tokenizer = Tokenizer.from_str(kept["state"].pop("tokenizer")) if kept else tokens.train()
    pool = Pool(given.workers, given.seed, tokenizer, CTC_ALPHABET, given.fonts)
    try:
        return Trainer(given, pool, tokenizer, begun, kept).train()
    finally:
        pool.close()


class Trainer:
    """A net, its optimiser, and where it stands in the course."""

    def __init__(
        self, given: Given, pool: Pool, tokenizer: Tokenizer, begun: float, kept: dict[str, Any] | None
    ) -> None:
        torch.manual_seed(given.seed)
        torch.set_float32_matmul_precision("high")
        self._given, self._pool, self._tokenizer, self._begun = given, pool, tokenizer, begun
        self._device = given.device.split(":")[0]
        shape = Shape(64, 2, 2, 64, 64, 2, 2, 1, 96) if given.tiny else Shape()
        self._net = Net(shape, tokenizer.get_vocab()).to(given.device)
        self._optimiser = optimiser_of(self._net, given.device)
        self.course = Course()
        if kept:
            files.resume(kept, self._net, self._optimiser)
            self.course = Course(**kept["state"])
        self.course.stage = given.stage or self.course.stage
        pool.stage = self.course.stage
        self._maker = Maker(0, tokenizer, CTC_ALPHABET, given.fonts)
        judged = judge.load(given.sheets) if given.sheets.exists() else []
        self._judged = judged[:8] if given.tiny else judged
        self._generator = torch.Generator(given.device).manual_seed(given.seed)
        self._span = given.minutes * 60 - (0 if given.tiny else _CLOSING_S)
        self._counted = self.course.sheets
        self._kept_at = self._judged_at = self._logged_at = time.monotonic()
        #: Seconds since the last look: waiting for sheets, copying them, forward, backward and step.
        self._spent = [0.0] * 4

    @property
    def _share(self) -> float:
        return (time.monotonic() - self._begun) / self._span

    def train(self) -> Course:
        """Go through the course until the time is over; keep and judge what came of it."""
        parameters = sum(one.numel() for one in self._net.glm.parameters())
        print(f"{parameters / 1e6:.2f} M parameters, {len(self._judged)} judged sheets, stage {self.course.stage}")
        print("     s stage   step     ctc     cer    text   exact     /s  judge", flush=True)
        every = 5 if self._given.tiny else _LOG_EVERY
        while (share := self._share) < 1.0:
            found, block = self._step(share)
            if self.course.step % every == 0:
                self._look(found, block, share)
        self._keep()
        if self._judged:
            self._tell({"s": round(time.monotonic() - self._begun, 1), "judge": self._judge()})
        if self._device == "cuda":
            print(f"GPU memory at most {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)
        return self.course

    def _step(self, share: float) -> tuple[dict[str, Tensor], Block]:
        course = self.course
        marks = [time.monotonic()]
        block = self._pool.take(TINY if self._given.tiny else SHEETS)
        marks.append(time.monotonic())
        batch = batch_on(block, self._given.device)
        marks.append(self._settled())
        set_rate(self._optimiser, self._given.peak, share, course)
        hard = min(1.0, 0.3 + course.step / 1500) if course.stage == EYE else 1.0
        pixels = light.lit(batch["ink"], self._generator, hard)
        # A CPU without bf16 would crawl.
        with torch.autocast(self._device, torch.bfloat16, enabled=self._device != "cpu"):
            found = losses(self._net, batch, pixels)
            marks.append(self._settled())
            loss = _CTC_SHARE[course.stage] * found["ctc"] + found.get("text", 0.0)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if torch.nn.utils.clip_grad_norm_(self._net.parameters(), 1.0).isfinite():  # one bad batch must not end it all
            self._optimiser.step()
        marks.append(self._settled())
        self._spent = [spent + end - start for spent, start, end in zip(self._spent, marks, marks[1:], strict=False)]
        course.step += 1
        course.text_step += "text" in found
        course.sheets += len(block.ink)
        return {**found, "spelt": batch["spelt"], "lengths": batch["lengths"]}, block

    def _settled(self) -> float:
        """The time when the device has done what it was told, in every tenth step; else now."""
        if self._device == "cuda" and self.course.step % 10 == 0:
            torch.cuda.synchronize()
        return time.monotonic()

    def _look(self, found: dict[str, Tensor], block: Block, share: float) -> None:
        """Measure, tell, move on to the next stage, keep: whatever is due."""
        course, now = self.course, time.monotonic()
        errors = character_errors(found["spelling"], found)
        right = exact(found["right"], block) if "right" in found else None
        course.errors += 0.3 * (errors - course.errors)
        course.exact += 0.3 * ((right or 0.0) - course.exact)
        since = (course.sheets - self._counted) / max(1e-3, now - self._logged_at)
        point: dict[str, Any] = {
            "s": round(now - self._begun, 1), "sheets": course.sheets, "lr": self._optimiser.param_groups[0]["lr"],
            "ctc": found["ctc"].item(), "cer": errors, "text": found["text"].item() if "text" in found else None,
            "exact": right, "drawn": self._pool.drawn, "used": self._pool.used, "per_s": since,
        }  # fmt: skip
        steps = 5 if self._given.tiny else _LOG_EVERY
        point["step_ms"] = {
            name: round(spent * 1e3 / steps, 1)
            for name, spent in zip(("wait", "copy", "forward", "backward"), self._spent, strict=True)
        }
        self._spent = [0.0] * 4
        self._logged_at, self._counted = now, course.sheets
        if self._judged and course.stage > EYE and now - self._judged_at > (5 if self._given.tiny else _JUDGE_EVERY_S):
            point["judge"] = self._judge()
            self._judged_at = time.monotonic()
        self._tell(point)
        stage = next_stage(course, share)
        if stage != course.stage:
            print(f"stage {stage}; drawn {self._pool.drawn}, used {self._pool.used} so far", flush=True)
            course.stage = self._pool.stage = stage
        if now - self._kept_at > _KEEP_EVERY_S:
            self._keep()
            self._kept_at = time.monotonic()

    def _judge(self) -> dict[str, float]:
        self._net.eval()
        found = judge.judge(self._net, self._maker, self._judged, device=self._device, batch=100)
        self._net.train()
        return {key: share for key, share in found.items() if key != "misses"}

    def _keep(self) -> None:
        state = {**asdict(self.course), "tokenizer": self._tokenizer.to_str()}
        files.keep_checkpoint(self._net, self._optimiser, state, self._given.out)
        files.keep_model(self._net, self._tokenizer, self._given.out)

    def _tell(self, point: dict[str, Any]) -> None:
        point = {"stage": self.course.stage, "step": self.course.step, **point}
        self.course.curve.append(point)
        with (self._given.out / "curve.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(point) + "\n")
        known = [point.get(key) for key in ("ctc", "cer", "text", "exact")]
        shown = " ".join("      -" if one is None else f"{one:7.3f}" for one in known)
        verdict = judge.shown(point["judge"]) if "judge" in point else f"{point.get('step_ms', '')}"
        start = f"{point['s']:6.0f} {point['stage']:>5} {point['step']:>6}"
        print(f"{start} {shown} {point.get('per_s', 0):6.0f}  {verdict}", flush=True)


def main(arguments: Iterable[str] | None = None) -> int:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description="Train the small model.")
    parser.add_argument("--minutes", type=float, default=9.0, help="of wall clock, saving and judging included")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, default=None, help="a checkpoint's name, without its .000")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on tiny batches, to rehearse")
    parser.add_argument("--seed", type=int, default=1, help="another one for each run that goes on from a checkpoint")
    parser.add_argument("--sheets", type=Path, default=judge.SHEETS, help="judged sheets, where they are")
    parser.add_argument("--fonts", type=Path, default=fonts.FOLDER)
    parser.add_argument("--stage", type=int, choices=(EYE, FEW, WHOLE), default=0, help="begin with this stage")
    run(Given(**vars(parser.parse_args(None if arguments is None else list(arguments)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
