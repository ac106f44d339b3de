"""Keeps the secrets of channels: sealed with a key that lies in a file beside the database, never in it."""

import os
from pathlib import Path
from typing import Final

from controller.notifications.errors import KeyLost

NAME: Final = "notices.key"


class Seal:
    """Fernet (AES-128-CBC with HMAC-SHA256) with the key in `folder`, which is made when first needed, mode 0600."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def close(self, text: str) -> str:
        from cryptography.fernet import Fernet

        return Fernet(self._key()).encrypt(text.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """Raises KeyLost if it was sealed with another key."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return Fernet(self._path.read_bytes()).decrypt(sealed).decode()
        except (OSError, ValueError, InvalidToken):
            raise KeyLost("sealed with a key that is not here") from None

    def _key(self) -> bytes:
        """Durable before it is used: what is sealed with a key that a power cut takes is lost."""
        from cryptography.fernet import Fernet

        if not self._path.exists():
            draft = self._path.with_name(f".{NAME}.{os.getpid()}.{os.urandom(4).hex()}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self._path)  # unlike a rename it leaves a key that somebody else made just now
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return self._path.read_bytes()
