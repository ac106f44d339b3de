"""The switch for a machine's fault: a file in the demo's state, so that only its owner can throw it."""

from pathlib import Path

from controller.demo.farends.faults import Fault


class Switch:
    """Thrown by one process and looked at by another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def throw(self, fault: Fault) -> None:
        """Raises OSError."""
        fresh = self._path.with_suffix(".new")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(fault, "utf-8")
        fresh.replace(self._path)

    @property
    def fault(self) -> Fault:
        """NONE as well if it was never thrown."""
        try:
            return Fault(self._path.read_text("utf-8").strip())
        except (OSError, ValueError):
            return Fault.NONE

    def thrown(self) -> Fault | None:
        """The fault if the switch was thrown since this was last asked, to whatever it was before."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        mark = (found.st_mtime_ns, found.st_ino)
        if mark == self._seen:
            return None
        self._seen = mark
        return self.fault
