"""Bundles that anybody may have made: each that is wrong is one sentence, and nothing of it is used."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.adapters import bundle_reading, course_text
from edge.adapters.bundle_reading import Bundle
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.store import Store
from edge.core.course import Course, Step
from edge.core.events import FrameFailed, FrameTaken, ReadFailed, RecordFound, TimerFired
from edge.core.outcome import Outcome, Reason
from edge.errors import BundleError
from tests.recordings import AT, STATION, bundled, configure
from tests.remade import Files, manifest, remade, sound

FRAME = b"\xff\xd8\xff one frame"
COURSE = Course(
    "triggered",
    {"serial": "20481357KX"},
    (
        Step("capturing", 1, 20_000, FrameTaken(20_000, 1, "f1", "ab" * 32, 15_000, 5000, "normal", frozen=True)),
        Step("capturing", 2, 40_000, FrameFailed(40_000, 2, "the sensor is too hot \ud800")),
        Step("judging", 3, 60_000),
        Step("reading", 3, 80_000, ReadFailed(80_000, 3, "no")),
        Step("checking", 4, 90_000, RecordFound(90_000, 4, {"serial": "X"}, "csv", 1.5, "ERP, yes"), "X"),
        Step("checking", 5, 95_000, TimerFired(95_000, "record", 5), "Y"),
        Step("reading", 6, 99_000, TimerFired(99_000, "deadline")),
    ),
    "c" * 64,
)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A sound bundle with one part and one frame."""
    configured = configure(tmp_path)
    store = Store.open(configured.paths.data, STATION)
    calibration = store.recorded.keep_configuration(configured.config_text, configured.calibration_text)
    inspection_id, _ = store.add_trigger("t", expected=None, source="plc", at=AT, at_us=1)
    kept = EvidenceFolder(configured.paths.data).write(FRAME, inspection_id=inspection_id, attempt=1, at=AT)
    store.commit(
        Outcome(inspection_id, "t", Reason.CAMERA_FAILED, evidence=(kept,)),
        topic="t",
        config_hash=configured.config_hash,
        at=AT,
        course=course_text.write(replace(COURSE, calibration=calibration), 0),
    )
    store.close()
    path = bundled(configured, tmp_path / "whole.edge.zip")
    with Bundle(path) as opened:
        assert [part.frames for part in opened.parts()] == [{1: FRAME}]
    return path


def read_all(path: Path) -> None:
    """Read a bundle to its end."""
    with Bundle(path) as opened:
        for part in opened.parts():
            opened.text(part.outcome["config"]["hash"])


def refusal(path: Path) -> str:
    """What is said where a bundle is read to its end; it must not be read well."""
    with pytest.raises(BundleError) as refused:
        read_all(path)
    sentence = str(refused.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence


def first(files: Files, end: str) -> str:
    """The name of the first file that ends so."""
    return next(name for name in files if name.endswith(end))


HOSTILE: dict[str, tuple[Callable[[Files], Any], str]] = {
    "a path out of the folder": (lambda files: sound(files, "../../etc/cron.d/x", b"x"), "a file that no bundle has"),
    "a path from the root": (lambda files: sound(files, "/etc/passwd", b"x"), "a file that no bundle has"),
    "a folder of another name": (lambda files: sound(files, "inspections/1/../../x", b"x"), "that no bundle has"),
    "another frame": (lambda files: files.update({first(files, ".jpg"): b"\xff\xd8\xff two frame"}), "another SHA-256"),
    "a frame of another length": (lambda files: files.update({first(files, ".jpg"): b"x"}), "bytes, not"),
    "a frame that the manifest vouches for": (
        lambda files: sound(files, first(files, ".jpg"), b"forged"),
        "not the frame that the reader saw",
    ),
    "another outcome": (
        lambda files: sound(files, first(files, "outcome.json"), b'{"inspection_id": "x"}'),
        "which is no outcome",
    ),
    "an outcome that is none": (lambda files: sound(files, first(files, "outcome.json"), b"[" * 100_000), "no outcome"),
    "a course that is none": (
        lambda files: sound(files, first(files, "course.json"), b'{"steps": [{"order": 1}]}'),
        "which is no course",
    ),
    "other settings under their hash": (
        lambda files: sound(
            files, first(files, json.loads(files[first(files, "outcome.json")])["config"]["hash"] + ".json"), b"{}"
        ),
        "another text under the name",
    ),
    "a file too few": (lambda files: files.pop(first(files, ".jpg")), "lacks 1 of its files"),
    "a file too many": (lambda files: files.update({"inspections/7/outcome.json": b"{}"}), "does not name"),
    "no manifest": (lambda files: files.pop("manifest.json"), "has no manifest.json"),
    "a manifest that is none": (lambda files: files.update({"manifest.json": b"\xff"}), "manifest.json that is none"),
    "another form": (lambda files: manifest(files, form="photo-album"), "is a 'photo-album', and no edge-bundle"),
    "a later form": (lambda files: manifest(files, version=2), "of form 2, and this edge knows up to 1: play it with"),
    "parts of a wrong kind": (lambda files: manifest(files, parts=[{"seq": "x"}]), "that is wrong at parts.0.seq"),
    "a part without its files": (
        lambda files: manifest(files, parts=[{**json.loads(files["manifest.json"])["parts"][0], "outcome": "../x"}]),
        "names '../x' for inspection 1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_that_is_wrong_is_refused_in_one_sentence(whole: Path, name: str) -> None:
    """Whatever is changed in a bundle is found before it is used, and named."""
    change, says = HOSTILE[name]
    path = remade(whole, change)

    assert says in refusal(path)


def test_a_bundle_that_ends_early_is_refused(whole: Path) -> None:
    """A copy that broke off anywhere is no bundle."""
    raw = whole.read_bytes()
    for length in (0, 1, len(raw) // 2, len(raw) - 1):
        whole.write_bytes(raw[:length])
        assert "only the beginning of one" in refusal(whole)
    whole.unlink()

    assert "cannot be read" in refusal(whole)


def test_a_bomb_is_not_unpacked(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that unpacks to more than it may is given up at its limit, whatever the zip says of its size."""
    monkeypatch.setattr(bundle_reading, "MAX_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(bundle_reading, "MAX_MANIFEST_BYTES", 1_000_000)
    bomb = b"\0" * 50_000_000
    frame = remade(whole, lambda files: sound(files, first(files, ".jpg"), bomb), compression=zipfile.ZIP_DEFLATED)
    small = frame.stat().st_size < 200_000
    said = [refusal(frame)]
    said.append(
        refusal(remade(whole, lambda files: files.update({"manifest.json": bomb}), compression=zipfile.ZIP_DEFLATED))
    )
    liar = remade(whole, lambda files: files.update({first(files, ".jpg"): bomb}), compression=zipfile.ZIP_DEFLATED)
    raw = liar.read_bytes().replace(len(bomb).to_bytes(4, "little"), len(FRAME).to_bytes(4, "little"))
    liar.write_bytes(raw)
    said.append(refusal(liar))

    assert small
    assert "50000000 bytes" in said[0]
    assert "more than 1000000 bytes" in said[1]
    assert "cannot be unpacked" in said[2] or "more than" in said[2] or "another SHA-256" in said[2]


def test_one_part_may_not_fill_the_memory(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames of one part together have a limit, too."""
    monkeypatch.setattr(bundle_reading, "MAX_PART_BYTES", 100)

    assert "and the limit is 100" in refusal(whole)


def test_two_files_of_one_name_are_refused(whole: Path) -> None:
    """What one program would read and another would check cannot be two things."""
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("manifest.json", b"{}")

    assert "two files of one name" in refusal(whole)


def test_a_later_edge_may_say_more(whole: Path) -> None:
    """Keys that this edge does not know are no mistake within a form's version."""
    path = remade(whole, lambda files: manifest(files, weather="rain"))
    with Bundle(path) as opened:
        num_parts = len(list(opened.parts()))

    assert num_parts == 1


def test_the_same_parts_give_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    """Nothing but the manifest's own time differs between two bundles of the same parts."""
    again = bundled(configure(tmp_path), tmp_path / "again.edge.zip")
    content = []
    for path in (whole, again):
        with zipfile.ZipFile(path) as archive:
            content.append({name: archive.read(name) for name in archive.namelist() if name != "manifest.json"})
            told = json.loads(archive.read("manifest.json"))
            content[-1]["manifest"] = json.dumps({**told, "made_at": ""}).encode()

    assert content[0] == content[1]


def test_a_course_is_read_as_it_was_written() -> None:
    """Every kind of answer comes back as it was, with times from the trigger on."""
    begun_us = 77_000_000
    seen = COURSE.steps[0].event
    assert isinstance(seen, FrameTaken)
    on_the_clock = replace(seen, exposed_us=seen.exposed_us + begun_us)
    steps = (replace(COURSE.steps[0], event=on_the_clock), *COURSE.steps[1:])

    assert course_text.read(course_text.write(replace(COURSE, steps=steps), begun_us)) == COURSE


_STEP = '{"begun": "busy", "expected": null, "calibration": "", "steps": [{"order": "checking", "attempt": 1, '
NO_COURSES = {
    "nothing": "",
    "a list": "[]",
    "an unknown beginning": '{"begun": "x", "expected": null, "steps": [], "calibration": ""}',
    "a number for a text": '{"begun": "busy", "expected": {"serial": 1}, "steps": [], "calibration": ""}',
    "a text for a number": _STEP + '"after_us": "1"}]}',
    "a record of numbers": _STEP
    + '"after_us": 1, "event": "record_found", "fields": {"serial": 7}, "source": "", "age_s": 1}]}',
    "half an event": _STEP + '"after_us": 1, "event": "record_found"}]}',
    "an unknown event": _STEP + '"after_us": 1, "event": "os_system"}]}',
}


@pytest.mark.parametrize("name", NO_COURSES)
def test_what_is_no_course_is_refused(name: str) -> None:
    """A text that has not the form is an error of its own, and no other."""
    with pytest.raises(course_text.CourseError):
        course_text.read(NO_COURSES[name])
