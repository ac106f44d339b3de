"""What the controller's database says of commands and print jobs: a page's words are held against it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session, col, select

from contract.model import CommandStatus
from controller.commands.states import OPEN
from controller.commands.tables import CommandStep, StoredCommand
from controller.database import make_engine
from controller.jobs.tables import JobStep, PrintJob
from tests.browser.stage import Stage

WAY = tuple(status.value for status in (*OPEN, CommandStatus.DONE))
"""Of a command that goes well."""


@dataclass(frozen=True, slots=True)
class Given:
    """A command that was given, with its steps in the order of their times."""

    action: str
    status: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A print job, with the lines of its log."""

    id: int
    state: str
    log: tuple[str, ...]


def commands(stage: Stage, device_id: int) -> Sequence[Given]:
    """All of a device's, oldest first."""
    with _database(stage) as db:
        found = db.exec(
            select(StoredCommand).where(StoredCommand.device_id == device_id).order_by(col(StoredCommand.asked_ms))
        )
        return [Given(each.action, each.status, _steps(db, each.id)) for each in found]


def jobs(stage: Stage, device_id: int) -> Sequence[Sent]:
    """All of a device's, oldest first."""
    with _database(stage) as db:
        found = db.exec(select(PrintJob).where(PrintJob.device_id == device_id).order_by(col(PrintJob.id)))
        return [Sent(each.id or 0, each.state, _log(db, each.id)) for each in found]


def _steps(db: Session, command_id: str) -> tuple[str, ...]:
    """Steps of the same millisecond stand as they do in a command's life."""
    found = db.exec(select(CommandStep).where(CommandStep.command_id == command_id))
    place = {status: number for number, status in enumerate(WAY)}
    return tuple(each.status for each in sorted(found, key=lambda step: (step.at_ms, place.get(step.status, 9))))


def _log(db: Session, job_id: int | None) -> tuple[str, ...]:
    return tuple(db.exec(select(JobStep.kind).where(JobStep.job_id == job_id).order_by(col(JobStep.id))))


@contextmanager
def _database(stage: Stage) -> Iterator[Session]:
    engine = make_engine(stage.config.database)
    try:
        with Session(engine) as db:
            yield db
    finally:
        engine.dispose()
