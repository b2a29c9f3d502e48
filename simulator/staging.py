"""Puts a scene on the stage: the part with its plate, what ERP and MES are told, and what the camera sees of it.

A part is decided by scene and seed alone. `View` is what a camera looks at; it counts its own takes, so that a scene
can say what differs from the second take on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simulator.fonts import Typeface
from simulator.material import NOMINAL, Picture, Wear, surface
from simulator.optics import Conditions, Pose, Sensor, Settings, expose
from simulator.plate import Design, design, draw
from simulator.products import MODE_OF
from simulator.scenes import Expectation, PlateScript, Scene, TakeScript

Record = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that comes down the line.

    `records` is what ERP must hold on it. `expected` is what MES names, None where it names nothing. `other` is the
    part that is meant where the scene speaks of another one.
    """

    scene: Scene
    seed: str
    design: Design
    serial: str
    model: str
    records: tuple[Record, ...]
    expected: Record | None


def stage(scene: Scene, seed: str, *, serial: str | None = None, model: str | None = None) -> Part:
    """Decide the part of a scene.

    Args:
        scene: the script.
        seed: tells the parts of a run apart; the same scene and seed give the same part.
        serial: the serial that it bears, where the runner wants a certain one.
        model: the model that it is, likewise.
    """
    script = scene.plate
    genuine = design(f"{scene.name} {seed}", make=scene.product, serial=serial, model=model)
    other = design(f"other {scene.name} {seed}", make=scene.product)
    printed = genuine.serial if script.print_serial is None else script.print_serial
    says = {
        "same": printed or genuine.serial,
        "both": f"SN:{printed or genuine.serial};MODEL:{genuine.model}",
        "other": other.serial,
    }
    plan = design(
        f"{scene.name} {seed}",
        make=scene.product,
        model=genuine.model,
        serial=printed,
        language=script.language,
        layout=script.layout,
        typeface=Typeface(script.typeface) if script.typeface else None,
        size_px=script.size_px,
        code=script.code,
        code_text=says.get(script.code_says, script.code_says),
    )
    return Part(
        scene,
        seed,
        plan,
        genuine.serial,
        genuine.model,
        _records(scene, genuine, other),
        _expected(scene, genuine, other),
    )


def before(part: Part, seed: str) -> Part:
    """The ordinary part that the scene wants to be inspected first."""
    script = part.scene.before
    ordinary = Scene(
        f"before {part.scene.name}",
        "An ordinary part.",
        part.scene.product,
        Expectation("pass" if script.reason == "matched" else "hold", script.reason, attempts=(1, 3)),
        plate=PlateScript(language="en", layout="table", material="label_white"),
    )
    if part.scene.fault.kind == "trigger_while_busy":
        ordinary = replace(ordinary, takes=(TakeScript(delay_ms=part.scene.fault.hold_ms),))
    if script.same_serial:  # ERP holds one record of a serial, so it is of one model too
        return stage(ordinary, seed, serial=part.serial, model=part.model)
    return stage(ordinary, seed)


class View:
    """What a camera sees of one part, take after take. Draws its plate when it is made."""

    def __init__(self, part: Part, sensor: Sensor | None = None) -> None:
        self.part = part
        self.sensor = sensor or Sensor(1280, 800)
        self.num_takes = 0
        self._looks: dict[tuple[bool | int, float], Picture] = {}
        self._material = part.scene.plate.material or random.Random(f"material {part.seed}").choice(NOMINAL)
        if not part.scene.plate.none:
            self._look("normal", 0)  # drawn before the trigger, so that a take costs its exposure only

    def script(self, number: int) -> TakeScript:
        """What the scene says of this take."""
        return self.part.scene.take(number)

    def hold_ms(self, number: int) -> int:
        """How long the camera waits in this take, so that a fault strikes in the middle of it."""
        fault = self.part.scene.fault
        strikes = fault.kind in {"kill", "pause"} and fault.at == "take" and fault.take == number
        return fault.hold_ms if strikes else 0

    def take(self, settings: Settings, counter: int) -> tuple[Picture, TakeScript]:
        """Expose the next take; gives the frame and what the scene says of it."""
        self.num_takes += 1
        script = self.script(self.num_takes)
        scene = self.part.scene
        conditions: Conditions = replace(scene.conditions, **script.conditions)
        pose: Pose = replace(scene.pose, **script.pose)
        plate = None if scene.plate.none else self._look(settings.light, self.num_takes if script.other_part else 0)
        frame = expose(plate, pose, conditions, settings, self.sensor, seed=scene.product, counter=counter)
        return frame, script

    def _look(self, light: str, other: int) -> Picture:
        """The plate's surface, kept: it is the same for all takes under a light. `other` numbers the other parts."""
        script = self.part.scene.plate
        contrast = float(script.contrast.get(light, 1.0))
        if (other, contrast) not in self._looks:
            plan = self.part.design
            if other:
                plan = replace(
                    design(
                        f"{self.part.seed} take {other}", make=plan.make, language=plan.language, layout=plan.layout
                    ),
                    code=None,
                )
            wear = Wear(script.rubbed, script.scratches, script.dirt)
            self._looks[other, contrast] = surface(
                draw(plan).ink, self._material, wear, contrast=contrast, seed=self.part.seed
            )
        return self._looks[other, contrast]


def _records(scene: Scene, genuine: Design, other: Design) -> tuple[Record, ...]:
    """What ERP must hold: this part as the scene says, and the other one where MES speaks of it."""
    own = {"serial": genuine.serial, "model": genuine.model}
    wrong = {"serial": genuine.serial, "model": other.model}
    held: tuple[Record, ...] = {
        "match": (own,),
        "other_model": (wrong,),
        "missing": (),
        "double": (own, wrong),
    }[scene.erp.record]
    return (*held, {"serial": other.serial, "model": other.model}) if scene.mes.expects == "other" else held


def _expected(scene: Scene, genuine: Design, other: Design) -> Record | None:
    """What MES names: in verify mode this part unless the scene says something else."""
    expects = scene.mes.expects or ("this" if MODE_OF[scene.product] == "verify" else "nothing")
    if expects == "nothing":
        return None
    meant = other if expects == "other" else genuine
    return {name: getattr(meant, name) for name in scene.mes.names}
