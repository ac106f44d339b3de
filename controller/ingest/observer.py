"""What ingest tells the rest of the controller, after it is committed."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from contract.model import Outcome, Value


class Fresh(NamedTuple):
    """A reading newer than all before it of its series."""

    series_id: int
    device_id: int
    metric: str
    at_ms: int
    value: Value | None


class Told(NamedTuple):
    """What an agent said of a command that this controller gave it. `moved`: the command's state is another one now."""

    command_id: str
    device_id: int
    outcome: Outcome
    moved: bool


class Observer(Protocol):
    """Called from ingest's threads; must return at once and never raise."""

    def registry_changed(self, agent_id: int) -> None:
        """An agent came or went, or its devices changed."""

    def values_committed(self, values: Sequence[Fresh]) -> None:
        """At most one value a series, the newest."""

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        """In the order in which they came."""

    def broker_connected(self, connected: bool) -> None:
        """The controller's own connection to the broker came or went: when gone, nothing shown is live."""


class Unobserved:
    """Nobody listens: for ingest by itself."""

    def registry_changed(self, agent_id: int) -> None:
        pass

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        pass


class Observers:
    """Several, told one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def registry_changed(self, agent_id: int) -> None:
        for each in self._observers:
            each.registry_changed(agent_id)

    def values_committed(self, values: Sequence[Fresh]) -> None:
        for each in self._observers:
            each.values_committed(values)

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        for each in self._observers:
            each.outcomes_committed(outcomes)

    def broker_connected(self, connected: bool) -> None:
        for each in self._observers:
            each.broker_connected(connected)
