"""`make package`: a folder that installs edge with no network, of everything that this Python needs.

    python install/make_package.py            dist/edge-VERSION-pyX.Y/ and the same as .tar
    python install/make_package.py --wheels DIR   with the wheels of DIR where they fit
    python install/make_package.py --deb          the same as a Debian package, too: it calls edge-install

The folder holds the wheels, a lock file with their hashes, the units, the settings' example, the products, and
`edge-install`. `SHA256SUMS` covers all of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Where the Debian package puts the folder.
DEB_FOLDER = "/usr/share/edge-inspection"
#: Everything but `vlm`, whose torch is ten times as large as all the rest, and made for one kind of GPU.
EXTRAS = ("demo", "genicam", "postgres", "redis", "remote", "rest", "rtsp")
#: Asked for by `redis` below Python 3.11.3: Debian 12 has 3.11.2, where this may run on a later one.
ALSO = ("async-timeout>=4.0.3",)


def make(out: Path, wheels: Path | None = None, constraint: Path | None = None, tree: Path = ROOT) -> Path:
    """Make the folder anew below `out`, of the sources in `tree`, and give its path.

    Raises:
        subprocess.CalledProcessError: pip could not get a wheel; what it said stands on standard error.
    """
    python = "{}.{}".format(*sys.version_info)
    building = out / "building"
    shutil.rmtree(building, ignore_errors=True)
    (building / "wheels").mkdir(parents=True)
    own = _wheel(building / "wheels", tree)
    known = {point.partition(";")[0].strip() for point in _extras(own)}
    extras = ",".join(extra for extra in EXTRAS if extra in known)
    known_wheels = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    limits = [] if constraint is None else ["--constraint", str(constraint)]
    _pip(
        "wheel",
        "--quiet",
        "--prefer-binary",
        *known_wheels,
        *limits,
        "--wheel-dir",
        building / "wheels",
        f"{own}[{extras}]",
        *ALSO,
    )
    version = own.name.split("-")[1]
    _write_lock(building)
    for name in ("edge-install", "installing.py"):
        shutil.copy2(tree / "install" / name, building / name)
    for name in ("LICENSE", "CHANGELOG.md"):
        shutil.copy2(tree / name, building / name)
    shutil.copytree(tree / "systemd", building / "systemd")
    for name in ("products", "profiles", "monitoring"):
        shutil.copytree(tree / "config" / name, building / "config" / name)
    shutil.copy2(tree / "config" / "edge.toml", building / "config" / "edge.toml")
    (building / "VERSION").write_text(f"{version}\n")
    (building / "PYTHON").write_text(f"{python}\n")
    write_sums(building)
    made = out / f"edge-{version}-py{python}"
    shutil.rmtree(made, ignore_errors=True)
    building.rename(made)
    return made


def deb(folder: Path) -> Path:
    """The folder as a Debian package beside it: installing it calls its `edge-install`, removing it `--uninstall`.

    Raises:
        subprocess.CalledProcessError: dpkg-deb could not; what it said stands on standard error.
    """
    version, python = (folder / "VERSION").read_text().strip(), (folder / "PYTHON").read_text().strip()
    major, minor = python.split(".")
    ask = ["dpkg", "--print-architecture"]
    machine = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    tree = folder.with_name(f"{folder.name}.deb-tree")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(folder, tree / DEB_FOLDER.lstrip("/"), copy_function=os.link)
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        f"Package: edge-inspection\nVersion: {version}\nArchitecture: {machine}\nMaintainer: edge\nSection: misc\n"
        f"Depends: python3 (>= {python}), python3 (<< {major}.{int(minor) + 1}~), python3-venv, passwd, util-linux\n"
        "Description: inspection of nameplates on a line PC\n"
        " Installs from its own wheels, with no network. Settings, data and user stay when it is removed.\n"
    )
    for name, arguments in (("postinst", "configure"), ("prerm", "remove")):
        does = "" if name == "postinst" else " --uninstall"
        script = control / name
        script.write_text(f'#!/bin/sh\nset -e\n[ "$1" != {arguments} ] || {DEB_FOLDER}/edge-install{does}\n')
        script.chmod(0o755)
    made = folder.with_name(f"edge-inspection_{version}_{machine}.deb")
    # Wheels are compressed already.
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made], check=True, stdout=subprocess.DEVNULL
    )
    shutil.rmtree(tree)
    return made


def write_sums(folder: Path) -> None:
    """Write `SHA256SUMS` of every other file in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{_sha256(path)}  {path.relative_to(folder)}" for path in files]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n")


def _wheel(folder: Path, tree: Path) -> Path:
    """The wheel of a tree. Built from a copy: setuptools keeps what an earlier build left in build/."""
    source = folder.parent / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("edge", "simulator"):
        shutil.copytree(tree / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(tree / name, source / name)
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    shutil.rmtree(source)
    return next(folder.glob("edge_inspection-*.whl"))


def _extras(wheel: Path) -> list[str]:
    """The extras that a wheel offers."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    return [line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra: ")]


def _write_lock(folder: Path) -> None:
    """`requirements.lock`: every wheel with its version and hash, so that pip takes these bytes and no others."""
    lines = []
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{_sha256(wheel)}")
    (folder / "requirements.lock").write_text("\n".join(lines) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], check=True)


def main() -> int:
    """Make the folder and the archive, and say where they are."""
    parser = argparse.ArgumentParser(description="Make a folder that installs edge with no network.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where (%(default)s)")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to take in the place of the package index")
    parser.add_argument("--constraint", type=Path, help="pip's constraints: versions to keep to")
    parser.add_argument("--deb", action="store_true", help="make a Debian package of it as well")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    made = make(asked.out.absolute(), asked.wheels, asked.constraint)
    archive = made.with_name(f"{made.name}.tar")
    with tarfile.open(archive, "w") as tar:  # wheels are compressed already
        tar.add(made, made.name)
    if asked.deb:
        print(f"{deb(made)}  on the line PC: sudo apt-get install ./edge-inspection_*.deb")
    size_mb = archive.stat().st_size / 1e6
    print(
        f"{made}\n{archive}  {size_mb:.0f} MB\non the line PC: tar xf {archive.name} && sudo {made.name}/edge-install"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
