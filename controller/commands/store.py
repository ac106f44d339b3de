"""Every query of commands and their steps. The caller commits."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, delete, func, insert, select, update

from contract.lease import STOP
from contract.model import CommandStatus, Outcome
from controller.commands.moves import Waiting
from controller.commands.states import OPEN, Standing, rank, standing
from controller.commands.tables import CommandStep, StoredCommand
from controller.ingest.observer import Told
from controller.notifications.bulletins import Word, enqueue
from controller.scope import Scope
from controller.webhooks.events import Happening, happened
from controller.webhooks.kinds import EventKind

_COMMAND: Table = StoredCommand.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_STEP: Table = CommandStep.__table__  # type: ignore[attr-defined]


# asking


def by_key(connection: Connection, request_key: str) -> StoredCommand | None:
    return _one(connection, select(_COMMAND).where(_COMMAND.c.request_key == request_key))


def find(connection: Connection, scope: Scope, command_id: str) -> StoredCommand | None:
    """None if there is none of that id in the scope."""
    asked = select(_COMMAND).where(_COMMAND.c.id == command_id)
    if scope.school_id is not None:
        asked = asked.where(_COMMAND.c.school_id == scope.school_id)
    return _one(connection, asked)


def of_device(connection: Connection, scope: Scope, device_id: int, limit: int) -> Sequence[StoredCommand]:
    """Newest first."""
    asked = select(_COMMAND).where(_COMMAND.c.device_id == device_id)
    if scope.school_id is not None:
        asked = asked.where(_COMMAND.c.school_id == scope.school_id)
    newest = asked.order_by(_COMMAND.c.asked_ms.desc(), _COMMAND.c.id.desc()).limit(limit)
    return [StoredCommand(**row) for row in connection.execute(newest).mappings()]


def steps(connection: Connection, command_ids: Collection[str]) -> Mapping[str, Sequence[CommandStep]]:
    """The states that each of these commands came to, in the order of a command's life."""
    found: dict[str, list[CommandStep]] = {command_id: [] for command_id in command_ids}
    for row in connection.execute(select(_STEP).where(_STEP.c.command_id.in_(command_ids))).mappings():
        found[row["command_id"]].append(CommandStep(**row))
    for those in found.values():
        those.sort(key=lambda step: (rank(CommandStatus(step.status)), step.received_ms))
    return found


def unanswered(connection: Connection, agent_id: int, device_id: int) -> int:
    """How many commands of the device its agent has said nothing of."""
    asked = select(func.count()).where(
        _COMMAND.c.status.in_((CommandStatus.QUEUED, CommandStatus.SENT)),
        _COMMAND.c.agent_id == agent_id,
        _COMMAND.c.device_id == device_id,
    )
    return int(connection.execute(asked).scalar_one())


def needs_lease(connection: Connection, device_id: int, by_id: str, but: str) -> bool:
    """Whether a guarded command of theirs, another than `but`, has not come to its end."""
    asked = select(_COMMAND.c.id).where(
        _COMMAND.c.status.in_(OPEN),
        _COMMAND.c.device_id == device_id,
        _COMMAND.c.by_id == by_id,
        _COMMAND.c.needs_book > 0,
        _COMMAND.c.id != but,
    )
    return connection.execute(asked.limit(1)).first() is not None


def open_commands(connection: Connection) -> Sequence[Waiting]:
    """All that are not at their end, in the order in which they were asked for."""
    asked = select(_COMMAND).where(_COMMAND.c.status.in_(OPEN)).order_by(_COMMAND.c.asked_ms, _COMMAND.c.id)
    return [
        Waiting(
            id=row.id,
            agent_id=row.agent_id,
            device_id=row.device_id,
            action=row.action,
            args=row.args,
            by_id=row.by_id,
            expires_ms=row.expires_ms,
            status=CommandStatus(row.status),
            status_ms=row.status_ms,
            sent_ms=row.sent_ms,
            needs_book=row.needs_book,
        )
        for row in connection.execute(asked)
    ]


def open_counts(connection: Connection) -> Mapping[CommandStatus, int]:
    """How many commands are in each state that is not final, every such state named."""
    asked = (
        select(_COMMAND.c.status, func.count().label("number"))
        .where(_COMMAND.c.status.in_(OPEN))
        .group_by(_COMMAND.c.status)
    )
    found = {row.status: row.number for row in connection.execute(asked)}
    return {status: found.get(status, 0) for status in OPEN}


# what we do


def add(connection: Connection, command: StoredCommand) -> None:
    """Queue it. Raises sqlalchemy.exc.IntegrityError if its key is taken."""
    connection.execute(insert(_COMMAND).values(command.model_dump()))
    _put_steps(connection, [_own_step(command.id, CommandStatus.QUEUED, command.asked_ms)])


def cut_short(connection: Connection, device_id: int, now_ms: int) -> None:
    """Before a stop: what was asked of the device until now and may not have arrived is sent no more."""
    connection.execute(
        update(_COMMAND)
        .where(_COMMAND.c.status.in_((CommandStatus.QUEUED, CommandStatus.SENT)), _COMMAND.c.device_id == device_id)
        .where(_COMMAND.c.action != STOP, _COMMAND.c.expires_ms > now_ms)
        .values(expires_ms=now_ms)
    )


def mark_sent(connection: Connection, command_ids: Collection[str], now_ms: int) -> set[str]:
    """Before they are sent, for the first time or again; those of them that may still be."""
    if not command_ids:
        return set()
    rows = connection.execute(
        update(_COMMAND)
        .where(_COMMAND.c.id.in_(command_ids), _COMMAND.c.expires_ms > now_ms)
        .where(_COMMAND.c.status.in_((CommandStatus.QUEUED, CommandStatus.SENT)))
        .values(sent_ms=now_ms, sends=_COMMAND.c.sends + 1)
        .returning(_COMMAND.c.id, _COMMAND.c.status)
    ).all()
    first = [row.id for row in rows if row.status == CommandStatus.QUEUED]
    if first:
        connection.execute(
            update(_COMMAND).where(_COMMAND.c.id.in_(first)).values(status=CommandStatus.SENT, status_ms=now_ms)
        )
        _put_steps(connection, [_own_step(command_id, CommandStatus.SENT, now_ms) for command_id in first])
    return {row.id for row in rows}


def conclude(
    connection: Connection, commands: Collection[Waiting], end: CommandStatus, detail: str, now_ms: int
) -> set[str]:
    """End commands of which nothing is heard; the ids of those of which nothing was heard meanwhile."""
    ended: set[str] = set()
    for before in {command.status for command in commands}:
        after = Standing(before).concludes(end)
        ids = [command.id for command in commands if command.status is before]
        if after.concluded is not None:
            rows = connection.execute(
                update(_COMMAND)
                .where(_COMMAND.c.id.in_(ids), _COMMAND.c.status == before)
                .values(status=after.status, status_ms=now_ms, detail=detail, told=after.told)
                .returning(_COMMAND.c.id)
            )
            ended.update(rows.scalars())
    _put_steps(connection, [_own_step(command_id, end, now_ms, detail) for command_id in ended])
    _tell(connection, ended, now_ms)
    return ended


# what agents say


def hear(connection: Connection, agent_id: int, outcomes: Sequence[Outcome], received_ms: int) -> list[Told]:
    """Take over what an agent says of commands; one Told for each outcome of a command that was given to this agent."""
    accounts = _accounts(connection, agent_id, {outcome.command_id for outcome in outcomes})
    told = []
    for outcome in outcomes:
        account = accounts.get(outcome.command_id)
        if account is not None:
            told.append(Told(outcome.command_id, account.device_id, outcome, account.hears(outcome)))
    for account in accounts.values():
        account.write(connection, received_ms)
    _tell(connection, {each.command_id for each in told if each.moved and each.outcome.status.final}, received_ms)
    return told


def sends(connection: Connection, command_ids: Collection[str]) -> Mapping[str, int]:
    """How often each of these commands was sent."""
    asked = select(_COMMAND.c.id, _COMMAND.c.sends).where(_COMMAND.c.id.in_(command_ids))
    return {row.id: row.sends for row in connection.execute(asked)}


class _Account:
    """What is known of one command while its agent's words are taken over."""

    __slots__ = ("_id", "_last", "_new", "_standing", "_steps", "device_id")

    def __init__(self, command: Row[Any], steps: set[CommandStatus]) -> None:
        self._id = command.id
        self.device_id: int = command.device_id
        self._steps = steps
        self._standing = standing(CommandStatus(command.status), steps, told=command.told)
        self._new: dict[CommandStatus, Outcome] = {}
        self._last: Outcome | None = None

    def hears(self, outcome: Outcome) -> bool:
        """Whether the command is in another state now. A state told of late is noted all the same."""
        after = self._standing.hears(outcome.status)
        moved = after != self._standing
        late = outcome.status in (CommandStatus.ACCEPTED, CommandStatus.RUNNING) and outcome.status not in self._steps
        if moved:
            self._standing, self._last = after, outcome
        if moved or late:
            self._steps.add(outcome.status)
            self._new[outcome.status] = outcome
        return moved

    def write(self, connection: Connection, received_ms: int) -> None:
        new = [
            CommandStep(
                command_id=self._id,
                status=status,
                at_ms=outcome.at_ms,
                received_ms=received_ms,
                detail=outcome.detail,
            )
            for status, outcome in self._new.items()
        ]
        _put_steps(connection, new)
        if self._last is not None:
            connection.execute(
                update(_COMMAND)
                .where(_COMMAND.c.id == self._id)
                .values(
                    status=self._standing.status,
                    status_ms=received_ms,
                    detail=self._last.detail,
                    told=self._standing.told,
                )
            )


def _accounts(connection: Connection, agent_id: int, command_ids: set[str]) -> dict[str, _Account]:
    rows = connection.execute(
        select(_COMMAND).where(_COMMAND.c.id.in_(command_ids), _COMMAND.c.agent_id == agent_id).with_for_update()
    ).all()
    if not rows:
        return {}
    went: dict[str, set[CommandStatus]] = {row.id: set() for row in rows}
    for row in connection.execute(select(_STEP.c.command_id, _STEP.c.status).where(_STEP.c.command_id.in_(went))):
        went[row.command_id].add(CommandStatus(row.status))
    return {row.id: _Account(row, went[row.id]) for row in rows}


def _own_step(command_id: str, status: CommandStatus, now_ms: int, detail: str = "") -> CommandStep:
    """A state by our own doing."""
    return CommandStep(command_id=command_id, status=status, at_ms=now_ms, received_ms=now_ms, detail=detail)


def _put_steps(connection: Connection, steps: Sequence[CommandStep]) -> None:
    """Note states; of one that a command came to before, the latest counts: our conclusion, then its agent's word."""
    for status in {step.status for step in steps}:
        ids = [step.command_id for step in steps if step.status == status]
        connection.execute(delete(_STEP).where(_STEP.c.command_id.in_(ids), _STEP.c.status == status))
    if steps:
        connection.execute(insert(_STEP), [step.model_dump() for step in steps])


def forget(connection: Connection, before_ms: int, most: int) -> int:
    """Remove commands that are over and came to be so before, the oldest first and no more than `most`; how many."""
    over = [status for status in CommandStatus if status.final]
    old = select(_COMMAND.c.id).where(_COMMAND.c.status.in_(over), _COMMAND.c.status_ms < before_ms)
    ids = connection.execute(old.order_by(_COMMAND.c.status_ms).limit(most)).scalars().all()
    connection.execute(delete(_STEP).where(_STEP.c.command_id.in_(ids)))
    connection.execute(delete(_COMMAND).where(_COMMAND.c.id.in_(ids)))
    return len(ids)


def _tell(connection: Connection, command_ids: Collection[str], now_ms: int) -> None:
    """Who gave them hears how they ended. That a print was begun is no news: its job has its own."""
    for row in connection.execute(select(_COMMAND).where(_COMMAND.c.id.in_(command_ids))) if command_ids else ():
        done = row.status == CommandStatus.DONE
        result = {
            "command": row.id,
            "device": row.device_id,
            "action": row.action,
            "by": row.by_id,
            "status": row.status,
        }
        happened(connection, row.school_id, Happening(EventKind.COMMAND_RESULT, result, row.by_id), now_ms)
        if row.by_id and not (done and "digest" in row.args):
            kind = "command-done" if done else "command-failed"
            detail = {"device_id": row.device_id, "action": row.action, "status": row.status, "detail": row.detail}
            enqueue(connection, Word(kind, row.id, row.school_id, row.by_id, detail=detail), now_ms)


def _one(connection: Connection, asked: Select[Any]) -> StoredCommand | None:
    row = connection.execute(asked).mappings().first()
    return None if row is None else StoredCommand(**row)
