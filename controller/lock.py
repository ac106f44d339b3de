"""One controller a state folder: a lock that the system lets go of when its holder ends, however it ends."""

import os
import sys
from pathlib import Path


class InUse(Exception):
    """Another controller runs on this state: stop it first."""


class StateLock:
    """Holds `folder` for this process from `take` to `release`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises InUse."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise InUse(f"a controller runs on {self._file.parent}; stop it first") from None
        self._descriptor = descriptor

    def release(self) -> None:
        """May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
