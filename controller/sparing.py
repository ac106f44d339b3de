"""Which of many like things are told of: few enough to be read, with the count of the others. Pure."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_MOST: Final = 10_000
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Seen:
    told_ms: int
    besides: int = 0


class Sparing(Generic[K]):
    """Of one key one is told in each window. Remembers a bounded number of keys, and forgets the oldest first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: OrderedDict[K, _Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def besides(self, key: K, now_ms: int, window_ms: int) -> int | None:
        """How many were not told since the last one that was; None if this one is not told either."""
        seen = self._seen.get(key)
        if seen is not None and 0 <= now_ms - seen.told_ms < window_ms:
            seen.besides += 1
            return None
        self._seen[key] = _Seen(now_ms)
        self._seen.move_to_end(key)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return seen.besides if seen is not None else 0


def with_count(detail: str, besides: int) -> str:
    """The words of a line, which also stands for those that were not told."""
    return f"{detail[:300]}; {besides} more since the last line" if besides else detail
