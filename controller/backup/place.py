"""Where the database is, as far as backup and restore go. Two kinds: `sqlite` and `postgresql`."""

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from sqlalchemy import Engine


class Place(Protocol):
    """All of it raises BackupError."""

    kind: str

    def dump(self, into: BinaryIO) -> None:
        """Write one consistent state of the database, while others go on using it."""

    def schema(self) -> str:
        """Its newest migration."""

    def generation(self) -> int:
        """Of what is there now; 0 if there is nothing, or nothing that can be read."""

    def check_unused(self) -> None:
        """Nobody is connected to it, as far as one can see."""

    def draft(self, source: BinaryIO) -> AbstractContextManager[Engine]:
        """What was dumped, as a database of its own beside the one in place; gone afterwards if not installed."""

    def install(self, now_ms: int) -> str:
        """Put the draft in place, in one step; under which name what was there is kept, empty if nothing was.

        Its engine must have no connection any more.
        """
