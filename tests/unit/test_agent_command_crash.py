"""A crash at any point of a command's way leaves the truth, and never a second run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent import journal
from contract.messages import Order
from contract.model import Command, Value
from firmware_bridges.base import LinkLost
from tests.fakes import JobServer
from tests.unit.workshop import Workshop


class Killed(BaseException):
    """The process is gone."""


class Fate:
    """Kills at the `last` step; after that nothing of this life reaches the disk or the machine any more."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.steps = 0
        self.dead = False

    def around(self, do: Callable[..., Any]) -> Callable[..., Any]:
        """A step before and one after."""

        def done(*given: Any) -> Any:
            self._step()
            result = do(*given)
            self._step()
            return result

        return done

    def _step(self) -> None:
        self.steps += 1
        self.dead = self.dead or self.steps == self.last
        if self.dead:
            raise Killed


@pytest.fixture
def server() -> Iterator[JobServer]:
    server = JobServer()
    yield server
    server.stop()


class Machine:
    """Outlives the agent."""

    def __init__(self, *, well: bool) -> None:
        self.well = well
        self.runs = 0

    def execute(self, _action: str, _args: Mapping[str, Value]) -> None:
        self.runs += 1
        if not self.well:
            raise LinkLost("the cable is out")


def live(folder: Path, url: str, machine: Machine, order: Order, last: int) -> tuple[list[str], bool]:
    """One life of an agent that gets an order (again): what is in the outbox then, and whether it was killed."""
    fate = Fate(last)
    workshop = Workshop(folder, url)
    with pytest.MonkeyPatch.context() as world:
        world.setattr(journal, "_append", fate.around(journal._append))
        world.setattr(workshop.outbox, "append", fate.around(workshop.outbox.append))
        world.setattr(workshop.files, "fetch", fate.around(workshop.files.fetch))
        with suppress(Killed):
            workshop.commands.recover()
            workshop.commands.take(order)
            workshop.work(fate.around(machine.execute))
    workshop.forget_what_waits()
    told = workshop.outcomes()
    workshop.outbox.close()
    return told, fate.dead


@pytest.mark.parametrize("well", [True, False])
@pytest.mark.parametrize("action", ["light", "print"])
def test_command_killed_twice_at_any_points_runs_once_at_most_and_the_truth_is_told(
    tmp_path: Path, server: JobServer, action: str, well: bool
) -> None:
    args = {"digest": server.offer(b"G28\n"), "name": "cube"} if action == "print" else {}
    order = Order(Command("c-1", "printer", action, args))
    ends = {"done" if well else "failed the cable is out"}
    first, killed = 0, True
    while killed:
        first += 1
        second, killed_again = 0, True
        while killed_again:
            second += 1
            folder = tmp_path / f"{first}-{second}"
            folder.mkdir()
            machine = Machine(well=well)
            _, killed = live(folder, server.url, machine, order, first)
            _, killed_again = live(folder, server.url, machine, order, second)
            told, _ = live(folder, server.url, machine, order, 0)
            final = {each for each in told if each not in ("accepted", "running")}
            assert machine.runs <= 1
            assert len(final) == 1, told
            assert final <= ends | {"unknown the agent ended while it was carried out"}
            assert machine.runs == 1 or not final <= ends
    assert first > 8
