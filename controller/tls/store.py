"""Where the authority and the server's certificate are kept: files in `<folder>/tls`, keys for their owner alone."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.tls.authority import Anchor, KeyPair, anchor, make_authority

AUTHORITY, NEXT, SERVER = "ca", "next-ca", "server"


@dataclass(frozen=True, slots=True)
class Files:
    """The two files of one pair."""

    certificate: Path
    key: Path


class TlsStore:
    """`folder` is the controller's own. Whoever makes an authority holds no lock: the first one made stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tls"

    def files(self, name: str) -> Files:
        return Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def read(self, name: str) -> KeyPair | None:
        """None if there is none. Raises OSError."""
        files = self.files(name)
        try:
            return KeyPair(files.certificate.read_bytes(), files.key.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, pair: KeyPair) -> None:
        """Each file is whole at any time, on disk, the certificate last: where that is, its key is. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = self.files(name)
        _replace(files.key, pair.key)
        _replace(files.certificate, pair.certificate)

    def remove(self, name: str) -> None:
        for file in (self.files(name).certificate, self.files(name).key):
            file.unlink(missing_ok=True)

    def authority(self, now: datetime) -> KeyPair:
        """The one that signs; made if there is none yet. Raises OSError."""
        found = self.read(AUTHORITY)
        if found is None:
            found = make_authority(now)
            self.write(AUTHORITY, found)
        return found

    def anchor(self) -> Anchor | None:
        """What a new agent trusts, and by which fingerprint it is known; None before the first start with TLS."""
        found = self.read(AUTHORITY)
        return anchor(found.certificate) if found else None

    def bundle(self) -> str:
        """All authorities that agents are to trust now, PEM: the one that signs, and one that will. May be empty."""
        pairs = (self.read(AUTHORITY), self.read(NEXT))
        return "".join(anchor(pair.certificate).pem for pair in pairs if pair is not None)


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
