"""Loads scenes: one scripted part each, with the outcome that it must give. A wrong scene file lists all its mistakes.

A scene file is TOML; every table but `expect` may be left out, and what is not said is decided by the run's seed:

    name = "glare_other_light"          # the same as the file's
    summary = "One sentence for people."
    product = "gearmotor"               # a name in simulator.products; decides pattern and mode (verify or identify)
    weight = 5                          # how often in a random run; 0: only when asked for or in a run of all scenes

    [plate]                             # what is printed: see `PlateScript`
    [pose]                              # how it lies: the fields of optics.Pose
    [conditions]                        # light, lens, motion: the fields of optics.Conditions
    [[takes]]                           # what differs from the n-th take of this part on; see `TakeScript`
    from = 2
    [erp]                               # what ERP holds on this part: see `ErpScript`
    [mes]                               # what MES says before or with the trigger: see `MesScript`
    [fault]                             # what the runner breaks, and when: see `FaultScript`
    [before]                            # an ordinary part that is inspected first: see `BeforeScript`

    [expect]                            # see `Expectation`
    disposition = "pass"
    reason = "matched"
    attempts = [2, 3]
    [expect_two]                        # the same, where two readers look at each frame and that changes the outcome
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from simulator.material import MATERIALS
from simulator.optics import AS_USUAL, HEAD_ON, LIGHTS, Conditions, Pose
from simulator.plate import CODES, LAYOUTS
from simulator.products import PRODUCTS
from simulator.wording import LANGUAGES

FOLDER = Path(__file__).parent / "scenes"
#: The readers that scenes can be played with: those that need no server.
READERS = ("ocr", "vlm", "ocr+vlm")

#: The outcomes that edge promises (its closed lists); written down here since the simulator does not import edge.
DISPOSITION_OF: Mapping[str, str] = {
    "matched": "pass",
    **dict.fromkeys(("mismatch", "duplicate_serial", "format_violation", "code_conflict"), "fail"),
    **dict.fromkeys(
        (
            "unreadable", "record_missing", "erp_unavailable", "reader_failed", "truncated", "camera_failed",
            "stale_frame", "deadline", "overrun", "interrupted",
        ),
        "hold",
    ),
}  # fmt: skip
DEFECTS = (
    "glare", "blur", "dark", "bright", "low_contrast", "too_small", "cut_off", "no_plate", "tilted", "disagreement",
    "low_confidence",
)  # fmt: skip


class SceneError(ValueError):
    """Raised when a scene file is wrong; lists every mistake."""


@dataclass(frozen=True, slots=True)
class PlateScript:
    """What is printed. Left out: decided by the seed.

    `code_says`: the "same" serial, "both" serial and model, the "other" part's serial, or a text.
    `print_serial` replaces the serial on the plate only (a misprint; "" leaves it out); `contrast` is by light, 1 where
    a light is not named. `none`: the part has no plate.
    """

    none: bool = False
    language: str | None = None
    layout: str | None = None
    material: str | None = None
    typeface: str | None = None
    size_px: int | None = None
    print_serial: str | None = None
    code: str | None = None
    code_says: str = "same"
    contrast: Mapping[str, float] = field(default_factory=dict)
    rubbed: float = 0.0
    scratches: float = 0.0
    dirt: float = 0.0


Behaviour = Literal["live", "dead", "slow", "late", "frozen", "refusing"]


@dataclass(frozen=True, slots=True)
class TakeScript:
    """What differs from take number `from_take` (in the file: `from`) on, until the next such table.

    `conditions` and `pose` replace single numbers of the scene's. `other_part`: another part stands there. `camera`:
    how the camera behaves; "slow" answers after `delay_ms`, "late" with a frame from `late_ms` before the trigger,
    "frozen" with the last picture again, "refusing" with an error, "dead" not at all.
    """

    from_take: int = 1
    conditions: Mapping[str, Any] = field(default_factory=dict)
    pose: Mapping[str, Any] = field(default_factory=dict)
    other_part: bool = False
    camera: Behaviour = "live"
    delay_ms: int = 0
    late_ms: int = 3000


@dataclass(frozen=True, slots=True)
class ErpScript:
    """What ERP holds on the part ("match", "other_model", "missing", "double": two records) and how ERP itself is.

    `state`: "up", "locked" (the database is held by somebody: no answer in time), "gone" (the table is not there).
    """

    record: Literal["match", "other_model", "missing", "double"] = "match"
    state: Literal["up", "locked", "gone"] = "up"


@dataclass(frozen=True, slots=True)
class MesScript:
    """What MES says. `expects`: this part, another one, or nothing; `by`: with the trigger or by cmd/expect before it.

    `names`: the fields that MES names.
    """

    expects: Literal["this", "other", "nothing"] | None = None
    by: Literal["trigger", "expect"] = "trigger"
    names: Sequence[str] = ("serial", "model")


@dataclass(frozen=True, slots=True)
class FaultScript:
    """What the runner does to the station; it undoes it after the outcome.

    `kind`: "kill" (SIGKILL to `process`), "pause" (SIGSTOP), "trigger_while_busy" (this part's trigger comes while the
    part of `before` is being inspected). `at`: before the trigger, or as soon as the camera was asked for take number
    `take` of this part (the camera then waits `hold_ms`, so that the fault strikes in the middle).
    """

    kind: Literal["none", "kill", "pause", "trigger_while_busy"] = "none"
    process: Literal["inspector", "reader", "capture", "messenger"] = "reader"
    at: Literal["before_trigger", "take"] = "before_trigger"
    take: int = 1
    hold_ms: int = 500


@dataclass(frozen=True, slots=True)
class BeforeScript:
    """An ordinary part of the same product that is inspected first and must end with `reason`.

    `same_serial`: it bears the serial of this scene's part.
    """

    needed: bool = False
    same_serial: bool = False
    reason: str = "matched"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The outcome that the scene must give.

    `defects`: each must be among the outcome's. `attempts`: least and most frames. `action`: must be among the actions
    of its attempts or the retake asked for. `helped`: some retake must have helped.
    """

    disposition: str
    reason: str
    defects: Sequence[str] = ()
    attempts: tuple[int, int] = (0, 3)
    action: str | None = None
    helped: bool | None = None

    def problems(self, outcome: Mapping[str, Any]) -> list[str]:
        """Say how an outcome (as published) differs from this; empty where it is as named."""
        found = []
        if outcome.get("disposition") != self.disposition:
            found.append(f"disposition is {outcome.get('disposition')}, not {self.disposition}")
        if outcome.get("reason") != self.reason:
            found.append(f"reason is {outcome.get('reason')}, not {self.reason}")
        defects = list(outcome.get("defects") or ())
        found += [
            f"defect {name} is missing (there: {', '.join(defects) or 'none'})"
            for name in self.defects
            if name not in defects
        ]
        attempts = list(outcome.get("attempts") or ())
        least, most = self.attempts
        if not least <= len(attempts) <= most:
            found.append(f"{len(attempts)} attempts, not {least} to {most}")
        if self.action and not any(attempt.get("action") == self.action for attempt in attempts):
            asked = str(outcome.get("detail") or "")
            if self.action not in asked:
                found.append(f"no attempt was {self.action}")
        if self.helped and not any(attempt.get("helped") for attempt in attempts):
            found.append("no retake helped")
        return found


@dataclass(frozen=True, slots=True)
class Scene:
    """One scripted part."""

    name: str
    summary: str
    product: str
    expect: Expectation
    weight: int = 1
    plate: PlateScript = PlateScript()
    pose: Pose = HEAD_ON
    conditions: Conditions = AS_USUAL
    takes: tuple[TakeScript, ...] = ()
    erp: ErpScript = ErpScript()
    mes: MesScript = MesScript()
    fault: FaultScript = FaultScript()
    before: BeforeScript = BeforeScript()
    expect_two: Expectation | None = None

    def take(self, number: int) -> TakeScript:
        """What holds for this take, counted from 1."""
        return next((take for take in reversed(self.takes) if take.from_take <= number), TakeScript())

    def expected(self, reader: str) -> Expectation:
        """The outcome that this must give with a reader; two readers at each frame need one second look less."""
        if "+" not in reader:
            return self.expect
        if self.expect_two is not None:
            return self.expect_two
        least, most = self.expect.attempts
        action = None if self.expect.action == "second_look" else self.expect.action
        return dataclasses.replace(self.expect, attempts=(max(min(least, 1), least - 1), most), action=action)


def load_all(folder: Path = FOLDER) -> dict[str, Scene]:
    """Every scene of a folder by its name.

    Raises:
        SceneError: some file is wrong; all mistakes of all files are listed.
    """
    scenes: dict[str, Scene] = {}
    mistakes: list[str] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            scenes[path.stem] = load(path)
        except SceneError as error:
            mistakes.append(str(error))
    if mistakes:
        raise SceneError("\n".join(mistakes))
    return scenes


def load(path: Path) -> Scene:
    """Read one scene file.

    Raises:
        SceneError: it is not TOML, or something in it is unknown, missing or out of its range.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{path.name}: {error}") from None
    mistakes: list[str] = []
    said["takes"] = [
        {"from_take" if key == "from" else key: value for key, value in take.items()} for take in said.get("takes", ())
    ]
    parts: dict[str, Any] = {}
    for name, kind in _TABLES.items():
        if name in said:
            table = dict(said.pop(name))
            if name == "before":
                table.setdefault("needed", True)
            parts[name] = _table(kind, table, f"{path.name}: {name}", mistakes)
    takes = [_table(TakeScript, take, f"{path.name}: takes", mistakes) for take in said.pop("takes")]
    parts["takes"] = tuple(take for take in takes if take is not None)
    parts.update(said)
    if mistakes:
        raise SceneError("\n".join(mistakes))
    scene = _table(Scene, parts, path.name, mistakes)
    if scene is not None:
        mistakes += [f"{path.name}: {mistake}" for mistake in _senseless(scene, path.stem)]
    if mistakes or scene is None:
        raise SceneError("\n".join(mistakes))
    return typing.cast("Scene", scene)


_TABLES: Mapping[str, type] = {
    "plate": PlateScript,
    "pose": Pose,
    "conditions": Conditions,
    "erp": ErpScript,
    "mes": MesScript,
    "fault": FaultScript,
    "before": BeforeScript,
    "expect": Expectation,
    "expect_two": Expectation,
}


def _table(kind: type, said: Mapping[str, Any], where: str, mistakes: list[str]) -> Any:
    """Make a data class of a TOML table; None, with the mistakes noted, where it does not fit."""
    fields = {one.name: one for one in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    before = len(mistakes)
    values: dict[str, Any] = {}
    for name, value in said.items():
        if name not in fields:
            mistakes.append(f"{where}: unknown key {name!r}; known are {', '.join(fields)}")
            continue
        values[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(values[name], hints[name]):
            mistakes.append(f"{where}: {name} = {value!r} is not {_named(hints[name])}")
    missing = [
        name
        for name, one in fields.items()
        if name not in said and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    mistakes += [f"{where}: {name} is missing" for name in missing]
    return None if len(mistakes) > before else kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from TOML is of the type that a field names."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is type(None):
        return hint is Any or value is None
    if origin is Literal:
        return value in arguments
    if origin is tuple and Ellipsis not in arguments:
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin in {tuple, Sequence}:
        return isinstance(value, tuple) and all(_fits(one, arguments[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(one, arguments[1]) for one in value.values())
    if arguments:
        return any(_fits(value, one) for one in arguments)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _named(hint: Any) -> str:
    return f"one of {', '.join(map(repr, typing.get_args(hint)))}" if typing.get_origin(hint) is Literal else str(hint)


def _senseless(scene: Scene, stem: str) -> list[str]:
    """What the types do not forbid but no run could do."""
    found = []
    choices: Sequence[tuple[str, str | None, Sequence[str]]] = (
        ("name", scene.name, (stem,)),
        ("product", scene.product, tuple(PRODUCTS)),
        ("plate.language", scene.plate.language, LANGUAGES),
        ("plate.layout", scene.plate.layout, LAYOUTS),
        ("plate.material", scene.plate.material, tuple(MATERIALS)),
        ("plate.code", scene.plate.code, CODES),
        ("expect.reason", scene.expect.reason, tuple(DISPOSITION_OF)),
        ("before.reason", scene.before.reason, tuple(DISPOSITION_OF)),
    )
    found += [
        f"{key} {value!r} is not one of {', '.join(known)}"
        for key, value, known in choices
        if value and value not in known
    ]
    for one in (scene.expect, scene.expect_two or scene.expect):
        if DISPOSITION_OF.get(one.reason) != one.disposition and one.reason in DISPOSITION_OF:
            found.append(f"reason {one.reason} never has disposition {one.disposition}")
        found += [f"expect.defects: {name!r} is no defect" for name in one.defects if name not in DEFECTS]
    if scene.expect_two is not None and scene.expect_two.reason not in DISPOSITION_OF:
        found.append(f"expect_two.reason {scene.expect_two.reason!r} is not one of {', '.join(DISPOSITION_OF)}")
    found += [f"{name!r} is no light" for name in (*scene.plate.contrast, *scene.conditions.haze) if name not in LIGHTS]
    known = {"conditions": Conditions, "pose": Pose}
    for take in scene.takes:
        for table, kind in known.items():
            names = {one.name for one in dataclasses.fields(kind)}
            found += [f"takes.{table}: unknown key {name!r}" for name in getattr(take, table) if name not in names]
    if scene.fault.kind == "trigger_while_busy" and not scene.before.needed:
        found.append("a trigger while busy needs a part before: add [before]")
    return found
