"""Every GPU figure of the README: the vlm reader on the reference architecture, against `transformers` in the same run.

    python bench/gpu.py [--runs 200] [--peer-runs 20] [--reads 2000] [--bits 16,8]
        [--only speed,profile,memory,batch] [--folder FOLDER] [--out FILE] [--tiny]

The model has the exact configuration of GLM-4.6V-Flash (10.29 billion parameters) and RANDOM weights: its speed is
measured, and nothing is said of what it would read. Since random weights read nothing, each frame is read once
without a draft, and that answer is the draft of the timed readings: all of it is verified in one pass, as with a draft
that is right. `fallback` is a draft wholly rejected: 16 tokens a field, step by step.

A reading here is: cut the lines out, make the sheet, write the prompt, one or more passes, decide every token, copy the
answer back. Finding and reading the lines with OCR is not in it (`bench/inspection.py`).
`--tiny` makes the same architecture small, to try this script on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForImageTextToText

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.reference import DRAFT, PRODUCT, Lines, save_folder
from edge.errors import ReaderError
from edge.readers.vlm import Request, Vlm
from edge.vision import sheet


class Bench:
    """The loaded reader, its frames, and what was measured."""

    def __init__(self, folder: Path, runs: int, *, eight: bool = False) -> None:
        self.lines = Lines()
        begun = time.perf_counter()
        self.vlm = Vlm(folder, ocr=self.lines, eight=eight)
        self.loaded_s = time.perf_counter() - begun
        self.runs = runs
        self.written: dict[str, Any] = {}
        # A text of random weights is no text that a tokenizer would cut the same way: drafts are given as tokens.
        self._drafts: dict[str, list[int]] = {}
        self.vlm.model.drafted = lambda text: self._drafts.get(text, [])  # type: ignore[method-assign]

    def request(self, rows: int, seed: int = 0, *, right: bool = True) -> Request:
        """A frame whose draft is what the model answers, or nothing like it."""
        if right:
            return self.requests(rows, [seed])[0]
        frame = self.lines.draw(rows, seed)
        wrong = {name: f"wrong {name}" for name in PRODUCT.fields}
        for name in wrong.values():
            self._drafts[name] = [40 + n for n in range(DRAFT)]
        return Request(frame, PRODUCT, self.lines.read(frame, PRODUCT), wrong)

    def requests(self, rows: int, seeds: Sequence[int]) -> list[Request]:
        """Frames to be read together, whose drafts are what the model answers to all of them together.

        Rounding differs between passes of many tokens and of few, and random weights know many near-ties: the drafts
        are what passes of just this shape say, found pass by pass.
        """
        asked: list[Request] = []
        names: list[str] = []
        for seed in seeds:
            frame = self.lines.draw(rows, seed)
            drafts = {name: f"{len(seeds)} {rows} {seed} {name}" for name in PRODUCT.fields}
            names += drafts.values()
            asked.append(Request(frame, PRODUCT, self.lines.read(frame, PRODUCT), drafts))
        for _ in range(2 * DRAFT):
            answers = self._answers(asked)
            for name, answer in zip(names, answers, strict=True):
                self._drafts[name] = [token.id for token in answer.tokens]
            if max(answer.passes for answer in answers) == 1:
                break
        return asked

    def _answers(self, requests: Sequence[Request]) -> list[Any]:
        kept: list[Any] = []
        decode = self.vlm._decode  # noqa: SLF001

        def keep(*given: Any) -> Any:
            kept.extend(decode(*given))
            return kept

        self.vlm._decode = keep  # type: ignore[method-assign, assignment] # noqa: SLF001
        try:
            self.vlm.read_many(requests)
        finally:
            self.vlm._decode = decode  # type: ignore[method-assign] # noqa: SLF001
        return kept

    def about(self, requests: Sequence[Request]) -> dict[str, int]:
        """How many passes a reading takes, and how many tokens of the first plate its first one has."""
        made: list[Any] = []
        passes = self.vlm.model.passes

        def keep(asked: Any, *, room: int) -> Any:
            made.append((asked[0], passes(asked, room=room)))
            return made[-1][1]

        self.vlm.model.passes = keep  # type: ignore[method-assign, assignment]
        try:
            self.vlm.read_many(requests)
        finally:
            self.vlm.model.passes = passes  # type: ignore[method-assign]
        asked, used = made[-1]
        tokens = len(asked.prefix) + sum(map(len, asked.questions)) + len(asked.questions) * DRAFT
        return {"passes": used.passes, "tokens": tokens}

    def time(self, requests: Sequence[Request], runs: int) -> list[float]:
        """Milliseconds of reading these together, each run."""
        for _ in range(3):
            self.vlm.read_many(requests)
        spent = []
        for _ in range(runs):
            begun = time.perf_counter()
            self.vlm.read_many(requests)
            spent.append((time.perf_counter() - begun) * 1e3)
        return spent

    def tell(self, name: str, spent: Sequence[float], **more: Any) -> None:
        """Print and keep one line of the table."""
        cuts = np.percentile(spent, (50, 99))
        self.written[name] = {"p50_ms": round(cuts[0], 2), "p99_ms": round(cuts[1], 2), "runs": len(spent), **more}
        print(name, json.dumps(self.written[name]), flush=True)


class Peer:
    """`transformers` itself on the same folder, picture and prompt: `generate`."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        device = bench.vlm.model.device
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        loaded: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
        self._model = loaded.eval().to(device)

    def time(self, request: Request, runs: int, tokens: int, **how: Any) -> list[float]:
        """Milliseconds of `generate` for one field, each run; preparing the picture is not counted."""
        given = self._inputs(request)
        spent = []
        for number in range(runs + 1):
            _settle()
            begun = time.perf_counter()
            with torch.inference_mode():
                self._model.generate(**given, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, **how)
            _settle()
            if number:
                spent.append((time.perf_counter() - begun) * 1e3)
        return spent

    def _inputs(self, request: Request) -> dict[str, Any]:
        model = self._bench.vlm.model
        made = sheet.of_frame(request.image, [line.box for line in request.ocr.lines]).image
        asked = model.prompt(made, [line.text for line in request.ocr.lines], ["What is the serial number?"])
        ids = torch.tensor([[*asked.prefix, *asked.questions[0]]], device=model.device)
        high, wide = made.shape[0] // 14, made.shape[1] // 14
        patches = torch.zeros(high * wide, 3 * 2 * 14 * 14, device=model.device, dtype=self._model.dtype).normal_()
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": patches,
            "image_grid_thw": torch.tensor([[1, high, wide]], device=model.device),
            "mm_token_type_ids": (ids == self._model.config.image_token_id).long(),
        }


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def speed(bench: Bench, folder: Path, peer_runs: int) -> None:
    """One plate: with a right draft at three sizes, with a wrong one, and what `generate` takes."""
    ours: dict[int, float] = {}
    for rows in (9, 18, 32):
        right = bench.request(rows)
        spent = bench.time([right], bench.runs)
        ours[rows * 12] = statistics.median(spent)
        bench.tell(f"read {rows * 12} image tokens", spent, **bench.about([right]))
    right, wrong = bench.request(18), bench.request(18, right=False)
    fallback = bench.time([wrong], max(5, bench.runs // 4))
    bench.tell("read 216, draft wholly rejected", fallback, **bench.about([wrong]))
    if peer_runs:
        peer = Peer(bench, folder)
        for rows in (18, 32):
            spent = peer.time(bench.request(rows), peer_runs, 32)
            ratio = statistics.median(spent) / ours[rows * 12]
            bench.tell(f"generate 32 tokens, {rows * 12} image tokens", spent, ratio=round(ratio, 1))
        spent = peer.time(right, max(3, peer_runs // 4), 16, cache_implementation="static")
        ratio = statistics.median(spent) / statistics.median(fallback)
        bench.tell("generate 16 tokens, static cache and compile", spent, ratio_of_fallback=round(ratio, 1))
        del peer
        gc.collect()
        torch.cuda.empty_cache()
    spent = bench.time([right], bench.runs)  # once more: how far the same thing differs from itself
    bench.tell("read 216 image tokens, again", spent)


def batch(bench: Bench) -> None:
    """Several plates in one pass: throughput against latency."""
    for plates in (1, 2, 4, 8, 16):
        requests = bench.requests(9, range(plates))
        spent = bench.time(requests, bench.runs)
        rate = round(plates / statistics.median(spent) * 1e3, 1)
        bench.tell(f"batch {plates}, 108 tokens", spent, images_a_s=rate, **bench.about(requests))


def memory(bench: Bench, reads: int) -> None:
    """Memory over many reads of changing shapes; and running out of it in the middle of one."""
    shapes = [bench.request(rows, seed) for seed in range(3) for rows in (4, 6, 9, 12, 18, 32)]
    used = []
    for number in range(reads):
        bench.vlm.read_many([shapes[number * 7 % len(shapes)]])
        if number in (reads // 10, reads - 1) and torch.cuda.is_available():
            free, whole = torch.cuda.mem_get_info()
            used.append((whole - free) / 2**20)
    if not used:
        return
    print("memory", json.dumps({"reads": reads, "used_mib": [round(one) for one in used]}), flush=True)
    bench.written["memory"] = {"reads": reads, "used_mib": used}
    hog: list[torch.Tensor] = []
    try:
        while True:
            hog.append(torch.empty(2**28, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        pass
    try:
        bench.vlm.read_many([shapes[5]] * 16)
        told = "it was read"
    except ReaderError as error:
        told = str(error)
    hog.clear()
    torch.cuda.empty_cache()
    after = len(bench.vlm.read_many([shapes[5]]))
    print("out of memory:", told, "| next part read:", after == 1, flush=True)
    bench.written["out_of_memory"] = {"told": told, "next_read": after == 1}


def profile(bench: Bench) -> None:
    """Where a reading's time goes, and the floor: every weight read once."""
    if not torch.cuda.is_available():
        return
    source = torch.empty(2**32, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    event: Any = torch.cuda.Event
    events = [event(enable_timing=True) for _ in range(2)]
    rates = []
    for _ in range(5):
        events[0].record()
        target.copy_(source)
        events[1].record()
        torch.cuda.synchronize()
        rates.append(2 * 2**32 / events[0].elapsed_time(events[1]) / 1e9)
    del source, target
    torch.cuda.empty_cache()
    rate = statistics.median(rates)
    print("copy bandwidth TB/s", round(rate, 2), flush=True)
    bench.written["copy_tb_s"] = rate
    for rows in (18, 32):
        right = bench.request(rows)
        bench.vlm.read_many([right])
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            for _ in range(5):
                bench.vlm.read_many([right])
        sums: dict[str, float] = {}
        for one in seen.key_averages():
            sums[_kind(one.key)] = sums.get(_kind(one.key), 0.0) + one.device_time_total / 5e3
        told = {name: round(ms, 2) for name, ms in sorted(sums.items(), key=lambda pair: -pair[1])}
        print(f"kernels of a reading at {rows * 12} tokens, ms", json.dumps(told), flush=True)
        bench.written[f"kernels {rows * 12}"] = told
        longest = sorted(seen.key_averages(), key=lambda one: -one.device_time_total)[:_LONGEST]
        for one in longest:
            print(f"  {one.device_time_total / 5e3:7.3f} ms {one.count // 5:5d} x  {one.key[:110]}", flush=True)


def _kind(kernel: str) -> str:
    low = kernel.lower()
    for name, words in _KINDS:
        if any(word in low for word in words):
            return name
    return "other"


#: Kernels named one by one.
_LONGEST = 18
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("matrix products", ("gemm", "nvjet", "cutlass", "matmul", "splitk")),
    ("attention", ("fmha", "flash", "attention", "sdpa")),
    ("norms", ("norm",)),
    ("copies", ("memcpy", "memset")),
    ("ranking", ("topk", "sort", "radix", "softmax")),
    ("elementwise", ("elementwise", "vectorized", "cat", "reduce", "triton", "index", "scatter", "gather")),
)


def measured(folder: Path, args: argparse.Namespace, *, eight: bool) -> dict[str, Any]:
    """Load the model with products in 16 or 8 bits, and measure; peers are timed beside 16 bits only."""
    gc.collect()
    torch.cuda.empty_cache()
    begun = time.perf_counter()
    bench = Bench(folder, args.runs, eight=eight)
    bench.vlm.read_many([bench.request(18)])
    bench.written["about"] = {
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "torch": torch.__version__,
        "bits": 8 if eight else 16,
        "loaded_s": round(bench.loaded_s, 1),
        "first_answer_s": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(bench.written["about"]), flush=True)
    parts: Mapping[str, Callable[[], None]] = {
        "speed": lambda: speed(bench, folder, 0 if eight else args.peer_runs),
        "batch": lambda: batch(bench),
        "memory": lambda: memory(bench, args.reads),
        "profile": lambda: profile(bench),
    }
    for name in args.only.split(","):
        begun = time.perf_counter()
        parts[name]()
        print(f"-- {name} took {time.perf_counter() - begun:.0f} s", flush=True)
    return bench.written


def main(argv: Sequence[str] | None = None) -> int:
    """Build the model, measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description="GPU figures of the vlm reader.")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--peer-runs", type=int, default=20)
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--bits", default="16,8", help="of the products")
    parser.add_argument("--only", default="speed,profile,memory,batch")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the model is, or is to be written")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        begun = time.perf_counter()
        count = 0.0 if (folder / "config.json").is_file() else save_folder(folder, tiny=args.tiny)
        print(f"{count / 1e9:.2f} billion parameters written in {time.perf_counter() - begun:.0f} s", flush=True)
        written = {}
        for bits in args.bits.split(","):
            written[bits] = measured(folder, args, eight=bits == "8")
            if args.out:
                args.out.write_text(json.dumps(written, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
