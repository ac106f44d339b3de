"""What pages, API and jobs ask for: give a command, and see what became of it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from contract.lease import STOP, STOP_EXPIRY_MS
from contract.model import Command, CommandStatus, ContractError, Value
from controller.alerts.rules import OF_THE_AGENT, DeviceState
from controller.commands import store, trials
from controller.commands.dispatcher import Dispatcher
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow, WrongCommand
from controller.commands.policy import BY_DEFAULT, Rules, may_command, may_try, needs_trial
from controller.commands.tables import CommandStep, StoredCommand
from controller.fleet import reach
from controller.fleet.live import LiveFleet
from controller.fleet.picture import DeviceView
from controller.identity import store as people
from controller.identity.policy import Principal
from controller.scheduling.leases import LeaseDesk, NoMachine, Taken, WalkUp
from controller.scope import Scope
from device_profiles.profile import Action, DeviceProfile

EXPIRY_MS: Final = 2 * 60_000
"""How long a command may be begun."""
JOB_EXPIRY_MS: Final = 10 * 60_000
"""How long one that takes a file may be begun: the agent fetches it first."""
LEASE_S: Final = 5 * 60
"""How long a machine is taken by a guarded command if nothing else is said: it may begin at its expiry and takes its
time, and who has preheated goes on at once."""
MOST_UNANSWERED: Final = 16
"""Commands of one device that wait for a word of its agent at the most."""
MAX_KEY: Final = 64
"""Letters of an asker's own key at the most."""


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
    """A command and its states in the order of a command's life. `by` is the name of who asked.

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

    Codes: `offline` (the agent), `lost` (the device), `taken` (`until_ms`), `not-allowed`, `untried` (by a
    technician), `job` (it takes a file, so it begins at a print job).
    """

    action: Action
    why: str = ""
    until_ms: int | None = None


class Commands:
    """Safe to use from any thread.

    The codes of what is not taken: `no-such-device`, `no-such-action`, `bad-arguments`, `key` (used for something
    else, or too long), `job` (it begins at a print job), `not-allowed`, `untried` (by a technician), `revoked` (the
    agent), `lost` (the device), `taken` (somebody else has the machine), `busy` (too many wait).
    """

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        leases: LeaseDesk,
        dispatcher: Dispatcher,
        now_ms: Callable[[], int],
        *,
        rules: Callable[[], Rules] = lambda: BY_DEFAULT,
    ) -> None:
        """`rules` tells what an administrator set, asked anew each time."""
        self._engine = engine
        self._live = live
        self._leases = leases
        self._dispatcher = dispatcher
        self._now_ms = now_ms
        self._rules = rules

    def give(self, who: Principal, wanted: Wanted) -> CommandView:
        """Queue a command, durable and audited on return, and wake the dispatcher. Raises CommandError's leaves.

        What takes a file is refused: it begins at a print job, which calls `give_in`.
        """
        try:
            command_id = self._given(who, wanted)
        except CommandError as error:
            self.refused(who, wanted, error)
            raise
        self.committed(wanted.device_id)
        view = self.find(who.scope, command_id)
        if view is None:
            raise _no_device()
        return view

    def give_in(self, db: Session, who: Principal, wanted: Wanted) -> str:
        """As `give`, in a transaction of the caller's, who calls `committed` after it; the command's id.

        After a CommandError the caller rolls back and calls `refused`. Raises sqlalchemy.exc.IntegrityError as well
        if the same key is being used at this moment: try again, and it is the same command.
        """
        return self._give(db, who, wanted, for_job=True)

    def over_in(self, db: Session, device_id: int, who_id: str, command_id: str) -> None:
        """What the command had begun is over, so the walk-up lease of who gave it ends; a booked one stays.

        So does one that another guarded command of theirs waits for. The caller calls `committed` after the commit.
        """
        bookings = self._leases.walk_ups(db, device_id, who_id)
        if not store.needs_lease(db.connection(), device_id, who_id, but=command_id):
            for booking in bookings:
                self._leases.end(db, booking)

    def committed(self, device_id: int) -> None:
        """What `give_in` or `over_in` did to the device's commands and leases is committed."""
        self._live.touch(device_id)
        self._dispatcher.wake()

    def refused(self, who: Principal, wanted: Wanted, error: CommandError) -> None:
        """Audit an attempt that came to nothing. Not within a transaction that has written."""
        with Session(self._engine) as db:
            people.audit(
                db,
                self._now_ms(),
                "command-refused",
                actor=who.id,
                subject=f"device {wanted.device_id}",
                school_id=who.school_id,
                address=wanted.address,
                detail=f"{wanted.action[:64]}: {error.code}",
            )
            db.commit()

    def find(self, scope: Scope, command_id: str) -> CommandView | None:
        """One command, None if there is none of that id in the scope."""
        with Session(self._engine) as db:
            found = store.find(db.connection(), scope, command_id)
            return None if found is None else self._views(db, [found])[0]

    def of_device(self, scope: Scope, device_id: int, limit: int = 8) -> Sequence[CommandView]:
        """The newest commands of a device, newest first; none for a device outside the scope."""
        with Session(self._engine) as db:
            return self._views(db, store.of_device(db.connection(), scope, device_id, limit))

    def open_counts(self) -> Mapping[CommandStatus, int]:
        """How many commands of the whole cluster are in each state that is not final. Raises SQLAlchemyError."""
        with self._engine.connect() as connection:
            return store.open_counts(connection)

    def offers(self, who: Principal, device_id: int) -> Sequence[Offer]:
        """Every action of the device's profile that the asker may see. Raises NoSuchDevice."""
        view, profile = self._device(who, device_id)
        if profile is None:
            return ()
        with Session(self._engine) as db:
            turn = self._leases.holder_of(db, device_id, self._now_ms())
            tried = trials.works(db, device_id)
        taken_ms = turn.until_ms if turn is not None and turn.holder != who.id else None
        rules, contact, tries = self._rules(), _contact(view), may_try(who)

        def offer(action: Action) -> Offer:
            if not may_command(who, profile, action, rules):
                return Offer(action, "not-allowed")
            if needs_trial(profile, action) and not tries and action.name not in tried:
                return Offer(action, "untried")
            return _offer(action, contact, taken_ms)

        return [offer(action) for action in profile.actions.values()]

    # how it is done

    def _given(self, who: Principal, wanted: Wanted) -> str:
        """`_give` in a transaction of its own. If the same key is taken meanwhile, it is that command."""
        try:
            with Session(self._engine) as db:
                command_id = self._give(db, who, wanted, for_job=False)
                db.commit()
                return command_id
        except IntegrityError:
            with Session(self._engine) as db:
                found = self._given_before(db, who, wanted)
            if found is None:
                raise
            return found

    def _given_before(self, db: Session, who: Principal, wanted: Wanted) -> str | None:
        """The command that the asker's own key already stands for."""
        if not wanted.key:
            return None
        if len(wanted.key) > MAX_KEY or not wanted.key.isascii() or not wanted.key.isprintable():
            raise WrongCommand("key", f"a key has {MAX_KEY} printable ASCII letters at the most")
        found = store.by_key(db.connection(), _request_key(who, wanted))
        if found is None:
            return None
        if (found.device_id, found.action, found.args) != (wanted.device_id, wanted.action, dict(wanted.args)):
            raise WrongCommand("key", "this key was used for another command")
        return found.id

    def _give(self, db: Session, who: Principal, wanted: Wanted, *, for_job: bool) -> str:
        """Check everything, take the machine if need be, and queue the command with its audit line."""
        before = self._given_before(db, who, wanted)
        if before is not None:
            return before
        view, profile = self._device(who, wanted.device_id)
        action = profile.actions.get(wanted.action) if profile is not None else None
        if profile is None or action is None:
            raise WrongCommand("no-such-action", f"this machine has no action {wanted.action[:64]!r}")
        if not may_command(who, profile, action, self._rules()):
            raise NotAllowed("not-allowed", f"your account may not ask for {action.name} here")
        if action.file and not for_job:
            raise WrongCommand("job", f"{action.name} takes a file: it begins at a print job")
        now_ms = self._now_ms()
        command = self._command(who, wanted, view, action, now_ms)
        self._check_way(db, view, action)
        self._check_trial(db, who, command, profile, action)
        command.needs_book = self._book(db, who, wanted, action, now_ms)
        self._check_lease(db, command, view)
        connection = db.connection()
        if action.name == STOP:
            store.cut_short(connection, view.id, now_ms)
        store.add(connection, command)
        people.audit(
            db,
            now_ms,
            "command",
            actor=who.id,
            subject=f"{command.id} device {view.id}",
            school_id=view.school_id,
            address=wanted.address,
            detail=action.name,
        )
        return command.id

    def _command(self, who: Principal, wanted: Wanted, view: DeviceView, action: Action, now_ms: int) -> StoredCommand:
        """Raises WrongCommand for arguments that the action does not take."""
        command_id = f"c-{secrets.token_hex(8)}"
        args = dict(wanted.args)
        if args.keys() != action.args.keys():
            raise WrongCommand("bad-arguments", f"{action.name} takes {', '.join(action.args) or 'no arguments'}")
        for name, kind in action.args.items():
            if not kind.holds(args[name]):
                raise WrongCommand("bad-arguments", f"{name} is to be {kind.value}")
        try:
            Command(command_id, view.slug, action.name, args)
        except ContractError as error:
            raise WrongCommand("bad-arguments", str(error)) from None
        return StoredCommand(
            id=command_id,
            school_id=view.school_id,
            agent_id=view.agent_id,
            device_id=view.id,
            action=action.name,
            args=args,
            by_id=who.id,
            asked_ms=now_ms,
            expires_ms=now_ms + _expiry_ms(action),
            status=CommandStatus.QUEUED,
            status_ms=now_ms,
            request_key=_request_key(who, wanted) if wanted.key else None,
        )

    def _check_trial(
        self, db: Session, who: Principal, command: StoredCommand, profile: DeviceProfile, action: Action
    ) -> None:
        """Whoever may try a command that nobody has tried yet tries it by giving it. Raises NotAllowed for others."""
        if not needs_trial(profile, action) or action.name in trials.works(db, command.device_id):
            return
        if not may_try(who):
            raise NotAllowed("untried", f"a technician has not tried {action.name} at this machine yet")
        trials.begin(db, command)

    def _check_way(self, db: Session, view: DeviceView, action: Action) -> None:
        """Raise NotNow if it could never arrive, or if too much waits already. A stop always has a place."""
        connection = db.connection()
        if reach.stations(connection, (view.agent_id,))[view.agent_id].revoked:
            raise NotNow("revoked", "the agent of this device was revoked")
        if any(reason.code == "device-absent" for reason in view.reasons):
            raise NotNow("lost", "the agent no longer lists this device")
        if action.name != STOP and store.unanswered(connection, view.agent_id, view.id) >= MOST_UNANSWERED:
            raise NotNow("busy", "too many commands wait for this device")

    def _book(self, db: Session, who: Principal, wanted: Wanted, action: Action, now_ms: int) -> int:
        """The number of the lease book that lets the asker do it; 0 if none is needed."""
        if not _needs_lease(action):
            return 0
        lease_s = LEASE_S if wanted.lease_s is None else wanted.lease_s
        try:
            return self._leases.walk_up(db, WalkUp(wanted.device_id, who.id, now_ms + 1000 * lease_s))
        except Taken as error:
            raise NotNow("taken", str(error)) from None
        except NoMachine as error:
            raise NotNow("revoked", str(error)) from None

    def _check_lease(self, db: Session, command: StoredCommand, view: DeviceView) -> None:
        """Ask what the agent will ask. Raises NotNow."""
        if not command.needs_book:
            return
        db.flush()
        asked = Command(command.id, view.slug, command.action, command.args, command.by_id, command.expires_ms)
        why = self._leases.refusal(db, asked, view.id)
        if why is not None:
            raise NotNow(why, "there is no lease for it")

    def _device(self, who: Principal, device_id: int) -> tuple[DeviceView, DeviceProfile | None]:
        try:
            return self._live.device(who.scope, device_id), self._live.profile(who.scope, device_id)
        except KeyError:
            raise _no_device() from None

    def _views(self, db: Session, commands: Sequence[StoredCommand]) -> list[CommandView]:
        steps = store.steps(db.connection(), [command.id for command in commands])
        names = people.names(db, {command.by_id for command in commands})
        return [_view(command, steps[command.id], names.get(command.by_id, "")) for command in commands]


def _no_device() -> NoSuchDevice:
    return NoSuchDevice("no-such-device", "no such device")


def _view(command: StoredCommand, steps: Sequence[CommandStep], by: str) -> CommandView:
    return CommandView(
        id=command.id,
        device_id=command.device_id,
        action=command.action,
        args=command.args,
        by=by,
        asked_ms=command.asked_ms,
        expires_ms=command.expires_ms,
        status=CommandStatus(command.status),
        detail=command.detail,
        told=command.told,
        steps=tuple(StepView(CommandStatus(step.status), step.at_ms, step.detail) for step in steps),
    )


def _offer(action: Action, contact: str, taken_ms: int | None) -> Offer:
    """`contact` says why nothing arrives now; `taken_ms` until when somebody else has the machine."""
    if action.file:
        return Offer(action, "job")
    if contact:
        return Offer(action, contact)
    if taken_ms is not None and _needs_lease(action):
        return Offer(action, "taken", taken_ms)
    return Offer(action)


def _needs_lease(action: Action) -> bool:
    return action.guarded and action.name != STOP


def _expiry_ms(action: Action) -> int:
    if action.name == STOP:
        return STOP_EXPIRY_MS
    return JOB_EXPIRY_MS if action.file else EXPIRY_MS


def _request_key(who: Principal, wanted: Wanted) -> str:
    return f"{who.id} {wanted.key}"


def _contact(view: DeviceView) -> str:
    """Why a command would not arrive now, empty if it would."""
    if any(reason.code in OF_THE_AGENT for reason in view.reasons):
        return "offline"
    return "lost" if view.state is DeviceState.OFFLINE else ""
