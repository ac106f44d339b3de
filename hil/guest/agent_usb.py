"""The agent's discovery within the guest: what the agent would report of the ports there.

All of it is called within the guest.
"""

import threading
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.discovery import Discovery
from agent.discovery_subnet import Settings
from agent.roster import Roster

_STATE: Final = Path("/run/discovery")


class Watch:
    """Discovery as an agent without devices has it, listening and network included, and the roster that it fills."""

    def __init__(self) -> None:
        _STATE.mkdir(exist_ok=True)
        self._news = threading.Condition()
        self._roster = Roster(self._changed)
        self._discovery = Discovery(
            Settings,
            _STATE,
            held=tuple,
            publish=self._roster.find,
            plugged=lambda: None,
            tell=lambda _kind, _detail: None,
            clock=Clock(),
        )
        self._discovery.start()

    def reported(self) -> frozenset[str]:
        """The identities of what was found, as the next inventory has them."""
        return frozenset(each.identity for each in self._roster.inventory("0" * 16).found)

    def until(self, serial: str, longest_s: float, *, there: bool) -> frozenset[str]:
        with self._news:
            if not self._news.wait_for(lambda: (serial in self.reported()) is there, longest_s):
                raise TimeoutError(f"{serial} was not told in {longest_s:g} s: {sorted(self.reported())}")
            return self.reported()

    def stop(self) -> None:
        self._discovery.stop()

    def _changed(self) -> None:
        with self._news:
            self._news.notify_all()


_watches: Final[list[Watch]] = []
"""Between two calls."""


def begin() -> None:
    _watches.append(Watch())


def until_told(serial: str, longest_s: float, *, there: bool) -> frozenset[str]:
    """All that is reported once the thing with this serial number is, or is no more. Raises TimeoutError."""
    return _watches[-1].until(serial, longest_s, there=there)


def end() -> None:
    _watches.pop().stop()
