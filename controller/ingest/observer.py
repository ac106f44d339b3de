"""What ingest tells the rest of the controller, after it is committed."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from contract.model import Value


class Fresh(NamedTuple):
    """A reading newer than all before it of its series."""

    series_id: int
    device_id: int
    metric: str
    at_ms: int
    value: Value | None


class Observer(Protocol):
    """Called from ingest's threads; must return at once and never raise."""

    def registry_changed(self, agent_id: int) -> None:
        """An agent came or went, or its devices changed."""

    def values_committed(self, values: Sequence[Fresh]) -> None:
        """At most one value a series, the newest."""

    def broker_connected(self, connected: bool) -> None:
        """The controller's own connection to the broker came or went: when gone, nothing shown is live."""


class Unobserved:
    """Nobody listens: for ingest by itself."""

    def registry_changed(self, agent_id: int) -> None:
        pass

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        pass
