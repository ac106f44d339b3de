"""Between the broker's thread and the writer's: a queue with a bound, emptied in portions."""

import threading
import time
from collections import deque
from collections.abc import Callable

from controller.ingest.messages import Arrival
from controller.ingest.portion import LEAST

MAX_WAITING = 5_000
"""Reports that wait; one more is dropped without an ack, and its agent sends it again."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
PORTION = 1_024


class Inbox:
    """Many put, one takes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting: deque[Arrival] = deque()
        self._bytes = 0
        self._since = 0.0
        self._clock = clock
        self._arrived = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, arrival: Arrival, *, spare: bool = False) -> bool:
        """False if there is no room. `spare` lets a message pass that nobody would send again."""
        room = 2 if spare else 1
        with self._arrived:
            if len(self._waiting) >= MAX_WAITING * room or self._bytes >= MAX_WAITING_BYTES * room:
                return False
            if not self._waiting:
                self._since = self._clock()
            self._waiting.append(arrival)
            self._bytes += len(arrival.payload)
            if len(self._waiting) == 1 or len(self._waiting) == PORTION:
                self._arrived.notify()
        return True

    def take(self, wait_s: float, gather_s: float, most_bytes: int = LEAST) -> list[Arrival]:
        """What has come: nothing after `wait_s`, else all that joins the first within `gather_s`, up to a portion of
        about `most_bytes`. What a portion left behind is taken to have come when that was taken.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting or self._closed, wait_s)
            if not self._waiting:
                return []
            end = self._since + gather_s
            while not self._closed and len(self._waiting) < PORTION and self._bytes < most_bytes:
                left = end - self._clock()
                if left <= 0:
                    break
                self._arrived.wait(left)
            return self._portion(most_bytes)

    def close(self) -> None:
        """Wake whoever waits; what is here can still be taken."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed and not self._waiting

    def _portion(self, most_bytes: int) -> list[Arrival]:
        portion: list[Arrival] = []
        size = 0
        while self._waiting and len(portion) < PORTION and size < most_bytes:
            arrival = self._waiting.popleft()
            size += len(arrival.payload)
            portion.append(arrival)
        self._bytes -= size
        self._since = self._clock()
        return portion
