"""What announces itself in the network by mDNS and SSDP, heard by a child process that is ended when it hangs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.discovery_match import Evidence, clue, tidy
from contract.found import ClueKind
from contract.model import ContractError, check_integer, check_text
from contract.wire import decode

LISTEN_S: Final = 6.0
GRACE_S: Final = 10.0
"""How much longer the child may take before it is ended."""
MOST: Final = 300
"""Services that are taken of one listening."""
_WAYS: Final = frozenset({ClueKind.MDNS, ClueKind.SSDP})


@dataclass(frozen=True, slots=True)
class Announced:
    """A service or device that announced itself: its type, its name, and where it is; `port` 0 if it tells none."""

    way: ClueKind
    type: str
    name: str
    host: str
    port: int = 0

    def __post_init__(self) -> None:
        if self.way not in _WAYS:
            raise ContractError(f"way: {self.way} announces nothing")
        for name in ("type", "name", "host"):
            check_text(getattr(self, name), name, 200)
        check_integer(self.port, "port", 0, 65_535)


def evidence_of(announced: Announced) -> Evidence:
    """A computer may offer several services, so one that tells its port is a thing of its own."""
    return Evidence(
        key=f"net/{announced.host}:{announced.port}" if announced.port else f"net/{announced.host}",
        name=tidy(announced.name),
        identity=announced.host,
        clues=(clue(announced.way, announced.type), clue(ClueKind.HOST, announced.host)),
        host=announced.host,
        ports={announced.way: announced.port} if announced.port else {},
    )


def child(types: Sequence[str], listen_s: float = LISTEN_S, interface: str = "") -> tuple[str, ...]:
    """The command that listens for those mDNS types, and for all that SSDP brings."""
    on = ("--interface", interface) if interface else ()
    return (sys.executable, "-m", "agent.discovery_child", "--seconds", f"{listen_s:g}", *on, *types)


def announced(command: Sequence[str], deadline_s: float = LISTEN_S + GRACE_S) -> tuple[Announced, ...]:
    """What the child tells until it ends, or is ended at the deadline; what it told until then counts.

    Raises OSError if it cannot be started.
    """
    import subprocess

    root = Path(__file__).parent.parent
    process = subprocess.Popen(
        command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        told, _ = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        told, _ = process.communicate()
    found: list[Announced] = []
    for line in told.splitlines()[:MOST]:
        try:
            found.append(decode(Announced, line))
        except ContractError:
            continue  # a line that was cut short
    return tuple(dict.fromkeys(found))
