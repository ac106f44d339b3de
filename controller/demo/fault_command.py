"""The command `fabfleet demo-fault`: give a machine of the demo lab a fault, or put it right."""

import fcntl
import sys
from collections.abc import Mapping
from pathlib import Path

from controller.demo.alone import lock_file
from controller.demo.cluster import LAB_NAMES
from controller.demo.errors import DemoError
from controller.demo.farends.faults import FAULTS, Fault, Words
from controller.demo.lab import switch


def run(state: Path, machine: str | None, fault: str | None) -> int:
    """0 if it was done or shown, 1 if not."""
    try:
        if machine and fault:
            _give(state, machine, fault)
        print(_listing(state, (machine,) if machine else tuple(FAULTS)))
    except (DemoError, OSError) as error:
        print(f"fabfleet demo-fault: {error}", file=sys.stderr)
        return 1
    return 0


def _give(state: Path, machine: str, fault: str) -> None:
    known = _faults_of(machine)
    if fault not in known:
        raise DemoError(f"{machine} has no fault {fault!r}; it has {', '.join(known)}")
    if not _runs(state):
        raise DemoError(f"no demo runs on {state}; start it with make run, or give its --state")
    switch(state, machine).throw(Fault(fault))


def _listing(state: Path, machines: tuple[str, ...]) -> str:
    """What there is, the present fault with a star."""
    lines = []
    for machine in machines:
        present = switch(state, machine).fault
        lines.append(f"{machine}: {LAB_NAMES.get(machine, machine)}")
        for fault, words in _faults_of(machine).items():
            mark = "*" if fault is present else " "
            lines.append(f"  {mark} {fault:<16} {words.english} / {words.vietnamese}")
    return "\n".join(lines)


def _faults_of(machine: str) -> Mapping[Fault, Words]:
    try:
        return FAULTS[machine]
    except KeyError:
        raise DemoError(f"there is no machine {machine!r}; there are {', '.join(FAULTS)}") from None


def _runs(state: Path) -> bool:
    """Whether a demo holds the state."""
    try:
        with lock_file(state).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
