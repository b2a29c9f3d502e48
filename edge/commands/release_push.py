"""`edge release push|status|rollback`: a signed release on its way to the stations of a plant, and back."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from edge import settings_check, toml_file
from edge.adapters import release_keys
from edge.adapters.mqtt_access import broker_of
from edge.adapters.mqtt_facts import Broker
from edge.adapters.plant_link import PlantLink
from edge.adapters.rollout_folder import Plant, RolloutFolder, read_release
from edge.core.release import is_for
from edge.core.rollout import Limits, Phase, Rollout
from edge.errors import BrokerError, UseError
from edge.releases import Content, Release, text_of, unsigned
from edge.sections import Mqtt
from edge.services import rolling

#: A broker that went away is looked for again after this long.
AGAIN_S = 5.0
AT_ONCE = Limits(shares=(1.0,), outcomes=0)


def add_arguments(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Three of the actions of `edge release`."""
    push = actions.add_parser("push", help="roll a signed release out in stages; goes on where it was killed")
    push.add_argument("release", type=Path, metavar="RELEASE", help="the signed release")
    push.add_argument(
        "--stations",
        nargs="+",
        metavar="PLACE",
        help="SITE/LINE/STATION in the order of the roll-out; without: all that are online and that the release is for",
    )
    push.add_argument(
        "--stages", default="1,10%,100%", metavar="LIST", help="stations by the end of each stage: 1, or a share"
    )
    push.add_argument(
        "--outcomes",
        type=int,
        default=300,
        metavar="N",
        help="outcomes of each stage that are compared; 0: all stations at once, nothing compared",
    )
    push.add_argument(
        "--error-rate", type=float, default=0.05, metavar="P", help="chance that a release which is no worse is stopped"
    )
    status = actions.add_parser("status", help="show where the roll-out is, and what each station has")
    back = actions.add_parser(
        "rollback", help="bring an earlier release's content back to every station that was reached"
    )
    back.add_argument("--key", type=Path, required=True, metavar="FILE", help="file of the private key")
    back.add_argument(
        "--to",
        type=int,
        metavar="NUMBER",
        help="whose content; 0: the stations' own files; without: what was there before this roll-out",
    )
    for action in (push, status, back):
        action.add_argument(
            "--folder",
            type=Path,
            default=Path("releases"),
            metavar="DIR",
            help="the plant's folder of releases and of the roll-out's state",
        )
        action.add_argument(
            "--broker", metavar="HOST[:PORT]", help="the broker; without: that of the configuration file"
        )
        action.add_argument("--username", metavar="NAME", help="at the broker")
        action.add_argument("--password-file", type=Path, metavar="FILE", help="file that holds the password")
        action.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates for TLS; without: no TLS")


def run(args: argparse.Namespace) -> int:
    """Do the action; 0, or 1 where the roll-out was stopped."""
    folder = RolloutFolder(args.folder)
    if args.action == "status":
        return _status(args, folder)
    with folder.alone():
        return (_push if args.action == "push" else _roll_back)(args, folder)


def _push(args: argparse.Namespace, folder: RolloutFolder) -> int:
    release, limits = read_release(args.release), _limits(args)
    number = release.name.number
    if not release.signature:
        raise UseError(f"{args.release} is not signed: edge release sign {args.release} --key FILE")
    _ = release.sets
    plant = folder.plant()
    if plant is not None and not plant.rollout.is_over and plant.rollout.number != number:
        raise UseError(
            f"the roll-out of release {plant.rollout.number} is not over in {folder.path}: push it again to go on, "
            "or go back with edge release rollback"
        )
    folder.add(number, release.message)
    if plant is None or plant.rollout.number != number:
        with _link(args, release) as link:
            stations = _stations(args.stations, release, link)
        before = 0 if plant is None else plant.rollout.number if plant.rollout.phase is Phase.DONE else plant.before
        plant = Plant(Rollout.of(number, stations, limits), before)
        folder.keep(plant)
    return _roll(args, folder, plant, release)


def _roll_back(args: argparse.Namespace, folder: RolloutFolder) -> int:
    plant = folder.plant()
    if plant is None:
        raise UseError(f"{folder.path} holds no roll-out: name the folder with --folder")
    to, of = plant.before if args.to is None else args.to, plant.rollout.number
    numbers = folder.numbers()
    if to != 0 and to not in numbers:
        raise UseError(f"{folder.path} holds no release {to}: choose one of {', '.join(map(str, [0, *numbers]))}")
    content = folder.release(to).content if to else text_of(Content(version=1))
    stations = folder.release(of).said.stations
    note = f"back from {of} to {to}"
    release = release_keys.signed(unsigned(max(*numbers, of) + 1, stations, content, note=note, back_to=to), args.key)
    number = release.name.number
    folder.add(number, release.message)
    plant = Plant(Rollout.of(number, plant.rollout.reached, AT_ONCE), to)
    folder.keep(plant)
    print(f"release {number}: {note}", flush=True)
    return _roll(args, folder, plant, release)


def _roll(args: argparse.Namespace, folder: RolloutFolder, plant: Plant, release: Release) -> int:
    """Go on until it is over; a broker that is away is waited for."""
    under_way = rolling.Rolling(folder, plant, release, _tell)
    while True:
        try:
            with _link(args, release) as link:
                ended = under_way.run(link)
            return 0 if ended.phase is Phase.DONE else 1
        except BrokerError as error:
            print(f"edge: {error}", file=sys.stderr, flush=True)
            time.sleep(AGAIN_S)


def _status(args: argparse.Namespace, folder: RolloutFolder) -> int:
    plant = folder.plant()
    if plant is None:
        print(f"{folder.path}: nothing was rolled out from here")
        return 0
    _tell(plant.rollout)
    with _link(args, folder.release(plant.rollout.number)) as link:
        for place, state in sorted(rolling.states_of(link).items()):
            print(f"{place}: {state}")
    return 0 if plant.rollout.phase is not Phase.STOPPED else 1


def _tell(rollout: Rollout) -> None:
    """One line: where the roll-out is, and what it waits for."""
    if rollout.phase is Phase.DONE:
        where = f"done: {len(rollout.reached)} stations have it"
    elif rollout.phase is Phase.STOPPED:
        where = f"stopped: {rollout.why}; {len(rollout.reached)} stations were given it: see edge release rollback"
    else:
        owing = rollout.waits_for
        what = {Phase.BASE: "outcomes before it", Phase.TRIAL: "outcomes under it"}[rollout.phase]
        what = what if rollout.limits.outcomes else "answers"
        shown = ", ".join(owing[:5]) + (f" and {len(owing) - 5} more" if len(owing) > 5 else "")
        where = f"stage {rollout.stage + 1} of {len(rollout.stages)}, waits for {what} of {shown or 'nobody'}"
    print(f"release {rollout.number}: {where}", flush=True)


def _stations(named: list[str] | None, release: Release, link: PlantLink) -> list[str]:
    meant = release.said.stations
    stations = named or [place for place in rolling.stations_there(link) if is_for(meant, place)]
    if strange := [place for place in stations if not is_for(meant, place)]:
        raise UseError(f"the release is not for {strange[0]}: it is for {', '.join(meant)}")
    if len(set(stations)) < len(stations):
        raise UseError("a station is named twice: leave one out")
    if not stations:
        raise UseError(f"no station of {', '.join(meant)} is online at this broker: name them with --stations")
    return stations


def _limits(args: argparse.Namespace) -> Limits:
    shares = [_share(word) for word in args.stages.split(",")]
    rising = [share for share in shares if share is not None]
    if len(rising) < len(shares) or rising != sorted(set(rising)) or rising[-1] != 1:
        raise UseError(f"--stages {args.stages!r} is wrong: write shares that rise to 100%, such as 1,10%,100%")
    if not 0 < args.error_rate < 1:
        raise UseError(f"--error-rate {args.error_rate} is wrong: it must lie between 0 and 1")
    if args.outcomes < 0:
        raise UseError(f"--outcomes {args.outcomes} is wrong: it must be 0 or more")
    return Limits(tuple(rising), args.outcomes, error_rate=args.error_rate) if args.outcomes else AT_ONCE


def _share(word: str) -> float | None:
    """One stage: `1` is one station, which any share of none is; `10%` is a tenth of all; None: it is no stage."""
    if word == "1":
        return 0.0
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%", word)
    share = float(found[1]) / 100 if found else 0.0
    return share if 0 < share <= 1 else None


@contextmanager
def _link(args: argparse.Namespace, release: Release) -> Iterator[PlantLink]:
    link = PlantLink(_broker(args), rolling.filters_of(release.said.stations))
    try:
        yield link
    finally:
        link.close()


def _broker(args: argparse.Namespace) -> Broker:
    if args.broker is None:
        mqtt = settings_check.load_own(args.config).mqtt
    else:
        host, _, port = args.broker.partition(":")
        facts = {
            "host": host,
            "port": port or (1883 if args.ca_file is None else 8883),
            "username": args.username,
            "password_file": args.password_file,
            "tls": None if args.ca_file is None else {"ca_file": args.ca_file},
        }
        try:
            mqtt = Mqtt.model_validate(facts)
        except ValidationError as error:
            found = toml_file.problems(error, facts, Mqtt)
            raise UseError(f"--broker: {found[0].key[-1]} {found[0].what}") from None
    return replace(broker_of(mqtt), client_id="edge-release")
