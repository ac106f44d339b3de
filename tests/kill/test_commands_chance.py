"""Agents, broker and controller are killed by chance while commands are given; each command ends in truth."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.kill.fates import Fate, Watch, fates, wrongs
from tests.kill.lab import INPUTS, WAIT_S, Lab, Machine, Order, heat, produce, show, stop
from tests.kill.stage import eventually, opened, prove

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine")]

SEED = 20_261_121
COMMANDS, SOAK_COMMANDS = 15, 3_000
SOAK_STOPS = 0.15
"""What a stop cuts short on its way to an agent that is gone is unknown after a minute: too long for the short run."""
BURST = 5
END_S = 150.0
"""A command that was sent and lost is given up this long after it was given, at the latest: see `commands.moves`."""
PARTS = ("broker", "controller", "agents")
AGENTS = ("one", "two")
MACHINES = tuple(
    Machine(f"{agent}-{kind}-{number}", kind, agent)
    for agent in AGENTS
    for kind, most in (("projector", 3), ("printer", 2))
    for number in range(1, most + 1)
)
PRINTERS = tuple(machine.name for machine in MACHINES if machine.kind == "printer")


@pytest.fixture(name="lab")
def _lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "state", MACHINES, dict.fromkeys(AGENTS, 10))
    try:
        lab.start()
        yield lab
    finally:
        lab.stop_all()


class Customer:
    """Asks for one thing after another, by chance. `stops`: how often a printer is stopped instead of heated."""

    def __init__(self, lab: Lab, chance: random.Random, stops: float) -> None:
        self._lab = lab
        self._chance = chance
        self._stops = stops
        self._asked = 0
        self.ready: dict[str, tuple[Order, int]] = {}
        """Printer -> a print job that waits there."""

    def wants(self) -> Order:
        """Something of a machine. A stop has no mark of its own."""
        machine = self._chance.choice(MACHINES)
        number = self._lab.number(machine.name)
        if machine.kind == "projector" and number < INPUTS:
            return show(machine.name, number)
        printer = self._chance.choice(PRINTERS)
        return stop(printer) if self._chance.random() < self._stops else heat(printer, self._lab.number(printer))

    def asks(self, order: Order) -> None:
        self._asked += 1
        self._lab.give(order, key=f"order {self._asked}")

    def prepares(self) -> None:
        """Have a job ready at a printer that has none. The controller must be up."""
        printers = [printer for printer in PRINTERS if printer not in self.ready]
        if printers:
            printer = self._chance.choice(printers)
            order = produce(printer, self._lab.number(printer))
            self.ready[printer] = (order, self._lab.send_file(order))

    def prints(self) -> None:
        """Release one that waits, unless its machine is at work on the one before. The controller must be up."""
        if self.ready:
            machine = self._chance.choice(sorted(self.ready))
            if self._lab.release(*self.ready[machine]):
                del self.ready[machine]


@pytest.mark.timeout(14_400)
def test_commands_given_while_any_part_is_killed_come_to_an_end_that_is_true(lab: Lab, soak: bool) -> None:
    began_s = time.monotonic()
    chance = random.Random(SEED)
    customer = Customer(lab, chance, stops=SOAK_STOPS if soak else 0.0)
    met: Counter[tuple[str, str]] = Counter()
    kills: Counter[str] = Counter()
    with Watch(lab.database) as watch:
        for part in order_of_kills(chance, soak):
            kills[part] += 1
            met.update((part, status) for status in one_kill(lab, customer, chance, part))
        eventually(partial(all_at_their_end, lab), END_S, "every command is at its end")
    carried_out = lab.carried_out()
    found = fates(lab.database, lab.given, carried_out)
    ends = Counter(fate.status for fate in found)
    print(f"\n{time.monotonic() - began_s:.0f} s, {len(found)} commands, {dict(kills)} kills, which met {dict(met)}")
    print(f"ends {dict(ends)}, {len(carried_out)} orders carried out, {watch.changes} changes of state seen")

    assert len(found) >= (SOAK_COMMANDS if soak else COMMANDS)
    assert {part for part, _ in met} == set(PARTS), "each part was killed with commands in flight"
    assert list(wrongs(found, carried_out)) == []
    assert watch.wrongs == []
    assert printed_without_trace(lab, found) == []
    prove(lab, WAIT_S)


def order_of_kills(chance: random.Random, soak: bool) -> list[str]:
    """All parts in turn, in an order by chance; the agents last, so that none is in a long pause of its own then."""
    order: list[str] = []
    while len(order) * BURST < (SOAK_COMMANDS if soak else COMMANDS):
        order += chance.sample(PARTS, len(PARTS))
    return [*order, "agents"]


def one_kill(lab: Lab, customer: Customer, chance: random.Random, part: str) -> list[str]:
    """A burst of orders, the last one while the part is being killed. The states that the kill met.

    It waits until something of what the last kill met was carried out: who is down all the time is not killed at work.
    """
    before = len(lab.carried_out())
    eventually(lambda: all_at_their_end(lab) or len(lab.carried_out()) > before, END_S, "machines are at work again")
    customer.prepares()
    for _ in range(BURST - 2):
        customer.asks(customer.wants())
    customer.prints()
    time.sleep(chance.random() * 0.3)
    with ThreadPoolExecutor(1) as beside:
        last = beside.submit(customer.asks, customer.wants())
        time.sleep(chance.random() * 0.05)
        lab.kill(part)
        met = open_states(lab)
        lab.start_again(part)
        last.result()
    return met


def open_states(lab: Lab) -> list[str]:
    with opened(lab.database) as db:
        return [
            status
            for (status,) in db.execute(
                "SELECT status FROM command WHERE status IN ('queued', 'sent', 'accepted', 'running')"
            )
        ]


def all_at_their_end(lab: Lab) -> bool:
    return open_states(lab) == []


def printed_without_trace(lab: Lab, found: Sequence[Fate]) -> list[str]:
    """Jobs that are done by the controller's account, and whose line their machine did not carry out."""
    with opened(lab.database) as db:
        done = {command_id for (command_id,) in db.execute("SELECT command_id FROM print_job WHERE state = 'done'")}
    return [fate.id for fate in found if fate.id in done and fate.times != 1]
