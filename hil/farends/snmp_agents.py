"""SNMP agents on this machine: Debian's snmpd, and snmpsim with data that was built from the vendors' MIBs, or that
was recorded from real devices.

Both answer on loopback alone; killed and restarted, they keep their port.
"""

import bz2
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from hil.farends.child import ROOT
from hil.farends.fetch import python_packages
from hil.farends.pins import SNMPSIM_REQUIREMENTS

RECORDS = ROOT / "hil" / "farends" / "snmp"
"""One device a file, `NAME.snmprec`; its community is NAME."""
PROMPT: Mapping[str, float] = {"timeout_s": 3.0}
V3: Final[Mapping[str, Any]] = {
    "version": "3",
    "user": "fabfleet",
    "auth": "sha256",
    "auth_password": "signed-with-this",
    "privacy": "aes",
    "privacy_password": "hidden-with-this",
}
"""The one user that both know, with authPriv."""
_START_S = 90.0


class MissingFarEnd(Exception):
    """What is not installed; the message says how to install it."""


class SnmpAgent:
    """A running agent at `endpoint`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.restart()

    @property
    def endpoint(self) -> str:
        return f"udp://127.0.0.1:{self.port}"

    def restart(self) -> None:
        with (self._folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=self.environment())
        self._wait()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def community(self) -> str:
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()

    def _wait(self) -> None:
        """Until it answers: sysUpTime, asked by hand. Raises TimeoutError."""
        deadline = time.monotonic() + _START_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.settimeout(0.2)
            way.connect(("127.0.0.1", self.port))
            while time.monotonic() < deadline and self.process and self.process.poll() is None:
                try:
                    way.send(_uptime_request(self.community()))
                    if way.recv(1500):
                        return
                except (TimeoutError, ConnectionRefusedError):
                    time.sleep(0.05)
        self.kill()
        raise TimeoutError(f"no answer: {(self._folder / 'agent.log').read_text('utf-8')[-500:]}")


class NetSnmp(SnmpAgent):
    """Debian's snmpd: this machine itself. Raises MissingFarEnd."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise MissingFarEnd("snmpd: apt install snmpd")
        self._program = found
        super().__init__(folder)

    def community(self) -> str:
        return "public"

    def command(self) -> list[str]:
        settings = self._folder / "snmpd.conf"
        settings.write_text(
            f"agentaddress udp:127.0.0.1:{self.port}\nrocommunity public\nsysName hil\n"
            f'createUser {V3["user"]} SHA-256 "{V3["auth_password"]}" AES "{V3["privacy_password"]}"\n'
            f"rouser {V3['user']} authpriv\n[snmp] persistentDir {self._folder}\n",
            "utf-8",
        )
        return [self._program, "-f", "-Le", "-C", "-c", str(settings), "-p", str(self._folder / "pid")]


class SnmpSim(SnmpAgent):
    """snmpsim with every device of `records`, among them `asked`."""

    def __init__(self, folder: Path, records: Path = RECORDS, asked: str = "unifi") -> None:
        self._packages = python_packages(SNMPSIM_REQUIREMENTS)
        self._records, self._asked = records, asked
        super().__init__(folder)

    def community(self) -> str:
        return self._asked

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self._packages),
            "PYTHONWARNINGS": "ignore",
            "SNMPSIM_ALLOW_ROOT": "true",
        }

    def command(self) -> list[str]:
        user = ["--v3-user", V3["user"], "--v3-auth-key", V3["auth_password"], "--v3-auth-proto", "SHA256"]
        hidden = ["--v3-priv-key", V3["privacy_password"], "--v3-priv-proto", "AES"]
        cache = Path(tempfile.mkdtemp(dir=self._folder))
        place = [f"--agent-udpv4-endpoint=127.0.0.1:{self.port}", f"--data-dir={self._records}", f"--cache-dir={cache}"]
        program = "from snmpsim.commands.responder import main; main()"
        return [sys.executable, "-c", program, *user, *hidden, *place]


def unpack_recordings(names: Iterable[str], folder: Path) -> None:
    """Write `NAME.snmprec` into `folder` for each of the package snmpsim-data, by its path: `network/switch/NAME`."""
    data = python_packages(SNMPSIM_REQUIREMENTS) / "snmpsim_data" / "data"
    for name in names:
        packed = data / f"{name}.snmprec.bz2"
        (folder / f"{packed.name.removesuffix('.bz2')}").write_bytes(bz2.decompress(packed.read_bytes()))


def free_port() -> int:
    """A UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.bind(("127.0.0.1", 0))
        port: int = way.getsockname()[1]
    return port


def _uptime_request(community: str) -> bytes:
    """GetRequest for sysUpTime.0 by SNMPv2c (RFC 3416), number 1."""
    binding = bytes.fromhex("300c06082b060102010103000500")
    pdu = bytes.fromhex("020101020100020100") + bytes((0x30, len(binding))) + binding
    name = community.encode()
    body = bytes((2, 1, 1, 4, len(name))) + name + bytes((0xA0, len(pdu))) + pdu
    return bytes((0x30, len(body))) + body
