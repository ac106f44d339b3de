"""How much each agent says: enough for any replay, too little to be in the way of others. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one agent may say: `burst` at once, and `per_s` for ever. An agent's own replay keeps to 20 messages a
    second; a hundred agents that come back at once are a hundred allowances.
    """

    messages_burst: float = 10_000
    messages_per_s: float = 600
    bytes_burst: float = 128 * 1024 * 1024
    bytes_per_s: float = 8 * 1024 * 1024


@dataclass(slots=True)
class _Bucket:
    messages: float
    bytes: float
    at_s: float


class Meter:
    """Token buckets by name, for one thread. A name that is over its allowance stays so until it is forgiven."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float]) -> None:
        self._allowance = allowance
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._over: set[str] = set()

    def over(self, name: str) -> bool:
        return name in self._over

    def count(self, name: str, size: int) -> bool:
        """One more message of `size` bytes; whether with this one the name is over its allowance."""
        allowance, now_s = self._allowance, self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(allowance.messages_burst, allowance.bytes_burst, now_s)
        passed_s = now_s - bucket.at_s
        bucket.at_s = now_s
        bucket.messages = min(allowance.messages_burst, bucket.messages + passed_s * allowance.messages_per_s) - 1
        bucket.bytes = min(allowance.bytes_burst, bucket.bytes + passed_s * allowance.bytes_per_s) - size
        if bucket.messages >= 0 and bucket.bytes >= 0:
            return False
        self._over.add(name)
        return True

    def forgive(self, name: str) -> None:
        """Begin anew with it."""
        self._buckets.pop(name, None)
        self._over.discard(name)
