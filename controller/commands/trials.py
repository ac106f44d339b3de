"""Whether a command of an unverified profile was tried at a machine, and did what it should. Per device and profile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.model import CommandStatus
from controller.commands.errors import NoSuchDevice, NotAllowed, NotNow
from controller.commands.policy import may_try, needs_trial
from controller.commands.states import OPEN
from controller.commands.tables import CommandTrial, StoredCommand
from controller.fleet.tables import Device
from controller.identity import store as people
from controller.identity.policy import Principal
from device_profiles.profile import Action, DeviceProfile


class TrialState(StrEnum):
    """`SENT`: it is on its way; one that ends without being carried out leaves the action `UNTRIED`. `ASKED`: the agent
    carried it out, and somebody is to say whether the machine did what it should.
    """

    UNTRIED = "untried"
    SENT = "sent"
    ASKED = "asked"
    WORKS = "works"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trial:
    """How it stands with an action that needs a trial. `command_id`: the newest attempt, empty if there is none."""

    action: Action
    state: TrialState
    command_id: str = ""


def works(db: Session, device_id: int) -> frozenset[str]:
    """The actions that were tried with the profile that the device has now."""
    return frozenset(name for name, row in _rows(db, device_id).items() if row.worked)


def begin(db: Session, command: StoredCommand) -> None:
    """A command that needs a trial is given: it is the trial. One that worked before is left alone."""
    device = db.get(Device, command.device_id)
    if device is None:
        return
    row = db.get(CommandTrial, (command.device_id, device.profile_digest, command.action))
    if row is not None and row.worked:
        return
    if row is None:
        row = CommandTrial(
            device_id=command.device_id,
            profile_digest=device.profile_digest,
            action=command.action,
            school_id=command.school_id,
        )
    row.command_id, row.by_id, row.at_ms, row.worked = command.id, command.by_id, command.asked_ms, None
    db.add(row)


class Trials:
    """Safe to use from any thread. `profile_for` is the profile of a device in the asker's scope; raises KeyError."""

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        profile_for: Callable[[Principal, int], DeviceProfile | None],
        changed: Callable[[int], None],
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._profile_for = profile_for
        self._changed = changed

    def of_device(self, who: Principal, device_id: int) -> Sequence[Trial]:
        """Of every action that needs one, in the profile's order; none for a device outside the scope."""
        try:
            profile = self._profile_for(who, device_id)
        except KeyError:
            return ()
        if profile is None:
            return ()
        with Session(self._engine) as db:
            rows = _rows(db, device_id)
            attempts = {row.action: db.get(StoredCommand, row.command_id) for row in rows.values()}
        return [
            _trial(action, rows.get(action.name), attempts.get(action.name))
            for action in profile.actions.values()
            if needs_trial(profile, action)
        ]

    def confirm(self, who: Principal, device_id: int, command_id: str, *, worked: bool, address: str = "") -> None:
        """The machine did what it should at this command, or did not.

        Raises NoSuchDevice, NotAllowed, and NotNow if it is not the newest attempt or was not carried out.
        """
        try:
            self._profile_for(who, device_id)
        except KeyError:
            raise NoSuchDevice("no-such-device", "no such device") from None
        if not may_try(who):
            raise NotAllowed("not-allowed", "your account may not try commands")
        with Session(self._engine) as db:
            row = next((each for each in _rows(db, device_id).values() if each.command_id == command_id), None)
            attempt = db.get(StoredCommand, command_id)
            if row is None or attempt is None:
                raise NotNow("not-sent", "it is no attempt at this machine, or not the newest one")
            if attempt.status != CommandStatus.DONE:
                raise NotNow("not-done", f"{row.action} was not carried out")
            row.worked, row.confirmed_by, row.confirmed_ms = worked, who.id, self._now_ms()
            db.add(row)
            people.audit(
                db,
                self._now_ms(),
                "command-tried",
                actor=who.id,
                subject=f"device {device_id}",
                school_id=row.school_id,
                address=address,
                detail=f"{row.action}: {'yes' if worked else 'no'}",
            )
            db.commit()
        self._changed(device_id)


def _rows(db: Session, device_id: int) -> Mapping[str, CommandTrial]:
    """By action, of the profile that the device has now."""
    asked = (
        select(CommandTrial)
        .join(Device, Device.id == CommandTrial.device_id)  # type: ignore[arg-type]  # SQLModel: a column
        .where(CommandTrial.device_id == device_id, CommandTrial.profile_digest == Device.profile_digest)
    )
    return {row.action: row for row in db.exec(asked).all()}


def _trial(action: Action, row: CommandTrial | None, attempt: StoredCommand | None) -> Trial:
    if row is None:
        return Trial(action, TrialState.UNTRIED)
    return Trial(action, _state(row.worked, CommandStatus(attempt.status) if attempt else None), row.command_id)


def _state(worked: bool | None, attempt: CommandStatus | None) -> TrialState:
    if worked is not None:
        return TrialState.WORKS if worked else TrialState.FAILED
    if attempt is CommandStatus.DONE:
        return TrialState.ASKED
    return TrialState.SENT if attempt in OPEN else TrialState.UNTRIED
