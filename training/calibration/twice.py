"""Two frames of one drawn plate: what two looks at one part are worth.

The plate keeps what is its own: text, material, wear, dirt, contrast. Pose, light, exposure, motion, focus and glare
belong to the frame, and are drawn anew for the second.
"""

from __future__ import annotations

import random
from dataclasses import replace

from simulator import spoiling
from simulator.drawing import Drawn, Order, printed
from simulator.fonts import Typeface
from simulator.material import surface
from simulator.optics import expose, placement
from simulator.plate import CODES, design, draw


def two_of_one_plate(order: Order, index: int) -> tuple[Drawn, Drawn]:
    """Draw the plate with this number twice, each with its values' texts and boxes in its label."""
    name = f"{order.seed}-{index} twice"
    dice = random.Random(f"drawing {name}")  # noqa: S311 - no secret
    material = dice.choice(list(order.materials))
    language = dice.choice(list(order.languages))
    typeface = Typeface("dots") if material == "steel_peened" else None
    serial = "" if dice.random() < order.without_serial else None
    code = dice.choice(CODES) if serial is None and dice.random() < order.with_code else None
    make = dice.choice(list(order.makes))
    plan = design(name, make=make, language="en" if typeface else language, typeface=typeface, serial=serial, code=code)
    flat = draw(plan)
    wrong = [dice.choice(list(order.degradations)) if order.degradations else "" for _ in range(2)]
    shots = [spoiling.DEGRADATIONS[one](s, dice) if one else s for one in wrong for s in [spoiling.nominal(dice)]]
    first = shots[0]
    drawn = []
    for number, one in enumerate(shots):
        shot = replace(one, wear=first.wear, contrast=first.contrast)
        look = surface(flat.ink, material, shot.wear, contrast=shot.contrast, seed=name)
        frame = expose(look, shot.pose, shot.conditions, shot.settings, order.sensor, seed=str(index % 5 + number))
        matrix = placement((look.shape[1], look.shape[0]), shot.pose, order.sensor)
        label = {**printed(plan, flat.boxes, matrix), "material": material, "degradations": [w for w in wrong if w]}
        drawn.append(Drawn(frame, label))
    return drawn[0], drawn[1]
