"""Certificates for the tests, made by openssl: an authority, brokers of all sorts, a station, and a stranger."""

from __future__ import annotations

import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates into its folder: NAME.pem and NAME.key; its own is ca.pem."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        extension = ("-addext", "basicConstraints=critical,CA:TRUE", "-subj", f"/CN={name}")
        self._openssl("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", *extension)

    def sign(self, name: str, *, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """A certificate and its key; `names` is for whom, and fewer than no `days` is one that has expired."""
        self._openssl("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / "names").write_text(f"subjectAltName={names}\n", encoding="ascii")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", str(days))
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def lock(self, name: str, passphrase: str) -> Path:
        """The key of a certificate under a passphrase."""
        locked = f"{name}.locked.key"
        self._openssl("ec", "-in", f"{name}.key", "-aes256", "-passout", f"pass:{passphrase}", "-out", locked)
        return self.folder / locked

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
