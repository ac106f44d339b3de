"""How much one transaction takes on: as much as this database writes in a fifth of a second. Pure."""

from typing import Final

LEAST: Final = 256 * 1024
MOST: Final = 2 * 1024 * 1024
WITHIN_S: Final = 0.2
_WEIGHT = 0.5


class Portion:
    """Follows what was measured; `size` is in bytes of payloads. Small ones say little, and are not looked at."""

    def __init__(self) -> None:
        self.size = LEAST

    def written(self, size: int, seconds: float) -> None:
        """A transaction with so many bytes of payloads took so long."""
        if size < LEAST // 2 or seconds <= 0:
            return
        wanted = size / seconds * WITHIN_S
        self.size = round(min(max(self.size + _WEIGHT * (wanted - self.size), LEAST), MOST))
