"""Reads what another program appends to its log."""

from pathlib import Path
from typing import Final

_MOST: Final = 8 * 1024 * 1024
"""Bytes that are read at once; of more than that, the newest."""


class LogTail:
    """From the end of the file as it was when this was made. A new file in its place is read from its beginning."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = file.stat().st_size if file.exists() else 0
        self._begun = b""

    def lines(self) -> list[bytes]:
        """Whole lines that came since the last time. Empty while the file cannot be read."""
        try:
            size = self._file.stat().st_size
            if size < self._at:
                self._at, self._begun = 0, b""
            if size == self._at:
                return []
            with self._file.open("rb") as file:
                file.seek(max(self._at, size - _MOST))
                appended = file.read(_MOST)
                self._at = file.tell()
        except OSError:
            return []
        *whole, self._begun = (self._begun + appended).split(b"\n")
        return whole
