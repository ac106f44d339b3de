"""How far a command has come: what is evident, and what the controller concludes where nothing is heard. Pure.

A command's status is told by evidence: our own sending of it, and the words of its agent, in whatever order and however
often they come. Where evidence stays away the controller concludes. A conclusion is a final status that gives way to
every later word of the agent; the agent's own final word stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from contract.model import CommandStatus

_S = CommandStatus
OPEN: Final = (_S.QUEUED, _S.SENT, _S.ACCEPTED, _S.RUNNING)
"""The states that are not final, in their order."""
_ENDS: Final = frozenset(status for status in _S if status.final)

SAYS: Final[Mapping[CommandStatus, frozenset[CommandStatus]]] = {
    _S.QUEUED: frozenset({_S.ACCEPTED, _S.RUNNING}) | _ENDS,  # a controller restored from a backup sent it once
    _S.SENT: frozenset({_S.ACCEPTED, _S.RUNNING}) | _ENDS,
    _S.ACCEPTED: frozenset({_S.RUNNING}) | _ENDS,
    _S.RUNNING: _ENDS,
    **dict.fromkeys(_ENDS, frozenset[CommandStatus]()),
}
"""What is evident -> what the agent may say that is news. All else it says is late, or said before."""

CONCLUDES: Final[Mapping[CommandStatus, frozenset[CommandStatus]]] = {
    _S.QUEUED: frozenset({_S.EXPIRED}),
    _S.SENT: frozenset({_S.UNKNOWN}),
    _S.ACCEPTED: frozenset({_S.UNKNOWN}),
    _S.RUNNING: frozenset({_S.UNKNOWN}),
    **dict.fromkeys(_ENDS, frozenset[CommandStatus]()),
}
"""What is evident -> how the controller may end it. Only what was never sent has expired for certain."""

_RANK: Final[Mapping[CommandStatus, int]] = {status: place for place, status in enumerate(OPEN)}


def rank(status: CommandStatus) -> int:
    """Its place in a command's life; all final states share the last."""
    return _RANK.get(status, len(OPEN))


@dataclass(frozen=True, slots=True)
class Standing:
    """`reached` is the furthest that is evident; `concluded` is the controller's conclusion, if it had to draw one."""

    reached: CommandStatus = CommandStatus.QUEUED
    concluded: CommandStatus | None = None

    @property
    def status(self) -> CommandStatus:
        return self.concluded or self.reached

    @property
    def told(self) -> bool:
        """Whether the status is the agent's final word."""
        return self.reached.final

    def hears(self, word: CommandStatus) -> "Standing":
        """After the agent said `word`: the same if that is no news."""
        return Standing(word) if word in SAYS[self.reached] else self

    def concludes(self, end: CommandStatus) -> "Standing":
        """After the controller waited in vain: the same if the command is at its end, or cannot end like that."""
        return replace(self, concluded=end) if self.concluded is None and end in CONCLUDES[self.reached] else self


def standing(status: CommandStatus, steps: Iterable[CommandStatus], *, told: bool) -> Standing:
    """What is stored as a status, whether that is the agent's final word, and the states it went through."""
    if told or not status.final:
        return Standing(status)
    return Standing(max((step for step in steps if not step.final), key=rank, default=CommandStatus.QUEUED), status)
