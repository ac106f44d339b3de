"""Proves from the tables that no guarded command was begun outside a lease, whoever gave it."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection, Engine, Row, Table, and_, func, or_, select

from contract.lease import STOP
from contract.model import CommandStatus
from controller.commands.tables import CommandStep, StoredCommand
from controller.fleet.live import profile_here
from controller.fleet.tables import Device
from controller.ingest.tables import StoredEvent
from controller.scheduling.tables import LeaseGrant
from controller.scheduling.turns import LEEWAY_MS
from controller.scheduling.verify import report
from device_profiles.profile import DeviceProfile

Profiles: TypeAlias = Callable[[str], DeviceProfile | None]
_BEGUN: Final = (CommandStatus.ACCEPTED, CommandStatus.RUNNING, CommandStatus.DONE)
_LOCAL: Final = "local-command"
_DONE_AT_THE_MACHINE = re.compile(r".*: ([a-z0-9-]+): done.*", re.DOTALL)
_COMMAND: Table = StoredCommand.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]
_EVENT: Table = StoredEvent.__table__  # type: ignore[attr-defined]
_GRANT: Table = LeaseGrant.__table__  # type: ignore[attr-defined]
_STEP: Table = CommandStep.__table__  # type: ignore[attr-defined]


class _Lease(NamedTuple):
    from_ms: int
    until_ms: int
    revoked_ms: int | None


_Leases: TypeAlias = Mapping[int, Sequence[_Lease]]


def faults(engine: Engine, profile: Profiles = profile_here) -> Iterator[str]:
    """What is wrong, a line each. Reads only; may run while the controller does. Raises SQLAlchemyError.

    Clocks may differ by LEEWAY_MS. A lease that was taken back counts at the machine until it runs out, for who stands
    there while nobody hears the agent; a command of the controller's must have been given before it was taken back.
    """
    with engine.connect() as connection:
        leases = _leases(connection)
        for row in connection.execute(_begun()):
            if not _guarded(profile, row) or _within(leases[row.device_id], row.at_ms, row.asked_ms):
                continue
            yield f"command {row.id} ({row.action}) of device {row.device_id} began outside a lease"
        for row in connection.execute(_at_the_machine()):
            done = _DONE_AT_THE_MACHINE.fullmatch(row.detail)
            if (
                done
                and _is_guarded(profile, row.profile_slug, done[1])
                and not _within(leases[row.device_id], row.at_ms)
            ):
                yield f"{done[1]} at the machine, device {row.device_id} at {row.at_ms}, was done outside a lease"


def _leases(connection: Connection) -> _Leases:
    found: defaultdict[int, list[_Lease]] = defaultdict(list)
    for row in connection.execute(select(_GRANT)):
        found[row.device_id].append(_Lease(row.from_ms, row.until_ms, row.revoked_ms))
    return found


def _begun() -> Any:
    """Every command that its agent began, and when that was first told."""
    return (
        select(
            _COMMAND.c.id,
            _COMMAND.c.action,
            _COMMAND.c.device_id,
            _COMMAND.c.asked_ms,
            _COMMAND.c.needs_book,
            _DEVICE.c.profile_slug,
            func.min(_STEP.c.at_ms).label("at_ms"),
        )
        .join(_STEP, and_(_STEP.c.command_id == _COMMAND.c.id, _STEP.c.status.in_(_BEGUN)))
        .join(_DEVICE, _DEVICE.c.id == _COMMAND.c.device_id)
        .where(or_(_COMMAND.c.action != STOP, _COMMAND.c.needs_book > 0))
        .group_by(_COMMAND.c.id, _DEVICE.c.profile_slug)
    )


def _at_the_machine() -> Any:
    return (
        select(_EVENT.c.at_ms, _EVENT.c.detail, _DEVICE.c.id.label("device_id"), _DEVICE.c.profile_slug)
        .join(_DEVICE, and_(_DEVICE.c.agent_id == _EVENT.c.agent_id, _DEVICE.c.slug == _EVENT.c.device))
        .where(_EVENT.c.kind == _LOCAL)
    )


def _guarded(profile: Profiles, row: Row[Any]) -> bool:
    return bool(row.needs_book) or _is_guarded(profile, row.profile_slug, row.action)


def _is_guarded(profile: Profiles, slug: str, name: str) -> bool:
    known = profile(slug)
    action = known.actions.get(name) if known else None
    return action is not None and action.guarded and name != STOP


def _within(leases: Sequence[_Lease], at_ms: int, asked_ms: int | None = None) -> bool:
    return any(
        each.from_ms - LEEWAY_MS <= at_ms < each.until_ms + LEEWAY_MS
        and (asked_ms is None or each.revoked_ms is None or asked_ms <= each.revoked_ms)
        for each in leases
    )


def main(engine: Engine) -> int:
    """Print the report; 0 if all is well, else 1."""
    found = list(faults(engine))
    for line in report("commands", found, "none that is guarded was begun outside a lease"):
        print(line)
    return 1 if found else 0
