"""The keys of releases: Ed25519 (RFC 8032), by the `cryptography` package. A private key is a file of its own.

Promise: a private key is in no error and no log; a file that others may read is refused. A public key is 32 bytes in
base64; its id is the beginning of their SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.adapters import whole_file
from edge.errors import UseError
from edge.releases import Release, ReleaseError, ReleaseRefusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_BYTES = 32
_MOST_FILE_BYTES = 10_000
_EXTRA = "cryptography: pip install 'edge-inspection[release]'"


def lacking() -> str:
    """What signatures need and is not installed, and how to install it; empty where nothing is lacking."""
    return "" if importlib.util.find_spec("cryptography") is not None else _EXTRA


def public_bytes(text: str) -> bytes:
    """The bytes of a public key in base64.

    Raises:
        ValueError: it is none; the sentence says so and shows nothing of it.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("must be a public key as `edge release key` prints it: 32 bytes in base64")
    return raw


def id_of(public: bytes) -> str:
    """By which a release names its key."""
    return hashlib.sha256(public).hexdigest()[:16]


def check(release: Release, trusted: Iterable[str]) -> None:
    """Pass a release on that one of the trusted keys has signed.

    Raises:
        ReleaseError: none of them has.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - of the extra `release`
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    keys = {id_of(public): public for public in map(public_bytes, trusted)}
    public = keys.get(release.key)
    if public is None:
        raise ReleaseError(
            ReleaseRefusal.UNTRUSTED_KEY,
            f"the release is signed with key {release.key[:16]!r}, which is not in [release] trusted_keys: "
            "sign it with a key that is, or add its public key there",
        )
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(release.signature, release.signed_bytes)
    except InvalidSignature:
        raise ReleaseError(
            ReleaseRefusal.BAD_SIGNATURE,
            f"the signature of key {release.key} is not over this statement: push the file as it was signed",
        ) from None


def make_key(path: Path) -> str:
    """Make a new private key in a file for this user alone; give the public key.

    Raises:
        UseError: there is a file already, or it cannot be written.
    """
    _need()
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - of the extra `release`
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    if path.exists():
        raise UseError(f"{path} is there already: name a new file, a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    try:
        whole_file.write(path, text)
    except OSError as error:
        raise UseError(f"{path} cannot be written ({error.strerror}): name a file in a folder of your own") from None
    return _public(key)


def signed(release: Release, path: Path) -> Release:
    """The release, signed with the private key of a file.

    Raises:
        UseError: the file holds no such key, or others may read it.
    """
    key = _private(path)
    public = public_bytes(_public(key))
    return Release(release.statement, release.content, id_of(public), key.sign(release.signed_bytes))


def public_of(path: Path) -> str:
    """The public key that belongs to the private key of a file.

    Raises:
        UseError: the file holds no such key, or others may read it.
    """
    return _public(_private(path))


def _private(path: Path) -> Ed25519PrivateKey:
    _need()
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - of the extra `release`
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    try:
        open_to_others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        with path.open("rb") as opened:
            text = opened.read(_MOST_FILE_BYTES)
    except OSError as error:
        raise UseError(f"{path} cannot be read ({error.strerror}): name the private key's file") from None
    if open_to_others:
        raise UseError(f"{path} may be read by others than its owner: chmod 600 it, and make a new key if they could")
    try:
        key = form.load_pem_private_key(text, password=None)
    except (ValueError, TypeError):  # what it holds is not repeated
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UseError(f"{path} holds no private key of Ed25519 in PEM: make one with edge release key")
    return key


def _public(key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - of the extra `release`

    return base64.b64encode(key.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)).decode()


def _need() -> None:
    if missing := lacking():
        raise UseError(f"releases need {missing}")
