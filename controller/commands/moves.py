"""What is to be done about an open command now, and when to look at it again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from contract.model import CommandStatus, Value
from controller.fleet.reach import Station

AGAIN_MS: Final = 5_000
"""How long an agent that is there may say nothing of a command before it is sent again."""
GRACE_MS: Final = 60_000
"""How long after its expiry a word of a command may still be on its way."""
WORK_MS: Final = 15 * 60_000
"""How long an agent that is there may take over a command that it has begun."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open command as its row has it: see `tables.StoredCommand`."""

    id: str
    agent_id: int
    device_id: int
    action: str
    args: Mapping[str, Value]
    by_id: str
    expires_ms: int
    status: CommandStatus
    status_ms: int
    sent_ms: int | None
    needs_book: int


class Move(Enum):
    """What the dispatcher does with a command."""

    WAIT = auto()
    SEND = auto()
    SEND_AGAIN = auto()
    EXPIRE = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Due:
    """What to do; if it is to wait, until when at most: an agent that comes or a book that arrives is told of."""

    move: Move
    until_ms: int = 0


def due(command: Waiting, station: Station, generation: int, now_ms: int) -> Due:
    """`generation` is the controller's: what an agent holds of a former one says nothing of our books."""
    if command.status == CommandStatus.QUEUED:
        return _queued(command, station, generation, now_ms)
    if command.status == CommandStatus.SENT:
        return _sent(command, station, now_ms)
    return _begun(command, station, now_ms)


def _queued(command: Waiting, station: Station, generation: int, now_ms: int) -> Due:
    if now_ms >= command.expires_ms:
        return Due(Move.EXPIRE)
    has_book = not command.needs_book or station.book >= (generation, command.needs_book)
    return Due(Move.SEND) if station.hears and has_book else Due(Move.WAIT, command.expires_ms)


def _sent(command: Waiting, station: Station, now_ms: int) -> Due:
    if now_ms >= command.expires_ms + GRACE_MS:
        return Due(Move.GIVE_UP)
    if now_ms >= command.expires_ms:
        return Due(Move.WAIT, command.expires_ms + GRACE_MS)
    if not station.hears:
        return Due(Move.WAIT, command.expires_ms)
    sent_ms = command.sent_ms or 0
    came_since = sent_ms < station.since_ms <= now_ms
    if came_since or now_ms >= sent_ms + AGAIN_MS:
        return Due(Move.SEND_AGAIN)
    return Due(Move.WAIT, min(sent_ms + AGAIN_MS, command.expires_ms))


def _begun(command: Waiting, station: Station, now_ms: int) -> Due:
    since_ms = max(command.expires_ms, command.status_ms)
    until_ms = since_ms + WORK_MS if station.hears else max(since_ms, station.since_ms) + GRACE_MS
    return Due(Move.GIVE_UP) if now_ms >= until_ms else Due(Move.WAIT, until_ms)
