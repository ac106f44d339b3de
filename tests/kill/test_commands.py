"""Agents, broker and controller are killed at every state of a command; no command runs twice, all end, in truth."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import psutil
import pytest

from tests.kill.fates import Watch, fates, wrongs
from tests.kill.lab import WAIT_S, Lab, Machine, heat, produce, show
from tests.kill.stage import eventually, prove

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(3_600)]

PARTS = ("broker", "controller", "agents")
SOAK_ROUNDS = 10
END_S = 60.0
"""Once all parts are back, every command is at its end within this."""
FRONT, AWAY = "front", "away"
"""The agent that is at work when the kill comes, and the one that hears nothing at that time."""
KEEPALIVE_S: Final = {FRONT: 60, AWAY: 5}
"""The broker misses the one that stands still soon, and does not mind if it stood still itself."""

FRONT_PROJECTORS = ("busy-projector", "untold-projector", "unacked-projector")
FRONT_PRINTERS = (
    *("busy-printer", "printing-printer", "told-printer"),
    *("untold-heater", "untold-printer", "unacked-heater", "unacked-printer"),
    *(f"fetching-printer-{part}" for part in PARTS),
)
AWAY_PROJECTORS = ("away-projector",)
AWAY_PRINTERS = ("sent-heater", "sent-printer", "queued-heater", "queued-printer")
LENT = ("sent-heater", "sent-printer")
"""Leased before, so that what is asked of them waits for no book."""
INPUT, HEAT, ASK, HOME = "%1INPT [^?]", "M104", "M105", "G28"
"""What a machine is held at: the order itself; for a job the question that goes before its first line, or its last."""


@dataclass(frozen=True, slots=True)
class At:
    """How a state is told: the status in the controller's database, and the agent's journal with its mark `told`."""

    status: str
    journal: tuple[str, bool] | None = None


STATES: Final[Mapping[str, At]] = {
    "queued": At("queued"),
    "sent": At("sent"),
    "accepted": At("accepted", ("accepted", False)),
    "fetching": At("running", ("accepted", False)),
    "running": At("running", ("accepted", False)),
    "untold": At("running", ("done", False)),
    "unacked": At("running", ("done", True)),
    "told": At("done", ("done", True)),
}
"""`fetching`: the job file is half on the agent's disk. `untold`: done, journalled, and not in the agent's outbox.
`unacked`: in the outbox, and the controller does not know."""

ENDS: Final[Mapping[tuple[str, str], str]] = {
    **{(part, state): "done" for part in PARTS for state in STATES},
    **{("agents", state): "unknown" for state in ("accepted", "fetching", "running")},
}
"""(part that is killed, state) -> the command's end. What is not done then was not carried out after the kill."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One command that a kill is to meet in this state. `form`: unguarded, guarded, or with a file."""

    state: str
    form: str
    command_id: str


@dataclass
class Scene:
    """Commands of every form, brought to every state at one time. Close `held` when the kill is over."""

    lab: Lab
    part: str
    held: ExitStack
    cells: list[Cell] = field(default_factory=list)

    def show(self, state: str, machine: str) -> str:
        """Ask a projector for something that is to be in this state when the kill comes; the command's id."""
        return self._is_to_be(state, "unguarded", self.lab.give(show(machine, self.lab.number(machine))))

    def heat(self, state: str, machine: str) -> str:
        return self._is_to_be(state, "guarded", self.lab.give(heat(machine, self.lab.number(machine))))

    def job(self, state: str, machine: str) -> Callable[[], str]:
        """Have a job ready; call it to have it printed."""
        order = produce(machine, self.lab.number(machine))
        job = self.lab.send_file(order)
        return lambda: self._is_to_be(state, "file", self.lab.release(order, job))

    def _is_to_be(self, state: str, form: str, command_id: str | None) -> str:
        assert command_id is not None
        self.cells.append(Cell(state, form, command_id))
        return command_id

    def arrange(self) -> None:
        """Bring everything to its state, in the order in which the states can be kept."""
        jobs = {
            state: self.job(state, machine)
            for state, machine in (
                ("accepted", "busy-printer"),
                ("running", "printing-printer"),
                ("fetching", f"fetching-printer-{self.part}"),
                ("untold", "untold-printer"),
                ("unacked", "unacked-printer"),
                ("sent", "sent-printer"),
                ("queued", "queued-printer"),
                ("told", "told-printer"),
            )
        }
        self._have_told(jobs["told"])
        self._have_begun(jobs)
        self._have_waiting(jobs)
        self._have_done()

    def _have_told(self, job: Callable[[], str]) -> None:
        self._await("done", self.show("told", "untold-projector"), self.heat("told", "untold-heater"), job())
        self._await_journal("told")

    def _have_begun(self, jobs: Mapping[str, Callable[[], str]]) -> None:
        """On machines that do not answer, and with a file that does not come."""
        for machine, pattern in (
            *(("busy-projector", INPUT), ("busy-printer", HEAT), ("printing-printer", ASK)),
            *(("untold-projector", INPUT), ("untold-heater", HEAT), ("untold-printer", ASK)),
            *(("unacked-projector", INPUT), ("unacked-heater", HEAT), ("unacked-printer", ASK)),
        ):
            self.lab.hold(machine, pattern)
        at_work = [self.show("running", "busy-projector"), self.heat("running", "busy-printer")]
        for state in ("untold", "unacked"):
            at_work += [self.show(state, f"{state}-projector"), self.heat(state, f"{state}-heater")]
        self._await_carried_out(*at_work)
        self._await("running", *at_work, *(jobs[state]() for state in ("running", "untold", "unacked")))
        behind = (self.show("accepted", "busy-projector"), self.heat("accepted", "busy-printer"), jobs["accepted"]())
        self._await("accepted", *behind)
        self.lab.relay.hold()
        self._await("running", jobs["fetching"]())
        eventually(lambda: self.lab.fetching(FRONT), WAIT_S, "half of the file has come")

    def _have_waiting(self, jobs: Mapping[str, Callable[[], str]]) -> None:
        """For an agent that stands still: sent as long as it is believed to be there, then no more."""
        self.lab.freeze(AWAY)
        self._await("sent", self.show("sent", "away-projector"), self.heat("sent", "sent-heater"), jobs["sent"]())
        waiting = [self.heat("queued", "queued-heater"), jobs["queued"]()]
        presence = "SELECT presence FROM agent WHERE name = ?"
        eventually(lambda: self.lab.one(presence, AWAY) == ("offline",), WAIT_S, "it is missed")
        self._await("queued", *waiting, self.show("queued", "away-projector"))

    def _have_done(self) -> None:
        """While the broker stands still; then while the agent's outbox takes nothing either."""
        broker = self.lab.broker()
        assert broker is not None
        broker.suspend()
        self.held.callback(_resume, broker)
        for state in ("unacked", "untold"):
            machines = (f"{state}-projector", f"{state}-heater", f"{state}-printer")
            if state == "untold":
                self.held.enter_context(self.lab.outbox_taken(FRONT))
            self.lab.let_go(*machines)
            self.lab.hold(f"{state}-printer", HOME)
            self._await_journal(state)
        self._await_carried_out(*(each.command_id for each in self.cells if each.state in ("unacked", "untold")))

    def _await(self, status: str, *command_ids: str) -> None:
        for each in command_ids:
            eventually(partial(self._is, each, status), WAIT_S, f"{self.lab.given[each]} is {status}")

    def _is(self, command_id: str, status: str) -> bool:
        return self.lab.status(command_id) == status

    def _await_journal(self, state: str) -> None:
        for cell in self.cells:
            if cell.state == state:
                eventually(partial(self._in_journal, cell), WAIT_S, f"{cell} is in the journal")

    def _in_journal(self, cell: Cell) -> bool:
        return self.lab.journalled(cell.command_id) == STATES[cell.state].journal

    def _await_carried_out(self, *command_ids: str) -> None:
        for each in command_ids:
            eventually(partial(self.lab.times, each), WAIT_S, f"{self.lab.given[each]} is carried out")

    def stands(self, cell: Cell) -> bool:
        """Whether the command is where it is meant to be."""
        return self._is(cell.command_id, STATES[cell.state].status) and self._in_journal(cell)


def _resume(broker: psutil.Process) -> None:
    if broker.is_running():
        broker.resume()


@pytest.fixture(name="lab", scope="module")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    machines = [
        *(Machine(name, "projector", FRONT) for name in FRONT_PROJECTORS),
        *(Machine(name, "printer", FRONT) for name in FRONT_PRINTERS),
        *(Machine(name, "projector", AWAY) for name in AWAY_PROJECTORS),
        *(Machine(name, "printer", AWAY) for name in AWAY_PRINTERS),
    ]
    lab = Lab(tmp_path_factory.mktemp("commands") / "state", machines, KEEPALIVE_S)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop_all()


@pytest.mark.parametrize("part", PARTS)
def test_kill_at_every_state_of_a_command_leaves_the_truth(lab: Lab, part: str, soak: bool) -> None:
    for _ in range(SOAK_ROUNDS if soak else 1):
        play(lab, part)
    prove(lab, WAIT_S)


def play(lab: Lab, part: str) -> None:
    """One kill that meets commands of every form in every state; what becomes of each."""
    began_s = time.monotonic()
    eventually(partial(idle, lab, part), 180.0, "the jobs of the scene before are at their end")
    lab.lend(*LENT)  # a job that ended gave its machine back
    with Watch(lab.database) as watch:
        with ExitStack() as held:
            scene = Scene(lab, part, held)
            scene.arrange()
            lab.kill(part)
            missed = [cell for cell in scene.cells if not scene.stands(cell)]
            before = {cell.command_id: lab.times(cell.command_id) for cell in scene.cells}
            if part == "controller":
                lab.relay.cut()
        if part != "agents":
            lab.thaw(AWAY)
        lab.start_again(part)
        lab.relay.release()
        lab.let_go("busy-projector", "busy-printer", "printing-printer", "untold-printer", "unacked-printer")
        assert missed == []
        ended = partial(all_at_their_end, lab, scene.cells)
        eventually(ended, END_S, "every command is at its end")
        settle(lab, part, scene.cells, before)
    print(f"\n{part} killed: {len(scene.cells)} commands met in their states, {time.monotonic() - began_s:.0f} s")
    assert watch.wrongs == []
    assert watch.changes > len(scene.cells)
    found = fates(lab.database, lab.given, lab.carried_out())
    assert list(wrongs(found, lab.carried_out())) == []


def idle(lab: Lab, part: str) -> bool:
    """Whether no machine of the scene is at work on a job: what a kill cut short is taken for lost in a minute."""
    others = [f"fetching-printer-{other}" for other in PARTS if other != part]
    (jobs,) = lab.one(
        "SELECT count(*) FROM print_job JOIN device ON device.id = print_job.device_id"
        " WHERE print_job.state IN ('released', 'printing') AND device.slug NOT IN (?, ?)",
        *others,
    )
    return not jobs


def all_at_their_end(lab: Lab, cells: Sequence[Cell]) -> bool:
    return {lab.status(cell.command_id) for cell in cells} <= set(ENDS.values()) | {"failed", "refused", "expired"}


def settle(lab: Lab, part: str, cells: Sequence[Cell], before: Mapping[str, int]) -> None:
    """Each ended as it must: what is done was carried out once, nothing else was touched after the kill."""
    for cell in cells:
        wanted = ENDS[part, cell.state]
        status, detail, book = lab.one("SELECT status, detail, needs_book FROM command WHERE id = ?", cell.command_id)
        assert status == wanted, (cell, detail)
        assert (book > 0) is (cell.form != "unguarded"), cell
        if wanted == "done":
            eventually(partial(lab.times, cell.command_id), WAIT_S, f"{cell} is carried out")
            assert lab.times(cell.command_id) == 1, cell
        else:
            assert lab.times(cell.command_id) == before[cell.command_id], cell
