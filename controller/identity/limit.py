"""How often anybody at one place may try: a bounded memory of failures. The clock is passed in."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from controller.identity.lockout import place_of


@dataclass(slots=True)
class _Tries:
    count: int
    since_ms: int


class FailureLimit:
    """Allows `most` failures from the place of an address within `window_ms`; then none until the window has passed.

    Remembers `places` places and forgets the oldest first.
    """

    def __init__(self, most: int, window_ms: int, now_ms: Callable[[], int], places: int = 10_000) -> None:
        self._most = most
        self._window_ms = window_ms
        self._now_ms = now_ms
        self._places = places
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def wait_ms(self, address: str) -> int:
        """How long until whoever is there may try again; 0 if they may now."""
        with self._lock:
            tries = self._current(place_of(address))
            if tries is None or tries.count < self._most:
                return 0
            return tries.since_ms + self._window_ms - self._now_ms()

    def failed(self, address: str) -> None:
        place = place_of(address)
        with self._lock:
            tries = self._current(place)
            if tries is None:
                self._tries[place] = _Tries(1, self._now_ms())
            else:
                tries.count += 1
            while len(self._tries) > self._places:
                self._tries.popitem(last=False)

    def forget(self, address: str) -> None:
        """It succeeded."""
        with self._lock:
            self._tries.pop(place_of(address), None)

    def _current(self, place: str) -> _Tries | None:
        tries = self._tries.get(place)
        if tries is not None and not 0 <= self._now_ms() - tries.since_ms < self._window_ms:
            del self._tries[place]
            return None
        return tries
