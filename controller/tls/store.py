"""Where certificates and their keys are kept: one file a pair, in `<folder>/tls`, for its owner alone."""

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.tls.authority import Anchor, BadCertificate, KeyPair, anchor, make_authority

AUTHORITY: Final = "ca"
"""The one that signs."""
NEXT: Final = "next-ca"
"""The one that will: agents are being told to trust it."""
SERVER: Final = "server"
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n?", re.DOTALL)


class TlsStore:
    """`folder` is the controller's own. A file holds a certificate, who signed it, and its key: never half a pair."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tls"

    def file(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def read(self, name: str) -> KeyPair | None:
        """None if there is none. Raises OSError, BadCertificate."""
        try:
            content = self.file(name).read_bytes()
        except FileNotFoundError:
            return None
        key = _KEY.search(content)
        if key is None:
            raise BadCertificate(f"{self.file(name)} holds no key")
        return KeyPair(content[: key.start()], key.group())

    def write(self, name: str, pair: KeyPair) -> None:
        """In one step, and on disk. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(pair.certificate + pair.key)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.file(name))

    def authority(self, now: datetime) -> KeyPair:
        """The one that signs; made if there is none yet. Raises OSError, BadCertificate."""
        found = self.read(AUTHORITY)
        if found is None:
            found = make_authority(now)
            self.write(AUTHORITY, found)
        return found

    def succeed(self) -> bool:
        """Let the next authority sign from now on; False if there is none."""
        if self.read(NEXT) is None:
            return False
        self.file(NEXT).replace(self.file(AUTHORITY))
        return True

    def anchor(self) -> Anchor | None:
        """What a new agent trusts, and by which fingerprint it is known; None before the first start with TLS."""
        found = self.read(AUTHORITY)
        return anchor(found.certificate) if found else None

    def bundle(self) -> str:
        """All authorities that agents are to trust now, PEM: the one that signs, and one that will. May be empty."""
        pairs = (self.read(AUTHORITY), self.read(NEXT))
        return "".join(anchor(pair.certificate).pem for pair in pairs if pair is not None)
