"""A camera: two real frames, their age, their order in time, and what exposures it can do.

A camera whose capture process runs belongs to that process: what it says of itself counts, and nothing is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge.adapters.camera import Camera, CameraFacts, CameraFrame, FrozenWatch, Order, now_us
from edge.adapters.images import decode
from edge.commands.checks.finding import Finding, fail, judged, ok
from edge.commands.checks.running import heard
from edge.sections_cameras import Camera as CameraSettings

#: A frame whose brightest hundredth is below this, of 255, shows nothing: a cap on the lens, or a light that is off.
DARK_BELOW = 16


def check(name: str, config: CameraSettings, runtime_dir: Path) -> Finding:
    """Ask the capture process where it runs, else the camera itself."""
    beat = heard(runtime_dir, f"capture-{name}")
    if beat is None:
        from edge.services.capture import open_camera  # noqa: PLC0415 - a device is imported where it is opened

        return look(open_camera(config), config)
    told = beat.facts
    facts = {"state": told.get("state"), "frame_age_s": told.get("frame_age_s"), "running": True}
    if told.get("state") != "ready":
        return fail(f"its process runs and is {told.get('state')}", str(told.get("problem") or "see its log"), **facts)
    age_s = told.get("frame_age_s")
    last = "no frame taken yet" if age_s is None else f"last frame {age_s:.1f} s ago"
    return ok(f"{_name(told.get('camera') or {})}, held by its process; {last}", **facts)


def look(camera: Camera, config: CameraSettings) -> Finding:
    """Open it, take two frames, let it go.

    Raises:
        CameraError: it cannot be opened, or gives no frame.
    """
    try:
        facts = camera.open()
        asked_us = now_us()
        frames = [_take(camera, config, facts) for _ in range(2 if facts.live else 1)]
        came_us = now_us()
    finally:
        camera.close()
    first, last = frames[0], frames[-1]
    age_ms = (last.received_us - last.exposed_us) / 1000
    said = f"{_name({'model': facts.model, 'serial': facts.serial})}{'' if facts.live else ', from files'}"
    said += f", {last.width_px} x {last.height_px} px, {age_ms:.0f} ms old, exposed {last.exposure_us} µs"
    if facts.exposure_range_us is not None:
        said += " of {} to {}".format(*facts.exposure_range_us)
    told = {
        "age_ms": round(age_ms, 1),
        "width_px": last.width_px,
        "height_px": last.height_px,
        "exposure_us": last.exposure_us,
        "exposure_range_us": facts.exposure_range_us,
        "live": facts.live,
        "running": False,
    }
    if facts.live:
        watch = FrozenWatch()
        frozen = [watch.is_frozen(frame) for frame in frames]
        if True in frozen:
            return fail(f"{said}; two frames are one and the same", "the camera is frozen, restart it", **told)
        if first.exposed_us < asked_us:
            return fail(f"{said}; the frame is from before it was asked for", "set the camera to trigger", **told)
        if not first.exposed_us < last.exposed_us <= came_us:
            return fail(f"{said}; its clock does not go with this PC's", "restart the camera", **told)
    return judged(said, [*_exposures(config, facts, last), *_dark(last)], **told)


def _take(camera: Camera, config: CameraSettings, facts: CameraFacts) -> CameraFrame:
    light = config.light if not facts.lights or config.light in facts.lights else facts.lights[0]
    return camera.take(Order(exposure_us=config.exposure_us, gain_db=config.gain_db, light=light, trigger_id=None))


def _exposures(config: CameraSettings, facts: CameraFacts, frame: CameraFrame) -> list[str]:
    """What of the settings the camera does not do."""
    doubts: list[str] = []
    if facts.exposure_range_us is not None:
        least, most = facts.exposure_range_us
        doubts += [
            f"{key} is {value}, which it cannot do; set {least} to {most}"
            for key in ("exposure_min_us", "exposure_us", "exposure_max_us")
            if not least <= (value := getattr(config, key)) <= most
        ]
        # A tenth: cameras round to their line time.
        if not doubts and facts.live and abs(frame.exposure_us - config.exposure_us) > config.exposure_us / 10:
            doubts.append(f"exposure_us is {config.exposure_us}, and it did {frame.exposure_us}; see its auto modes")
    if facts.lights and config.light not in facts.lights:
        doubts.append(f"light is {config.light}, which it has not; set one of {', '.join(facts.lights)}")
    return doubts


def _dark(frame: CameraFrame) -> list[str]:
    pixels = frame.pixels
    if pixels is None and frame.encoded is not None:
        pixels = decode(frame.encoded)
    if pixels is None or float(np.percentile(pixels[::8, ::8], 99)) >= DARK_BELOW:
        return []
    return ["the frame is black; see cap, light and exposure_us"]


def _name(camera: Any) -> str:
    return f"{camera.get('model', 'a camera')} {camera.get('serial', '')}".strip()
