"""The states of a machine with GRBL as its host sees them, as a table. Pure."""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final

from firmware_bridges.machine_events import NotNow


class State(StrEnum):
    CONNECTING = auto()
    IDENTIFYING = auto()
    READY = auto()
    MOVING = auto()
    CUTTING = auto()
    PAUSING = auto()
    PAUSED = auto()
    DOOR = auto()
    STOPPING = auto()
    ALARM = auto()
    ASLEEP = auto()
    LOST = auto()


class Trigger(StrEnum):
    """What moves the machine on: what it says (first eleven), or the caller (last three)."""

    GREETED = auto()
    IDENTIFIED = auto()
    RESTARTED = auto()
    SILENCE = auto()
    ALARMED = auto()
    DOZED = auto()
    STOOD = auto()
    RAN = auto()
    CUT = auto()
    HELD = auto()
    DOOR_OPENED = auto()
    START = auto()
    PAUSE = auto()
    STOP = auto()


_ALWAYS: Final = {
    Trigger.RESTARTED: State.IDENTIFYING,
    Trigger.SILENCE: State.LOST,
    Trigger.ALARMED: State.ALARM,
    Trigger.STOP: State.STOPPING,
}
_HALTED: Final = {Trigger.HELD: State.PAUSED, Trigger.DOOR_OPENED: State.DOOR}
_FREE: Final = {
    **_ALWAYS,
    **_HALTED,
    Trigger.STOOD: State.READY,
    Trigger.RAN: State.MOVING,
    Trigger.DOZED: State.ASLEEP,
}
_GOES_ON: Final = {Trigger.STOOD: State.READY, Trigger.RAN: State.MOVING, Trigger.CUT: State.CUTTING}

TRANSITIONS: Final[Mapping[State, Mapping[Trigger, State]]] = {
    State.CONNECTING: {Trigger.GREETED: State.IDENTIFYING, Trigger.SILENCE: State.LOST},
    State.IDENTIFYING: _ALWAYS | {Trigger.IDENTIFIED: State.READY},
    State.READY: _FREE | {Trigger.START: State.CUTTING},
    State.MOVING: _FREE | {Trigger.PAUSE: State.PAUSING},
    State.CUTTING: _ALWAYS | _HALTED | {Trigger.PAUSE: State.PAUSING, Trigger.STOOD: State.READY},
    State.PAUSING: _ALWAYS | _HALTED | {Trigger.STOOD: State.READY},
    State.PAUSED: _ALWAYS | _HALTED | _GOES_ON | {Trigger.DOZED: State.ASLEEP},
    State.DOOR: _ALWAYS | _HALTED | _GOES_ON,
    State.STOPPING: _ALWAYS,
    State.ALARM: _ALWAYS | {Trigger.STOOD: State.READY, Trigger.RAN: State.MOVING, Trigger.DOZED: State.ASLEEP},
    State.ASLEEP: _ALWAYS,
    State.LOST: {},
}
"""STOOD, RAN, CUT and HELD are what reports say: nothing moves, something does that is no job of ours, a job of ours
does, the machine has come to a stand and can be resumed."""
BUSY: Final = frozenset({State.MOVING, State.CUTTING, State.PAUSING, State.PAUSED, State.DOOR, State.STOPPING})
CONNECTED: Final = frozenset(State) - {State.CONNECTING, State.IDENTIFYING, State.LOST}


def after(state: State, trigger: Trigger) -> State:
    """Where `trigger` leads from `state`. Raises NotNow if nowhere."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise NotNow(f"the machine is {state}") from None
