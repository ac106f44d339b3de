"""How long a resolver takes: one question over UDP."""

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridges import dns_core
from firmware_bridges.base import BadReply

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
NO_ANSWER: Final = "no-answer"


@dataclass(frozen=True, slots=True)
class Lookup:
    """`code` is the resolver's own word (dns_core.Answer), or NO_ANSWER with `took_ms` None."""

    code: str
    took_ms: float | None


def resolvers(resolv_conf: Path = _RESOLV_CONF) -> tuple[str, ...]:
    """The addresses of the system's resolvers, in its order."""
    if sys.platform == "win32":
        return _from_registry()
    try:
        lines = resolv_conf.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    return tuple(fields[1] for line in lines if len(fields := line.split()) > 1 and fields[0] == "nameserver")


def lookup(server: str, name: str, timeout_s: float = 1.0, port: int = dns_core.PORT) -> Lookup:
    """Ask one resolver, by address, for the name servers of "." or the address of any other name."""
    kind = dns_core.NAME_SERVERS if name == "." else dns_core.ADDRESS
    asked = name.lower().rstrip(".") or "."
    number = int.from_bytes(os.urandom(2), "big")
    try:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as wire:
            wire.connect((server, port))
            began_s = time.perf_counter()
            wire.send(dns_core.question(name, kind, number))
            while (left_s := began_s + timeout_s - time.perf_counter()) > 0:
                wire.settimeout(left_s)
                answer = _read(wire.recv(dns_core.MAX_REPLY))
                if answer and (answer.number, answer.name, answer.kind) == (number, asked, kind):
                    return Lookup(answer.code, (time.perf_counter() - began_s) * 1000)
    except OSError:
        pass
    return Lookup(NO_ANSWER, None)


def _read(datagram: bytes) -> dns_core.Answer | None:
    """A datagram that is no answer is passed over: anyone may send one."""
    try:
        return dns_core.answer(datagram)
    except BadReply:
        return None


if sys.platform == "win32":

    def _from_registry() -> tuple[str, ...]:
        """Windows keeps the resolvers of each interface under Tcpip\\Parameters; set by hand before given by DHCP."""
        import winreg

        found: list[str] = []
        where = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, where) as interfaces:
            for at in range(winreg.QueryInfoKey(interfaces)[0]):
                with winreg.OpenKey(interfaces, winreg.EnumKey(interfaces, at)) as interface:
                    for key in ("NameServer", "DhcpNameServer"):
                        try:
                            value = str(winreg.QueryValueEx(interface, key)[0])
                        except OSError:
                            continue
                        found += value.replace(",", " ").split()
        return tuple(dict.fromkeys(found))
