"""How often a device's values are told: when they change, but not too often, and now and then all the same. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from controller.home_assistant.discovery import HEARTBEAT_S

LEAST_MS: Final = 5_000
"""Between two messages of one device; what changes meanwhile is told in one."""


@dataclass(frozen=True, slots=True)
class _Told:
    payload: bytes
    at_ms: int


class Pace:
    """Remembers what was told, by topic."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def due(self, topic: str, payload: bytes, now_ms: int) -> bool:
        """Whether to tell it now; if so, it counts as told."""
        before = self._told.get(topic)
        if before is not None:
            wait_ms = LEAST_MS if payload != before.payload else HEARTBEAT_S * 1000
            if before.at_ms <= now_ms < before.at_ms + wait_ms:
                return False
        self._told[topic] = _Told(payload, now_ms)
        return True

    def keep(self, topics: Collection[str]) -> None:
        """Forget all others."""
        self._told = {topic: told for topic, told in self._told.items() if topic in topics}
