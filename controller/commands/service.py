"""What pages, API and jobs ask for: give a command, and see what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlmodel import Session

from contract.model import CommandStatus, Value
from controller.commands.dispatcher import Dispatcher
from controller.fleet.live import LiveFleet
from controller.identity.policy import Principal
from controller.scheduling.leases import LeaseDesk
from controller.scope import Scope
from device_profiles.profile import Action


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a device.

    `key` is the asker's own: the same one again is the same command. `lease_s` is how long the machine is taken for a
    guarded action if nobody holds it; None: the default. `address` is where the asker's request came from.
    """

    device_id: int
    action: str
    args: Mapping[str, Value] = field(default_factory=dict)
    key: str = ""
    lease_s: int | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class StepView:
    """A state a command came to. Times as in `tables.CommandStep`."""

    status: CommandStatus
    at_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command and its states in the order in which they came. `by` is the name of who asked.

    `detail` of a final status is a stable code or the bridge's words. `told`: the final status is the agent's word.
    """

    id: str
    device_id: int
    action: str
    args: Mapping[str, Value]
    by: str
    asked_ms: int
    expires_ms: int
    status: CommandStatus
    detail: str
    told: bool
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """An action of a device as the asker sees it. `why` is empty if it can be asked for now, else a stable code.

    Codes: `offline` (the agent), `lost` (the device), `taken` (`until_ms`), `not-allowed`, `job` (it takes a file,
    so it begins at a print job).
    """

    action: Action
    why: str = ""
    until_ms: int | None = None


class Commands:
    """Safe to use from any thread."""

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        leases: LeaseDesk,
        dispatcher: Dispatcher,
        now_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._live = live
        self._leases = leases
        self._dispatcher = dispatcher
        self._now_ms = now_ms

    def give(self, who: Principal, wanted: Wanted) -> CommandView:
        """Queue a command, durable and audited on return, and wake the dispatcher. Raises CommandError's leaves."""
        raise NotImplementedError

    def give_in(self, db: Session, who: Principal, wanted: Wanted) -> str:
        """As `give`, in a transaction of the caller's, who calls `sent` after the commit; the command's id."""
        raise NotImplementedError

    def sent(self, device_id: int) -> None:
        """What `give_in` queued for the device is committed."""
        raise NotImplementedError

    def find(self, scope: Scope, command_id: str) -> CommandView | None:
        """One command, None if there is none of that id in the scope."""
        raise NotImplementedError

    def of_device(self, scope: Scope, device_id: int, limit: int = 8) -> Sequence[CommandView]:
        """The newest commands of a device, newest first; none for a device outside the scope."""
        raise NotImplementedError

    def offers(self, who: Principal, device_id: int) -> Sequence[Offer]:
        """Every action of the device's profile that the asker may see. Raises NoSuchDevice."""
        raise NotImplementedError
