"""Asking one SNMP agent, and hearing its traps, through the library `snmp`: threads and UDP, no asyncio.

What the library lacks for a process that runs for years: a clock that no jump of the time moves, sockets that are
closed once and at once, and a word for answers that nobody can read.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from snmp.engine import GenericEngine
from snmp.exception import SNMPException, SNMPLibraryBug
from snmp.message import ProtocolVersion
from snmp.pdu import ErrorResponse, ErrorStatus
from snmp.requests import Timeout
from snmp.scheduler import Scheduler
from snmp.security.usm import auth
from snmp.security.usm.priv import AesCfb128, DesCbc
from snmp.smi import INTEGER, OID, IpAddress, OctetString
from snmp.transport import TransportDomain, TransportMultiplexor
from snmp.v3.manager import AuthenticationFailure, PrivacyFailure, UnknownUserName, UnsupportedSecurityLevel

from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.snmp_core import MAX_WALK, Raw, Rows
from firmware_bridges.snmp_options import Credentials

PORT: Final = 161
_AT_A_TIME = 16
"""OIDs in a request: more do not fit into the 1472 bytes that a small device takes."""
_ROWS_AT_A_TIME = 16
_LARGEST = 16_384
"""Bytes of the largest answer that is taken."""
_MOST_TRAPS = 200
"""Read at a poll; the rest waits."""
_NOT_OURS = (AuthenticationFailure, PrivacyFailure, UnknownUserName, UnsupportedSecurityLevel)
_WILL_NOT = (ErrorStatus.noAccess, ErrorStatus.authorizationError)
_AUTH = {
    "md5": auth.HmacMd5,
    "sha": auth.HmacSha,
    "sha224": auth.HmacSha224,
    "sha256": auth.HmacSha256,
    "sha384": auth.HmacSha384,
    "sha512": auth.HmacSha512,
}
_PRIVACY = {"aes": AesCfb128, "des": DesCbc}


@dataclass(frozen=True, slots=True)
class Trap:
    """What a device told unasked: values by OID."""

    values: Mapping[str, Raw]


class Session:
    """One agent at `host`:`port`. Made anew after LinkLost. Raises BridgeError alone."""

    def __init__(self, host: str, port: int, who: Credentials, *, timeout_s: float, trap_port: int = 0) -> None:
        self._timeout_s = timeout_s
        self._where = f"{host}:{port}"
        self._who = who
        self._sockets = _Sockets()
        self._traps: list[Trap] = []
        try:
            with self._told():
                domain, self._address = _address(host, port)
                version = ProtocolVersion.SNMPv3 if who.version == "3" else ProtocolVersion.SNMPv2c
                self._engine = _Engine(self._sockets, version, domain)
                self._manager = self._engine.Manager((self._address, port), mtu=_LARGEST, **self._proof())
                if trap_port:
                    anywhere = ("::" if domain is TransportDomain.UDP_IPv6 else "0.0.0.0", trap_port)  # noqa: S104
                    self._engine.setTrapHandler(self, localAddress=anywhere, mtu=_LARGEST)
        except BaseException:
            self.close()
            raise

    def get(self, oids: Sequence[str]) -> dict[str, Raw]:
        """The values of single objects; None for those that the device does not have."""
        found: dict[str, Raw] = {}
        for start in range(0, len(oids), _AT_A_TIME):
            some = oids[start : start + _AT_A_TIME]
            bindings = self._ask(partial(self._manager.get, *some, **self._patience()))
            found |= {_dotted(each.name): _raw(each.value) for each in bindings}
        return {oid: found.get(oid) for oid in oids}

    def walk(self, column: str) -> Rows:
        """A column, at most MAX_WALK rows of it; empty if the device does not have it."""
        rows: dict[str, Raw] = {}
        here, root = column, f"{column}."
        while len(rows) < MAX_WALK:
            bindings = self._ask(
                partial(self._manager.getBulk, here, maxRepetitions=_ROWS_AT_A_TIME, **self._patience())
            )
            for each in bindings:
                oid, raw = _dotted(each.name), _raw(each.value)
                if not oid.startswith(root) or raw is None:
                    return rows
                if oid.removeprefix(root) in rows:
                    raise BadReply(f"{self._where}: walks in circles at {oid}")
                rows[oid.removeprefix(root)] = raw
                here = oid
            if not bindings:
                return rows
        return dict(list(rows.items())[:MAX_WALK])

    def traps(self) -> list[Trap]:
        """What has come since the last time."""
        with self._told():
            self._sockets.read_waiting(_MOST_TRAPS)
        told, self._traps = self._traps, []
        return told

    def trap(self, vblist: Any, *, address: Any, community: bytes = b"", user: str = "", **more: Any) -> None:
        """Called by the library. Another device's trap is not ours, nor one that proves less than we ask with."""
        if address[0] != self._address or len(self._traps) >= _MOST_TRAPS:
            return
        who = self._who
        if who.version == "2c" and community != who.community.encode():
            return
        if who.version == "3" and (
            user != who.user or more["securityLevel"] < self._engine.usm.defaultSecurityLevel(user.encode(), "")
        ):
            return
        self._traps.append(Trap({_dotted(each.name): _raw(each.value) for each in vblist}))

    def close(self) -> None:
        """Never raises; may be called twice."""
        self._sockets.close()

    def _ask(self, request: Callable[[], Any]) -> list[Any]:
        heard = self._engine.pipeline.packets
        with self._told():
            try:
                return list(request())
            except Timeout:
                if self._engine.pipeline.packets > heard:
                    raise BadReply(f"{self._where}: answers what is no SNMP, or not to us") from None
                raise LinkLost(f"{self._where}: no answer in {self._timeout_s:g} s") from None
        raise AssertionError  # pragma: no cover - `_told` lets nothing pass

    def _patience(self) -> dict[str, float]:
        return {"timeout": self._timeout_s, "refreshPeriod": self._timeout_s / 3}

    def _proof(self) -> dict[str, Any]:
        who = self._who
        if who.version == "2c":
            return {"community": who.community.encode()}
        signed = {"authProtocol": _AUTH[who.auth], "authSecret": who.auth_password.encode()} if who.auth else {}
        if who.privacy:
            signed |= {"privProtocol": _PRIVACY[who.privacy], "privSecret": who.privacy_password.encode()}
        self._engine.addUser(who.user, **signed)
        return {}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn every way in which the library fails into ours."""
        try:
            yield
        except _NOT_OURS as error:
            raise Refused(f"{self._where}: {str(error)[:120]}") from None
        except ErrorResponse as error:
            kind = Refused if error.status in _WILL_NOT else BadReply
            raise kind(f"{self._where}: answers {error.status.name}") from None
        except (SNMPException, SNMPLibraryBug, UnicodeError) as error:
            raise BadReply(f"{self._where}: {type(error).__name__}") from None
        except OSError as error:
            raise LinkLost(f"{self._where}: {error.strerror or error}") from None


class _Sockets(TransportMultiplexor):  # type: ignore[misc]  # the library has no types
    """Waits for datagrams. Unlike the library's own it may be closed twice, which the library does."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: list[Any] = []

    def register(self, sock: Any, listener: Any) -> None:
        self._selector.register(sock.socket, selectors.EVENT_READ, (sock, listener))
        self._open.append(sock)

    def poll(self, timeout: float | None = None) -> bool:
        for key, _ in self._selector.select(timeout):
            self.receive(*key.data)
        return False

    def read_waiting(self, most: int) -> None:
        for _ in range(most):
            ready = self._selector.select(0)
            if not ready:
                return
            for key, _ in ready:
                self.receive(*key.data)

    def close(self) -> None:
        self._selector.close()
        while self._open:
            self._open.pop().close()


class _Engine(GenericEngine):  # type: ignore[misc]  # the library has no types
    """The library's, with a monotonic clock."""

    def __init__(self, sockets: _Sockets, version: ProtocolVersion, domain: TransportDomain) -> None:
        scheduler = Scheduler(sockets.poll, time.monotonic)
        super().__init__(sockets, scheduler, defaultVersion=version, defaultDomain=domain)
        logging.getLogger("snmp").setLevel(logging.CRITICAL + 1)  # a device that sends rubbish must not fill the log


def _address(host: str, port: int) -> tuple[TransportDomain, str]:
    """Raises OSError for a name that nobody knows."""
    family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    domain = TransportDomain.UDP_IPv6 if family == socket.AF_INET6 else TransportDomain.UDP_IPv4
    return domain, str(found[0])


def _dotted(oid: OID) -> str:
    return str(oid)


def _raw(value: Any) -> Raw:
    match value:
        case IpAddress():
            return str(value.addr)
        case INTEGER():
            return int(value.value)
        case OctetString():
            return bytes(value.data)
        case OID():
            return str(value)
    return None
