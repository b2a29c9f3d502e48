"""Rolls a release out: hears the stations, lets `edge.core.rollout` decide, publishes what it orders.

Promise: what was decided is on the disk before it is acted on, so that after a kill at any moment the next one goes on
where this one was; what is published twice has the effect of one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edge.adapters.plant_link import PlantLink, Told
from edge.adapters.rollout_folder import Plant, RolloutFolder
from edge.core.outcome import Disposition
from edge.core.rollout import Answered, Heard, Rollout
from edge.releases import Release

BASE = "edge/v1"
#: Counts are written at least this often while outcomes come; a kill loses the outcomes since, and no decision.
KEEP_EVERY_S = 1.0
#: A station that has not answered is given the release again, in case its broker has lost it.
AGAIN_S = 60.0
#: Retained states come at once after the subscription: so long with nothing new, and all that are there have come.
QUIET_S = 1.0


def filters_of(patterns: tuple[str, ...]) -> list[str]:
    """What to subscribe to for the stations of a release."""
    places = [pattern.replace("*", "+") for pattern in patterns]
    return [f"{BASE}/{place}/{suffix}" for place in places for suffix in ("state", "release_state", "outcome")]


def stations_there(link: PlantLink) -> list[str]:
    """The stations whose retained state says that they are online, in order."""
    online = set()
    while told := list(link.hear(QUIET_S)):
        for one in told:
            place, suffix, facts = _said(one)
            if suffix == "state" and facts.get("state") == "online":
                online.add(place)
        if not any(one.retained for one in told):
            break
    return sorted(online)


def states_of(link: PlantLink) -> dict[str, str]:
    """What each station last said of a release, for people."""
    said = {}
    while told := [one for one in link.hear(QUIET_S) if one.retained]:
        for one in told:
            place, suffix, facts = _said(one)
            if suffix == "release_state":
                present = facts.get("present")
                has = f"has release {present.get('number')}" if isinstance(present, dict) else "has its own files"
                refused = f", refused the last: {facts.get('reason')}" if facts.get("state") == "refused" else ""
                said[place] = has + refused
            elif suffix == "state":
                said.setdefault(place, "has not answered to any release")
    return said


class Rolling:
    """One roll-out under way."""

    def __init__(self, folder: RolloutFolder, plant: Plant, release: Release, tell: Callable[[Rollout], None]) -> None:
        """`tell` is called whenever something was decided."""
        self._folder, self._plant, self._tell = folder, plant, tell
        self._message = release.message
        self._hash = hashlib.sha256(self._message).hexdigest()
        self._published_s: dict[str, float] = {}
        self._kept_s = 0.0

    def run(self, link: PlantLink) -> Rollout:
        """Go on until the roll-out is over.

        Raises:
            BrokerError: The broker is away, or refuses; go on with another `run`.
        """
        self._tell(self._plant.rollout)
        while not self._plant.rollout.is_over:
            self._publish(link)
            for told in link.hear(0.5):
                self._note(told)
        self._keep()
        return self._plant.rollout

    def _publish(self, link: PlantLink) -> None:
        now_s = time.monotonic()
        for station in self._plant.rollout.orders:
            if now_s - self._published_s.get(station, -AGAIN_S) >= AGAIN_S:
                link.publish(f"{BASE}/{station}/release", self._message)
                self._published_s[station] = now_s

    def _note(self, told: Told) -> None:
        event = self._event(told)
        if event is None:
            return
        before, after = self._plant.rollout, self._plant.rollout.after(event)
        self._plant = replace(self._plant, rollout=after)
        if _decided(before) != _decided(after):
            self._keep()
            self._tell(after)
        elif after is not before and time.monotonic() - self._kept_s > KEEP_EVERY_S:
            self._keep()

    def _keep(self) -> None:
        self._folder.keep(self._plant)
        self._kept_s = time.monotonic()

    def _event(self, told: Told) -> Heard | Answered | None:
        """What a message says; None where it says nothing of this roll-out. Nothing that a station sends is fatal."""
        place, suffix, facts = _said(told)
        try:
            if suffix == "release_state" and facts.get("message") == self._hash:
                if facts["state"] not in ("taken", "refused"):
                    return None
                why = "; ".join(str(one) for one in facts["problems"])[:1000]
                return Answered(place, self._plant.rollout.number, facts["state"], f"{facts['reason']}: {why}")
            if suffix == "outcome":
                release = facts["config"].get("release") or {"number": 0}
                disposition = Disposition(facts["disposition"])
                return Heard(place, int(facts["seq"]), disposition, int(release["number"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return None


def _decided(rollout: Rollout) -> tuple[Any, ...]:
    """What must not be forgotten."""
    answers = tuple(one.answer for one in rollout.stations.values())
    return rollout.stage, rollout.phase, rollout.looked, rollout.why, answers


def _said(told: Told) -> tuple[str, str, Mapping[str, Any]]:
    """Which station, on which of its topics, and what; nothing where it is no JSON object."""
    place, _, suffix = told.topic.removeprefix(f"{BASE}/").rpartition("/")
    try:
        facts = json.loads(told.payload)
    except (ValueError, RecursionError):
        facts = {}
    return place, suffix, facts if isinstance(facts, dict) else {}
