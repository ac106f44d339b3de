"""What became of commands, held against what their machines did."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.kill.lab import Order
from tests.kill.stage import opened

_ORDER: Final = ("queued", "sent", "accepted", "running", "done", "refused", "failed", "expired", "unknown")
_FINAL: Final = frozenset(_ORDER[4:])
_TIMES: Final[Mapping[str, Collection[int]]] = {
    "done": (1,),
    "refused": (0,),
    "expired": (0,),
    "failed": (0, 1),
    "unknown": (0, 1),
}
"""A final status -> how often the machine may have carried it out."""
_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Fate:
    """One command at the end. `steps`: when it came to which state. `times`: how often its machine carried it out."""

    id: str
    order: Order
    status: str
    told: bool = True
    steps: Mapping[str, int] = field(default_factory=dict)
    times: int = 0


def fates(database: Path, given: Mapping[str, Order], carried_out: Iterable[tuple[str, str]]) -> list[Fate]:
    """Of every command that was given. There must be no others: an order that was asked for again is the same one."""
    done = Counter(carried_out)
    with opened(database) as db:
        rows = {row[0]: row[1:] for row in db.execute("SELECT id, status, told FROM command")}
        steps: dict[str, dict[str, int]] = {command_id: {} for command_id in rows}
        for command_id, status, at_ms in db.execute("SELECT command_id, status, at_ms FROM command_step"):
            steps[command_id][status] = at_ms
    assert rows.keys() == given.keys()
    return [
        Fate(each, order, rows[each][0], bool(rows[each][1]), steps[each], done[order.machine, order.line])
        for each, order in given.items()
    ]


def wrongs(found: Iterable[Fate], carried_out: Iterable[tuple[str, str]]) -> Iterator[str]:
    """All that must not be."""
    asked = set()
    for fate in found:
        asked.add((fate.order.machine, fate.order.line))
        yield from _wrong(fate)
    for machine, line in set(carried_out) - asked:
        yield f"{machine} carried out {line}, which nobody asked for"


def _wrong(fate: Fate) -> Iterator[str]:
    name = f"{fate.id} ({fate.order.machine}, {fate.order.line or fate.order.action})"
    if fate.status not in _FINAL:
        yield f"{name} is {fate.status} for ever"
        return
    times = _TIMES[fate.status]
    if fate.order.action == "print":
        times = {*times, 0}  # it is done when the printer hears it; the job's own end tells of its lines
    if fate.order.line and fate.times not in times:
        yield f"{name} is {fate.status} and was carried out {fate.times} times"
    if not fate.told and fate.status == "done":
        yield f"{name} is done, and its agent never said so"
    yield from _wrong_way(fate, name)


def _wrong_way(fate: Fate, name: str) -> Iterator[str]:
    """What the steps say. That the controller once gave it up for unknown is no step of its own."""
    given_up = {"unknown"} if fate.told and fate.status != "unknown" else set()
    way = [status for status in _ORDER if status in fate.steps and status not in given_up]
    moments = [fate.steps[status] for status in way]
    if moments != sorted(moments):
        yield f"{name} went back: {dict(fate.steps)}"
    if way[-1:] != [fate.status] or way[:1] != ["queued"] or len(_FINAL.intersection(way)) != 1:
        yield f"{name} is {fate.status} by the way of {way}"


class Watch:
    """Looks at the controller's database all the time, and notes every command that goes back. A context manager."""

    def __init__(self, database: Path) -> None:
        self.wrongs: list[str] = []
        self.changes = 0
        self._database = database
        self._seen: dict[str, tuple[str, bool]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            try:
                with opened(self._database) as db:
                    rows = db.execute("SELECT id, status, told FROM command").fetchall()
            except sqlite3.OperationalError:
                continue  # it is being opened or closed
            for command_id, status, told in rows:
                self.look(command_id, status, bool(told))

    def look(self, command_id: str, status: str, told: bool) -> None:
        """Take in how a command is now; `told`: its final status is its agent's word."""
        before = self._seen.get(command_id)
        if before == (status, told):
            return
        self._seen[command_id] = (status, told)
        self.changes += 1
        if before is None:
            return
        was, was_told = before
        concluded = was in _FINAL and not was_told
        if was_told or (not concluded and _ORDER.index(status) < _ORDER.index(was)):
            self.wrongs.append(f"{command_id} was {was} and is {status}")
