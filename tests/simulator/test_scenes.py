"""Promises of the scenes: every file is valid, every reason and defect has one, and a part is as its scene says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from simulator import products, scenes
from simulator.optics import Sensor, Settings
from simulator.scenes import DEFECTS, DISPOSITION_OF, Scene, SceneError
from simulator.staging import View, before, stage

ALL = scenes.load_all()
SMALL = Sensor(640, 400)


def test_there_are_scenes_for_every_reason_and_defect() -> None:
    """At least 25 scenes; each reason and each defect that an outcome can name is expected by one of them."""
    reasons = {scene.expect.reason for scene in ALL.values()}
    defects = {defect for scene in ALL.values() for defect in scene.expect.defects}

    assert len(ALL) >= 25
    assert reasons == set(DISPOSITION_OF)
    assert defects == set(DEFECTS)


def test_two_readers_at_each_frame_need_a_look_less() -> None:
    """With ocr+vlm a scene's outcome is the same with one frame less, or the one that it names for two readers."""
    label, moving = ALL["matched_label"], ALL["unreadable_disagreement"]

    assert label.expected("ocr") == label.expected("vlm") == label.expect
    assert (label.expected("ocr+vlm").attempts, label.expected("ocr+vlm").action) == ((1, 2), None)
    assert moving.expected("ocr+vlm").reason == "matched"
    assert ALL["overrun"].expected("ocr+vlm").attempts == ALL["overrun"].expect.attempts


@pytest.mark.parametrize("scene", ALL.values(), ids=lambda s: s.name)
def test_every_scene_can_be_staged(scene: Scene) -> None:
    """Every scene gives a part, the same one for the same seed, whose first take is a frame of the camera's size."""
    part, again = stage(scene, "9"), stage(scene, "9")

    frame, _ = View(part, SMALL).take(Settings(), 1)

    assert part == again
    assert frame.shape == (400, 640, 3)
    assert scene.summary.endswith(".")
    assert before(part, "9").scene.expect.reason == scene.before.reason


@pytest.mark.parametrize("scene", [s for s in ALL.values() if s.expect.disposition == "pass"], ids=lambda s: s.name)
def test_a_part_that_may_pass_is_consistent(scene: Scene) -> None:
    """Where the outcome is a pass, print, ERP and MES agree, and the printed texts have the product's patterns."""
    part = stage(scene, "4")

    truth = {"serial": part.serial, "model": part.model}
    assert part.design.serial == part.serial
    assert part.records == (truth,)
    assert part.expected is None or part.expected.items() <= truth.items()
    patterns = dict(re.findall(r"\[fields\.(\w+)\]\npattern = '(.*)'", products.PRODUCTS[scene.product]))
    assert all(re.fullmatch(pattern, truth[name]) for name, pattern in patterns.items())


def test_what_is_wrong_in_a_failing_scene_is_there() -> None:
    """A mismatch, a missing record, a misprint and a false code are in the part and in the records."""
    mismatch, missing = stage(ALL["mismatch_serial"], "1"), stage(ALL["record_missing"], "1")
    misprint, false_code = stage(ALL["format_violation"], "1"), stage(ALL["code_conflict"], "1")
    double, model = stage(ALL["erp_two_records"], "1"), stage(ALL["mismatch_model"], "1")

    assert mismatch.expected is not None
    assert mismatch.expected["serial"] != mismatch.design.serial
    assert missing.records == ()
    assert misprint.design.serial != misprint.serial
    assert false_code.design.code_text not in {"", false_code.design.serial}
    assert len({record["model"] for record in double.records}) == 2
    assert model.records[0]["model"] != model.model


def test_a_duplicate_is_preceded_by_a_part_of_its_serial() -> None:
    """The part that comes before a duplicate bears the same serial; other scenes' parts before do not."""
    duplicate, overrun = stage(ALL["duplicate_serial"], "1"), stage(ALL["overrun"], "1")

    assert before(duplicate, "0").design.serial == duplicate.design.serial
    assert before(overrun, "0").design.serial != overrun.design.serial


def test_other_takes_show_other_parts() -> None:
    """A scene can show another part from its second take on."""
    view = View(stage(ALL["unreadable_disagreement"], "1"), SMALL)

    first, second, third = (view.take(Settings(), 1)[0].astype(int) for _ in range(3))

    assert np.abs(first - second).mean() > 1
    assert np.abs(second - third).mean() > 1


def test_a_wrong_scene_lists_all_its_mistakes(tmp_path: Path) -> None:
    """Unknown keys, wrong types, unknown names and a reason with a wrong disposition are all told, with the file."""
    path = tmp_path / "odd.toml"
    path.write_text(
        'name = "odd"\nsummary = "x"\nproduct = "gearmotor"\nwieght = 3\n[pose]\nwidth = "wide"\n'
        '[erp]\nrecord = "perhaps"\n[expect]\ndisposition = "pass"\n',
        encoding="utf-8",
    )

    with pytest.raises(SceneError) as caught:
        scenes.load_all(tmp_path)

    said = str(caught.value)
    assert all(word in said for word in ("odd.toml", "width", "perhaps", "reason is missing"))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('disposition = "fail"\nreason = "matched"', "never has"),
        ('disposition = "hold"\nreason = "tired"', "tired"),
        ('disposition = "hold"\nreason = "unreadable"\ndefects = ["fog"]', "fog"),
        ('disposition = "hold"\nreason = "overrun"\n[fault]\nkind = "trigger_while_busy"', "before"),
        ('disposition = "pass"\nreason = "matched"\n[plate]\nlayout = "spiral"', "spiral"),
    ],
)
def test_a_senseless_scene_is_refused(tmp_path: Path, line: str, word: str) -> None:
    """What could never come true is refused when the file is loaded, not when the scene is run."""
    path = tmp_path / "odd.toml"
    path.write_text(f'name = "odd"\nsummary = "x"\nproduct = "gearmotor"\n[expect]\n{line}\n', encoding="utf-8")

    with pytest.raises(SceneError, match=word):
        scenes.load(path)


def test_an_outcome_is_held_against_its_scene() -> None:
    """Every way in which an outcome can differ from its scene is told; the named one has nothing to tell."""
    expect = ALL["glare_other_light"].expect
    attempts = [{"action": "first", "helped": None}, {"action": "light_off_axis", "helped": True}]
    as_named = {"disposition": "pass", "reason": "matched", "defects": [], "attempts": attempts}
    other = {"disposition": "hold", "reason": "unreadable", "defects": [], "attempts": attempts[:1]}

    assert expect.problems(as_named) == []
    assert len(expect.problems(other)) == 5
    assert ALL["unreadable_blur"].expect.problems({"defects": ["dark"]})[2] == "defect blur is missing (there: dark)"
