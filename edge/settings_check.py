"""Find everything that is wrong with a station's configuration, in one go (L13).

A mistake found early must not hide the later ones: each wrong key is taken out, its default put in its place, and
the rules between keys are then checked on what is left. A rule that needs a wrong key stays silent.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from edge import settings_check_erp, settings_check_panel, settings_check_reader, settings_check_signals, toml_file
from edge.adapters import release_keys
from edge.errors import ConfigError
from edge.products import NAMEPLATE, ProductFile, read_product
from edge.question_profiles import QuestionProfile, read_profiles
from edge.section_types import folder
from edge.sections_cameras import Camera, FileCamera, RtspCamera
from edge.settings import Settings
from edge.settings_check_files import pem, secret, socket
from edge.toml_file import Key, Problem, TomlFile

#: Names that are no settings.
_OTHER_NAMES = {"EDGE_CONFIG"}
_PREFIX = "EDGE_"
_DEADLINE = ("station", "deadline_ms")
_PLACEHOLDERS: dict[Key, Any] = {
    ("version",): 1,
    ("station",): {},
    ("station", "site"): "site",
    ("station", "line"): "line",
    ("station", "name"): "name",
    ("station", "camera"): "camera",
    ("cameras",): {"camera": {"kind": "simulated", "address": "ipc:///placeholder"}},
}


def find_file(path: Path | None, environment: Mapping[str, str]) -> Path:
    """The configuration file to use.

    Raises:
        ConfigError: none was named and none lies where it is looked for.
    """
    if path is not None:
        return path
    if named := environment.get("EDGE_CONFIG"):
        return Path(named)
    usual = (Path("config/edge.toml"), Path("/etc/edge/edge.toml"))
    for candidate in usual:
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"no configuration: there is neither {usual[0]} nor {usual[1]}; name one with --config or EDGE_CONFIG"
    )


def load_checked(path: Path | None, environment: Mapping[str, str] | None) -> Settings:
    """Load, check and bind the settings, under the release that the station has taken; see `edge.settings.load`."""
    from edge.settings_release import with_taken  # noqa: PLC0415 - it imports the rules of this file

    return with_taken(load_own(path, environment))


def load_own(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the station's own files alone.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    environment = os.environ if environment is None else environment
    file = toml_file.read(find_file(path, environment).absolute())
    names = {name.upper(): name for name in environment if name.upper().startswith(_PREFIX)}
    problems: list[Problem] = []
    values = _merged(file.values, _from_environment(environment, names, problems))
    token = folder.set(file.path.parent)
    try:
        settings = _validated(values, problems)
    finally:
        folder.reset(token)
    wrong = {problem.key for problem in problems}
    product = NAMEPLATE
    profiles: Mapping[str, QuestionProfile] = {}
    sentences: list[str] = []
    if settings is not None:
        if ("station", "product") not in wrong and ("paths", "products") not in wrong:
            product = _product(settings, file, sentences)
        found = [*_rules(settings, product if not sentences else None)]
        if ("paths", "profiles") not in wrong:
            profiles = _profiles(settings, sentences)
        problems.extend(problem for problem in found if not _needs_wrong(problem, wrong))
    if problems or sentences:
        raise ConfigError([*(f"{_place(p.key, file, names)} {p.what}" for p in problems), *sentences])
    assert settings is not None, "no problem was found, so there are settings"
    return settings.bound_to(file.path, product, profiles)


def panel_users_file(path: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """The file that `panel.users_file` names, whatever else is wrong: whoever makes the file has no right settings yet.

    Raises:
        ConfigError: no file is named.
    """
    environment = os.environ if environment is None else environment
    file = toml_file.read(find_file(path, environment).absolute())
    names = {name.upper(): name for name in environment if name.upper().startswith(_PREFIX)}
    panel = _merged(file.values, _from_environment(environment, names, [])).get("panel")
    named = panel.get("users_file") if isinstance(panel, dict) else None
    if not isinstance(named, str) or not named.strip() or "\x00" in named:
        raise ConfigError(f"{file.at(('panel', 'users_file'))}: is not set; name a file there, such as /etc/edge/users")
    return file.path.parent / named


def sentences_of(settings: Settings) -> list[str]:
    """What the rules between keys say of settings whose keys are right, each with its key."""
    return [f"{'.'.join(one.key)} {one.what}" for one in _rules(settings, settings.product_file)]


def _needs_wrong(problem: Problem, wrong: AbstractSet[Key]) -> bool:
    """Whether a mistake between keys is only seen because one of them is wrong by itself."""
    return any(_touches(needed, key) for needed in (problem.key, *problem.needs) for key in wrong)


def _touches(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _place(key: Key, file: TomlFile, names: Mapping[str, str]) -> str:
    variable = _PREFIX + "__".join(key).upper()
    return f"environment variable {names[variable]}:" if variable in names else file.at(key)


def _from_environment(
    environment: Mapping[str, str], names: Mapping[str, str], problems: list[Problem]
) -> dict[str, Any]:
    known = tuple(Settings.model_fields)
    for upper in names:
        section, _, rest = upper.removeprefix(_PREFIX).lower().partition("__")
        if rest and section not in known:
            problems.append(
                Problem((section, *rest.split("__")), f"has no such section; {toml_file.suggestion(section, known)}")
            )
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): environment[name] for name in names.values() if name.upper() not in _OTHER_NAMES}
    try:
        return dict(source())
    except SettingsError as error:
        section = next((name for name in known if f'"{name}"' in str(error)), "")
        problems.append(Problem((section,), "is not JSON; set its keys one by one, as EDGE_STATION__NAME"))
        return {}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(copy.deepcopy(dict(below)))
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _validated(values: dict[str, Any], problems: list[Problem]) -> Settings | None:
    """Validate; note each mistake, then go on without the wrong key so that the rules between keys can be checked."""
    repaired = copy.deepcopy(values)
    first = True
    for _ in range(6):
        try:
            return Settings(**{str(name): value for name, value in repaired.items()})
        except ValidationError as error:
            found = toml_file.problems(error, repaired, Settings)
            if first:
                problems.extend(found)
            first = False
            for problem in found:
                _repair(repaired, problem)
    return None


def _repair(values: dict[str, Any], problem: Problem) -> None:
    key = problem.key
    if problem.missing and key not in _PLACEHOLDERS:
        key = key[:-1]  # a table that lacks a key: go on without the table
    _remove(values, key)
    if key in _PLACEHOLDERS:
        _table(values, key[:-1])[key[-1]] = copy.deepcopy(_PLACEHOLDERS[key])
    if key[:1] == ("cameras",) and not values.get("cameras"):
        values["cameras"] = copy.deepcopy(_PLACEHOLDERS["cameras",])


def _table(values: dict[str, Any], key: Key) -> dict[str, Any]:
    for part in key:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    return values


def _remove(values: dict[str, Any], key: Key) -> None:
    here: Any = values
    for part in key[:-1]:
        if not isinstance(here, dict) or not isinstance(here.get(part), dict):
            _remove(values, key[:-1])
            return
        here = here[part]
    if isinstance(here, dict):
        here.pop(key[-1], None)


def _product(settings: Settings, file: TomlFile, sentences: list[str]) -> ProductFile:
    try:
        return read_product(settings.station.product, settings.paths.products, settings.paths.edited_products)
    except ConfigError as error:
        own = [
            text if ".toml" in text.split(" ", 1)[0] else f"{file.at(('station', 'product'))}: {text}"
            for text in error.problems
        ]
        sentences.extend(own)
        return NAMEPLATE


def _profiles(settings: Settings, sentences: list[str]) -> Mapping[str, QuestionProfile]:
    try:
        return read_profiles(settings.paths.profiles)
    except ConfigError as error:
        sentences.extend(error.problems)
        return {}


def _rules(settings: Settings, product: ProductFile | None) -> Iterator[Problem]:
    """The rules between keys."""
    station, camera = settings.station, settings.cameras.get(settings.station.camera)
    if camera is None:
        known = ", ".join(sorted(settings.cameras))
        yield Problem(
            ("station", "camera"), f"is not one of [cameras]; choose one of {known}, or add it", needs=(("cameras",),)
        )
    if settings.retake.budget_ms >= station.deadline_ms:
        yield Problem(
            ("retake", "budget_ms"),
            f"is {settings.retake.budget_ms}, but must be less than station.deadline_ms, {station.deadline_ms}",
            needs=(_DEADLINE,),
        )
    waits: list[tuple[Key, BaseModel | None, str]] = [
        (("cameras", station.camera), camera, "take_timeout_ms"),
        (("reader",), settings.reader, "timeout_ms"),
        (("erp",), settings.erp, "timeout_ms"),
    ]
    for table, model, name in waits:
        # A default wait longer than a short deadline is cut by it; one that was written so is a mistake.
        if model is not None and name in model.model_fields_set and getattr(model, name) >= station.deadline_ms:
            yield Problem(
                (*table, name),
                f"is {getattr(model, name)}, but must be less than station.deadline_ms, {station.deadline_ms}",
                needs=(_DEADLINE,),
            )
    for name, one in settings.cameras.items():
        yield from _camera(name, one)
    yield from _paths(settings)
    yield from settings_check_reader.problems(settings)
    yield from settings_check_erp.problems(settings.erp, product)
    yield from settings_check_signals.problems(settings.triggers, settings.result, settings.lights, camera)
    yield from _links(settings)
    if settings.release.trusted_keys and (lacking := release_keys.lacking()):
        yield Problem(("release", "trusted_keys"), f"is set, which needs {lacking}")


def _camera(name: str, camera: Camera) -> Iterator[Problem]:
    if not camera.exposure_min_us <= camera.exposure_us <= camera.exposure_max_us:
        yield Problem(
            ("cameras", name, "exposure_us"),
            f"is {camera.exposure_us}, but must lie between exposure_min_us, {camera.exposure_min_us}, "
            f"and exposure_max_us, {camera.exposure_max_us}",
            needs=(("cameras", name, "exposure_min_us"), ("cameras", name, "exposure_max_us")),
        )
    if isinstance(camera, FileCamera) and not camera.path.exists():
        yield Problem(("cameras", name, "path"), f"names {camera.path}, which does not exist; name a file or folder")
    if isinstance(camera, RtspCamera):
        yield from secret(lambda: camera.password, "cameras", name, "password_file")


def _paths(settings: Settings) -> Iterator[Problem]:
    longest = max(
        (settings.paths.runtime.absolute() / f"heartbeat-capture-{name}.sock" for name in settings.cameras),
        key=lambda path: len(os.fsencode(path)),
    )
    yield from socket(longest, "paths", "runtime")
    for name in ("data", "runtime", "products", "profiles"):
        path: Path = getattr(settings.paths, name)
        if path.exists() and not path.is_dir():
            yield Problem(("paths", name), f"names {path}, which is not a folder; name a folder")
    if settings.paths.data == settings.paths.runtime:
        yield Problem(
            ("paths", "runtime"), "is the same folder as paths.data; choose another", needs=(("paths", "data"),)
        )


def _links(settings: Settings) -> Iterator[Problem]:
    mqtt = settings.mqtt
    yield from settings_check_panel.problems(settings.panel)
    unread = list(secret(lambda: mqtt.password, "mqtt", "password_file"))
    yield from unread
    if mqtt.username is None and not unread and mqtt.password is not None:
        yield Problem(
            ("mqtt", "username"), "is missing, but there is a password; add it", needs=(("mqtt", "password_file"),)
        )
    if mqtt.tls is not None:
        for name in ("ca_file", "cert_file", "key_file"):
            yield from pem(getattr(mqtt.tls, name), "mqtt", "tls", name)
        if (mqtt.tls.cert_file is None) != (mqtt.tls.key_file is None):
            yield Problem(
                ("mqtt", "tls", "key_file"),
                "and cert_file belong together; set both or neither",
                needs=(("mqtt", "tls"),),
            )
