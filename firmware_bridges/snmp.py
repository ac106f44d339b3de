"""Network devices that speak SNMP: access points, switches, printers, computers. SNMPv2c or SNMPv3 over UDP."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from contract.model import Value
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.links import Scheme, parse_endpoint
from firmware_bridges.snmp_core import Reader, columns, singles, stand_ins, text
from firmware_bridges.snmp_mibs import TRAP_OID, TRAPS
from firmware_bridges.snmp_options import settings

PORT: Final = 161


class SnmpBridge:
    """One device at `udp://host[:port]`. It is read and never changed: it has no actions.

    Options: `version` ("2c" or "3"); `community`; `user`, `auth` and `privacy` with `auth_password` and
    `privacy_password`; `mibs`, the standard groups of snmp_mibs; `single` and `table`, a vendor's own objects (see
    snmp_options); `timeout_s`; `trap_port`, a port of its own to which this device sends its traps.

    A wrong community is answered by silence, so it is a lost link; a wrong user or password of SNMPv3 is refused.
    """

    def __init__(
        self, endpoint: str, options: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        where = parse_endpoint(endpoint if urlsplit(endpoint).port else f"{endpoint}:{PORT}")
        if where.scheme is not Scheme.UDP:
            raise ValueError(f"{endpoint!r} is not udp://host[:port]")
        self._host, self._port = where.host, where.port
        self._settings = settings(options)
        self._singles = singles(self._settings.asks)
        self._columns = columns(self._settings.asks)
        self._clock = clock
        self._session: Any = None
        self._reader = Reader(())
        self._seen: set[str] = set()
        self._traps = 0
        self._last_trap: str | None = None

    def open(self) -> None:
        from firmware_bridges.snmp_session import Session  # with its cryptography: only where there is such a device

        self.close()
        told = self._settings
        self._reader = Reader(told.asks)
        self._session = Session(
            self._host, self._port, told.credentials, timeout_s=told.timeout_s, trap_port=told.trap_port
        )
        try:
            self._session.get([self._singles[0] if self._singles else "1.3.6.1.2.1.1.3.0"])
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        if self._session is None:
            raise LinkLost("not open")
        got = self._session.get(self._singles)
        walked = {column: self._session.walk(column) for column in self._columns}
        walked |= {column: self._session.walk(column) for column in stand_ins(self._settings.asks, walked)}
        values = {**dict.fromkeys(self._seen), **self._reader.read(got, walked, self._clock())}
        self._seen.update(values)
        if self._settings.trap_port:
            self._hear_traps()
            values |= {"traps": self._traps, "last-trap": self._last_trap}
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:  # noqa: ARG002 - it has no actions
        if self._session is None:
            raise LinkLost("not open")
        raise Refused(f"no such action: {action}")

    def close(self) -> None:
        session, self._session = self._session, None
        self._seen.clear()
        if session is not None:
            session.close()

    def _hear_traps(self) -> None:
        for trap in self._session.traps():
            kind = trap.values.get(TRAP_OID)
            self._traps += 1
            self._last_trap = TRAPS.get(str(kind), text(str(kind or "")))
