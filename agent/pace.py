"""How fast the uplink goes: waiting before a reconnect, a budget for replay, and what is on its way. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The uplink's numbers. A connection that ended within `settled_ms` counts as a failed attempt."""

    status_beat_ms: int = 18_000
    replay_per_s: float = 20.0
    replay_window: int = 64
    live_window: int = 96
    ack_timeout_ms: int = 10_000
    ack_timeout_most_ms: int = 300_000
    retry_ms: int = 500
    retry_most_ms: int = 30_000
    settled_ms: int = 30_000
    unconfirmed: int = 20


NORMAL = Pace()


def full_jitter_ms(failures: int, pace: Pace, random: Callable[[], float]) -> int:
    """How long to wait before the next attempt: anything between nothing and a limit that doubles each time."""
    return int(random() * min(pace.retry_most_ms, pace.retry_ms * 2 ** min(failures, 20)))


class Budget:
    """Lets through `per_s` a second, and at most one second's worth at once."""

    def __init__(self, per_s: float, now_ms: int) -> None:
        self._per_s = per_s
        self._left = per_s
        self._at_ms = now_ms

    def available(self, now_ms: int) -> int:
        self._left = min(self._per_s, self._left + max(0, now_ms - self._at_ms) * self._per_s / 1000)
        self._at_ms = now_ms
        return int(self._left)

    def spend(self, count: int) -> None:
        self._left -= count

    def next_ms(self, now_ms: int) -> int:
        """When one more is let through."""
        return now_ms if self._left >= 1 else now_ms + 1 + int((1 - self._left) * 1000 / self._per_s)


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch on its way: which it is in the outbox, how often it was sent, when it is sent again."""

    id: int
    tries: int
    due_ms: int


class Flight:
    """The batches of this connection that are not acked."""

    def __init__(self, pace: Pace, random: Callable[[], float]) -> None:
        self._pace = pace
        self._random = random
        self._sent: dict[tuple[str, int], Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._sent

    def sent(self, epoch: str, number: int, batch_id: int, now_ms: int) -> None:
        """It went out, for the first time or again."""
        before = self._sent.get((epoch, number))
        tries = before.tries + 1 if before else 0
        longest_ms = min(self._pace.ack_timeout_most_ms, self._pace.ack_timeout_ms * 2 ** min(tries, 20))
        due_ms = now_ms + int(longest_ms * (0.75 + 0.5 * self._random()))
        self._sent[epoch, number] = Sent(batch_id, tries, due_ms)

    def landed(self, epoch: str, ranges: Iterable[tuple[int, int]]) -> None:
        """The controller has these, or will not have them."""
        known = tuple(ranges)
        for key in [key for key in self._sent if key[0] == epoch]:
            if any(first <= key[1] <= last for first, last in known):
                del self._sent[key]

    def forget(self, epoch: str, number: int) -> None:
        self._sent.pop((epoch, number), None)

    def overdue(self, now_ms: int) -> list[tuple[str, int, int]]:
        """Epoch, number and id of what is to be sent again."""
        return [(epoch, number, sent.id) for (epoch, number), sent in self._sent.items() if sent.due_ms <= now_ms]

    def next_ms(self) -> int | None:
        """When the first of them is sent again."""
        return min((sent.due_ms for sent in self._sent.values()), default=None)
