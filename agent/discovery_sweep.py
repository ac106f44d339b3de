"""Asks every address of one subnet, slowly, whether it speaks SNMP or PJLink."""

import select
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.discovery_match import Evidence, clue, tidy
from agent.discovery_subnet import Pacer, Sweep, hosts, parse_subnet
from contract.found import ClueKind
from firmware_bridges.base import LinkLost
from firmware_bridges.pjlink import search
from firmware_bridges.pjlink_probe import Introduced, introduced
from firmware_bridges.snmp_probe_core import Told, answer, question

_PATIENCE_S: Final = 2.0
"""How long an address may take to answer."""
_NEIGHBOURS: Final = Path("/proc/net/arp")
_LARGEST: Final = 4_096


def sweep(
    what: Sweep,
    own: Collection[str],
    over: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Evidence, ...]:
    """Everything in the subnet that answers. Never asks `own` addresses; `over` ends it early.

    Raises ValueError for a subnet that is not swept, OSError if the network cannot be used at all.
    """
    subnet = parse_subnet(what.subnet)
    asked = hosts(subnet, own)
    pacer = Pacer(what.packets_s, clock, pause)
    seen: list[Evidence] = []
    pacer.wait()
    with suppress(LinkLost):
        answering = search((str(subnet.broadcast_address),), port=what.pjlink_port, wait_s=_PATIENCE_S)
        seen += [_projector(each.host, Introduced(pjclass=2), what.pjlink_port, each.mac) for each in answering]
    with _Round(what) as at_work:
        for host in asked:
            if over():
                break
            pacer.wait()
            at_work.ask_snmp(host)
            pacer.wait()
            at_work.knock(host)
            seen += at_work.answers(0.0)
        until = clock() + _PATIENCE_S
        while (left_s := until - clock()) > 0 and not over():
            seen += at_work.answers(min(left_s, 0.2))
    return tuple(_with_mac(each, neighbours()) for each in seen if each.host in asked)


class _Round:
    """The sockets of one sweep. Projectors are known by who opens the door at their port."""

    def __init__(self, what: Sweep) -> None:
        self._what = what
        self._question = question(what.community, 1)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setblocking(False)
        self._doors: dict[socket.socket, tuple[str, float]] = {}

    def __enter__(self) -> "_Round":
        return self

    def __exit__(self, *_: object) -> None:
        self._udp.close()
        for door in self._doors:
            door.close()

    def ask_snmp(self, host: str) -> None:
        with suppress(OSError):
            self._udp.sendto(self._question, (host, self._what.snmp_port))

    def knock(self, host: str) -> None:
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setblocking(False)
        door.connect_ex((host, self._what.pjlink_port))
        self._doors[door] = (host, time.monotonic() + _PATIENCE_S)

    def answers(self, wait_s: float) -> Iterator[Evidence]:
        """Who has answered since the last time."""
        doors, began = list(self._doors), time.monotonic()
        heard, opened, failed = select.select([self._udp], doors, doors, wait_s)
        for door in {*opened, *failed}:
            host, _ = self._doors.pop(door)
            with door:
                who = _greeting(door)
            if who is not None:
                yield _projector(host, who, self._what.pjlink_port)
        for door, (_, until) in tuple(self._doors.items()):
            if began > until:
                del self._doors[door]
                door.close()
        while heard:
            try:
                datagram, (host, _) = self._udp.recvfrom(_LARGEST)
            except OSError:
                break
            told = answer(datagram)
            if told is not None and told.request == 1:
                yield _agent(host, told, self._what.snmp_port)


def _greeting(door: socket.socket) -> Introduced | None:
    try:
        if door.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return None
        return introduced(door, _PATIENCE_S)
    except OSError:
        return None


def _projector(host: str, who: Introduced, port: int, mac: str = "") -> Evidence:
    words = " / ".join(filter(None, (who.maker, who.model, who.name)))
    clues = [clue(ClueKind.PJLINK, f"PJLINK {words}"), clue(ClueKind.HOST, host)]
    if who.pjclass:
        clues.append(clue(ClueKind.PJLINK_CLASS, str(who.pjclass)))
    if mac:
        clues.append(clue(ClueKind.MAC, mac))
    name = tidy(" ".join(filter(None, (who.maker, who.model))) or who.name)
    return Evidence(f"net/{host}", name, mac or host, tuple(clues), host=host, ports={ClueKind.PJLINK: port})


def _agent(host: str, told: Told, port: int) -> Evidence:
    clues = (clue(ClueKind.SNMP, told.object_id), clue(ClueKind.HOST, host))
    return Evidence(f"net/{host}", tidy(told.name), host, clues, host=host, ports={ClueKind.SNMP: port})


def _with_mac(evidence: Evidence, known: Mapping[str, str]) -> Evidence:
    """With the hardware address as identity, where this computer has met it: addresses move, the thing stays."""
    mac = known.get(evidence.host, "")
    if not mac or evidence.identity != evidence.host:
        return evidence
    return replace(evidence, identity=mac, clues=(*evidence.clues, clue(ClueKind.MAC, mac)))


def neighbours(table: Path = _NEIGHBOURS) -> Mapping[str, str]:
    """Hardware addresses that the kernel has learnt, by address; none where there is no such table."""
    try:
        rows = [line.split() for line in table.read_text("ascii", "replace").splitlines()[1:]]
    except OSError:
        return {}
    return {row[0]: row[3].lower() for row in rows if len(row) >= 4 and row[3] != "00:00:00:00:00:00"}


def own_addresses() -> frozenset[str]:
    """The IPv4 addresses of this computer."""
    import psutil

    cards = psutil.net_if_addrs().values()
    return frozenset(each.address for card in cards for each in card if each.family == socket.AF_INET)
