"""Two live agents with one identity: told apart by the epochs of their outboxes. Pure.

Each process of an agent has an epoch of its own, and counts its connections in it. One epoch after another is an agent
that was restarted, re-imaged or reset. But an epoch that connects anew after another one did was never gone: two live.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from contract.messages import Status

_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Sight:
    """What one copy said of itself last."""

    epoch: str
    connection: int
    instance: str
    machine: tuple[str, ...]
    boot: str


class Twins:
    """What was seen of each agent since this began to look, the last copy last."""

    def __init__(self) -> None:
        self._seen: dict[int, OrderedDict[str, Sight]] = {}

    def hear(self, agent_id: int, status: Status) -> bool:
        """Take note of an agent that says it is here, now; whether it proves that two are."""
        seen = self._seen.setdefault(agent_id, OrderedDict())
        before = seen.get(status.epoch)
        other_since = before is not None and next(reversed(seen)) != status.epoch
        proof = other_since and before is not None and status.connection > before.connection
        seen[status.epoch] = Sight(status.epoch, status.connection, status.instance, status.machine, status.boot)
        if before is None or proof:
            seen.move_to_end(status.epoch)
        while len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        return proof

    def sights(self, agent_id: int) -> tuple[Sight, ...]:
        return tuple(self._seen.get(agent_id, {}).values())

    def forget(self, agent_id: int) -> None:
        self._seen.pop(agent_id, None)
