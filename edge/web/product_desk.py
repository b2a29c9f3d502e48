"""The station's product file as a person edits it: read, checked, and written whole or not at all.

Promises: a text with a mistake is never written; a file that somebody else changed meanwhile is never written over; a
crash leaves the old file or the new one. Where the panel may not write the file (an installed one may not, below /etc),
its text goes into the data folder and counts there, for as long as the original is the one that it was made from.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.adapters import whole_file
from edge.errors import ConfigError, UseError
from edge.products import NAMEPLATE, is_path, mark_of, place_of, read_product, without_mark
from edge.settings import load

#: A product file is a page of text; this is fifty fields with all their keys.
MAX_BYTES = 50_000
_BUILT_IN = 'version = 1\nname = "{}"\n\n[fields.model]\n\n[fields.serial]\n'


@dataclass(frozen=True, slots=True)
class ProductText:
    """A product file. `path` is where it is, or would be made: None where there is no folder for it."""

    name: str
    path: Path | None
    text: str
    sha256: str
    is_there: bool


class ChangedError(UseError):
    """Raised where the file is not the one that was edited."""


class ProductDesk:
    """Reads, checks and writes the product file that a configuration names."""

    def __init__(self, config: Path, product: str, folder: Path | None, edited: Path | None = None) -> None:
        self.config, self._product, self._folder, self._edited = config, product, folder, edited

    def now(self) -> ProductText:
        """The file as it is; the built-in product as a text that could become one.

        Raises:
            ConfigError: it cannot be read.
        """
        path = place_of(self._product, self._folder, self._edited)
        if path is None or not path.is_file():
            text = _BUILT_IN.format(NAMEPLATE.name)
            made = path or (self._folder / f"{self._product}.toml" if self._folder is not None else None)
            return ProductText(self._product, made, text, "", is_there=False)
        try:
            raw = path.read_bytes()
            return ProductText(self._product, path, without_mark(raw.decode()), _hash(raw), is_there=True)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as text ({type(error).__name__}): see its rights") from None

    def running_as(self, product: str) -> bool:
        """Whether the file says what the station works by (`product`, a product file as JSON)."""
        try:
            return read_product(self._product, self._folder, self._edited).model_dump_json() == product
        except ConfigError:
            return False

    def problems(self, text: str) -> list[str]:
        """Every mistake in a text, and every rule of the configuration that it would break; empty: it may be saved."""
        if len(text.encode()) > MAX_BYTES:
            return [f"the text has more than {MAX_BYTES} bytes, the most that a product file may have here: shorten it"]
        with self.tried(text) as file:
            try:
                product = read_product(str(file))
                by_name = "/" not in self._product and not self._product.endswith(".toml")
                if by_name and product.name != self._product:
                    return [
                        f"name is {product.name!r}, and the station's product is {self._product!r}: make them the same"
                    ]
                load(self.config, {**os.environ, "EDGE_STATION__PRODUCT": str(file)})
            except ConfigError as error:
                shown = str(self.now().path or self._product)
                return [one.replace(str(file), shown) for one in error.problems]
        return []

    @contextmanager
    def tried(self, text: str) -> Iterator[Path]:
        """The text as a file for as long as it is tried."""
        with tempfile.TemporaryDirectory(prefix="edge-product-") as folder:
            file = Path(folder) / "product.toml"
            file.write_text(text, encoding="utf-8", newline="")
            yield file

    def save(self, text: str, sha256: str) -> ProductText:
        """Write a text in the place of the file whose hash it was ("" for none); gives it as it stands then.

        Raises:
            ChangedError: the file is another one by now.
            ConfigError: the text is wrong; lists all mistakes.
            UseError: it cannot be written.
        """
        if problems := self.problems(text):
            raise ConfigError(problems)
        before = self.now()
        if before.path is None:
            raise UseError("there is no folder for product files: set [paths] products")
        if before.sha256 != sha256:
            raise ChangedError(f"{before.path} was changed meanwhile: load it anew, and make your change again")
        try:
            if self._is_edited(before.path):
                self._write_edited(text)
            else:
                _write(before.path, text)
        except OSError as error:
            if self._edited is None or is_path(self._product) or self._is_edited(before.path):
                raise _unwritten(before.path, error) from None
            try:
                self._write_edited(text)
            except OSError as second:
                raise _unwritten(self._edited, second) from None
        return self.now()

    def _is_edited(self, path: Path) -> bool:
        return self._edited is not None and path.parent == self._edited

    def _write_edited(self, text: str) -> None:
        """Write a text in the place of the original, which it names."""
        assert self._edited is not None  # asked before
        original = None if self._folder is None else self._folder / f"{self._product}.toml"
        _write(self._edited / f"{self._product}.toml", f"{mark_of(original)}\n{without_mark(text)}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o644
    whole_file.write(path, text.encode(), mode=mode)


def _unwritten(path: Path, error: OSError) -> UseError:
    return UseError(f"{path} cannot be written ({error.strerror}): let edge's user write there, or copy the text")


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
