"""How often somebody may try: a bounded memory of failures. The clock is passed in."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Tries:
    count: int
    since_ms: int


class FailureLimit:
    """Allows `most` failures of one key within `window_ms`; then none until the window has passed.

    Remembers `keys` keys and forgets the oldest first.
    """

    def __init__(self, most: int, window_ms: int, now_ms: Callable[[], int], keys: int = 10_000) -> None:
        self._most = most
        self._window_ms = window_ms
        self._now_ms = now_ms
        self._keys = keys
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def wait_ms(self, key: str) -> int:
        """How long until `key` may try again; 0 if it may now."""
        with self._lock:
            tries = self._current(key)
            if tries is None or tries.count < self._most:
                return 0
            return tries.since_ms + self._window_ms - self._now_ms()

    def failed(self, key: str) -> None:
        with self._lock:
            tries = self._current(key)
            if tries is None:
                self._tries[key] = _Tries(1, self._now_ms())
            else:
                tries.count += 1
            while len(self._tries) > self._keys:
                self._tries.popitem(last=False)

    def forget(self, key: str) -> None:
        """It succeeded."""
        with self._lock:
            self._tries.pop(key, None)

    def _current(self, key: str) -> _Tries | None:
        tries = self._tries.get(key)
        if tries is not None and not 0 <= self._now_ms() - tries.since_ms < self._window_ms:
            del self._tries[key]
            return None
        return tries
