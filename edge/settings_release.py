"""A station's settings under a release: who signed it, whether it is for here, and what it sets over the own files.

Promise: a release is checked in this order, and nothing of it is used before all of it is right: its size and form,
its key and signature, its content's hash, the station, the number, the content, and the rules between its keys and the
station's own. It can set what is to be read, the gate and the acceptance, and nothing else.
"""

from __future__ import annotations

from edge.adapters import release_keys
from edge.adapters.release_file import ReleaseFile
from edge.core.release import ReleaseName, is_for, step_to
from edge.errors import ConfigError, StoreError
from edge.products import Gate
from edge.releases import Release, ReleaseError, ReleaseRefusal
from edge.settings import Settings
from edge.settings_check import sentences_of


def opened(own: Settings, message: bytes) -> Release:
    """The release that these bytes hold, of a trusted key and for this station; its content is not checked yet.

    Raises:
        ReleaseError: it is none, or not for here.
    """
    release = Release.of(message)
    release_keys.check(release, own.release.trusted_keys)
    said = release.said
    _ = release.name
    if not is_for(said.stations, own.place):
        raise ReleaseError(
            ReleaseRefusal.OTHER_STATION,
            f"release {said.number} is for {', '.join(said.stations)[:200]}, and this is {own.place}: push it there",
        )
    return release


def newer_than(present: ReleaseName | None, offered: ReleaseName) -> bool:
    """Whether an offered release is to be taken; False where it is the present one.

    Raises:
        ReleaseError: it is older than the present one, or another of the same number.
    """
    step = step_to(present, offered)
    if step == "older" and present is not None:
        raise ReleaseError(
            ReleaseRefusal.OLDER,
            f"release {offered.number} is not newer than {present.number}, which the station has: "
            "give it a greater number, or go back with edge release rollback",
        )
    return step == "take"


def under(own: Settings, release: Release) -> Settings:
    """The station's settings under a release that is trusted.

    Raises:
        ReleaseError: something in it is wrong, by itself or for this station; lists all mistakes.
    """
    content = release.sets
    product = content.product(own.product_file.name) or own.product_file
    changed = own.put_under(
        release.name,
        product_file=product,
        gate=Gate.model_validate(content.gate.over(own.gate.model_dump(exclude_none=True))),
        accept=content.accept_over(own.accept),
        calibration=content.calibration,
    )
    if problems := sentences_of(changed):
        raise ReleaseError(ReleaseRefusal.WRONG_CONTENT, problems)
    return changed


def with_taken(own: Settings) -> Settings:
    """The settings under the release that the station has taken; its own where it has none, or trusts no key.

    Raises:
        ConfigError: the release cannot be used any more; says what to do.
    """
    if not own.release.trusted_keys:
        return own
    file = ReleaseFile(own.release_file)
    try:
        message = file.read()
        return own if message is None else under(own, opened(own, message))
    except (StoreError, ReleaseError) as error:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        remedy = "push one that is right, or move the file away: the station's own files count then"
        raise ConfigError([f"{file.path}: {problem}; {remedy}" for problem in problems]) from None
