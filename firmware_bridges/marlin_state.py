"""The states of a Marlin printer as a host sees it, as a table. Pure."""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final

from firmware_bridges.machine_events import NotNow


class State(StrEnum):
    CONNECTING = auto()
    IDENTIFYING = auto()
    READY = auto()
    PRINTING = auto()
    PAUSING = auto()
    PAUSED = auto()
    FINISHING = auto()
    CANCELLING = auto()
    HALTED = auto()
    LOST = auto()


class Trigger(StrEnum):
    """What moves the machine on: the printer (first five), the job's end, or the caller (last four)."""

    GREETED = auto()
    IDENTIFIED = auto()
    RESTARTED = auto()
    HALT = auto()
    SILENCE = auto()
    SETTLED = auto()
    EXHAUSTED = auto()
    START = auto()
    PAUSE = auto()
    RESUME = auto()
    CANCEL = auto()


_ALWAYS: Final = {Trigger.RESTARTED: State.CONNECTING, Trigger.HALT: State.HALTED, Trigger.SILENCE: State.LOST}
_CANCEL: Final = {Trigger.CANCEL: State.CANCELLING}

TRANSITIONS: Final[Mapping[State, Mapping[Trigger, State]]] = {
    State.CONNECTING: _ALWAYS | {Trigger.GREETED: State.IDENTIFYING},
    State.IDENTIFYING: _ALWAYS | {Trigger.IDENTIFIED: State.READY},
    State.READY: _ALWAYS | {Trigger.START: State.PRINTING},
    State.PRINTING: _ALWAYS | _CANCEL | {Trigger.PAUSE: State.PAUSING, Trigger.EXHAUSTED: State.FINISHING},
    State.PAUSING: _ALWAYS | _CANCEL | {Trigger.SETTLED: State.PAUSED, Trigger.RESUME: State.PRINTING},
    State.PAUSED: _ALWAYS | _CANCEL | {Trigger.RESUME: State.PRINTING},
    State.FINISHING: _ALWAYS | _CANCEL | {Trigger.SETTLED: State.READY},
    State.CANCELLING: _ALWAYS | {Trigger.SETTLED: State.READY},
    State.HALTED: {Trigger.RESTARTED: State.CONNECTING},
    State.LOST: {},
}
JOB_STATES: Final = frozenset(
    (State.PRINTING, State.PAUSING, State.PAUSED, State.FINISHING, State.CANCELLING),
)


def after(state: State, trigger: Trigger) -> State:
    """Where `trigger` leads from `state`. Raises NotNow if nowhere."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise NotNow(f"the printer is {state}") from None
