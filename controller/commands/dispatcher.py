"""Takes what is queued to the agents, asks again where nothing is heard, and ends what has waited too long."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from contract.topics import Address, Channel
from controller.ingest.observer import Fresh, Told
from controller.scheduling.leases import LeaseDesk


class Dispatcher:
    """One thread. The tables are the queue: it holds nothing that a crash could lose. An ingest Observer."""

    def __init__(
        self, engine: Engine, leases: LeaseDesk, now_ms: Callable[[], int], touched: Callable[[int], None]
    ) -> None:
        self._engine = engine
        self._leases = leases
        self._now_ms = now_ms
        self._touched = touched

    def start(self, say: Callable[[Address, Channel, bytes], bool]) -> None:
        """Begin; `say` publishes to one agent and is False if the broker is not there."""

    def stop(self) -> None:
        """End the thread. May be called without a start."""

    def wake(self) -> None:
        """There is something to do. From any thread."""

    def registry_changed(self, agent_id: int) -> None:  # noqa: ARG002 - whose, the tables say
        self.wake()

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:  # noqa: ARG002 - `say` says
        self.wake()
