"""Debian's zabbix-agent2 as a yardstick: its own process on free ports, asked actively by a server of a few lines."""

import json
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST_ITEMS = (
    *(f"system.cpu.util[,{kind}]" for kind in ("user", "system", "iowait", "idle")),
    *(f"system.cpu.load[all,{span}]" for span in ("avg1", "avg5", "avg15")),
    *(f"vm.memory.size[{kind}]" for kind in ("total", "available", "pavailable", "used")),
    *(f"system.swap.size[,{kind}]" for kind in ("total", "pfree")),
    *(f"vfs.fs.size[/,{kind}]" for kind in ("total", "free", "pused")),
    *("vfs.fs.inode[/,pfree]", "system.uptime", "system.boottime", "proc.num[]", "kernel.maxfiles"),
)
NETWORK_ITEMS = (
    *(f"net.if.{way}[lo,{kind}]" for way in ("in", "out") for kind in ("bytes", "packets", "errors")),
    "net.tcp.service.perf[tcp,127.0.0.1,{port}]",
    "net.tcp.service[tcp,127.0.0.1,{port}]",
    "net.dns.perf[127.0.0.1,localhost,A,1,1]",
)


@dataclass(frozen=True, slots=True)
class Item:
    """One value to collect every `delay_s`."""

    key: str
    delay_s: int


@dataclass(frozen=True, slots=True)
class Tls:
    """Files, PEM: whom to trust, and what to show; `both` is certificate and key in one."""

    authority: Path
    certificate: Path
    key: Path
    both: Path


@dataclass(slots=True)
class Counted:
    """What the yardstick's server has heard."""

    values: int = 0
    failed: set[str] = field(default_factory=set)


class Server:
    """Hands out the items and counts the values that come. The header is "ZBXD", flags, length, zero.

    `certificate` is a file with a certificate and its key, for TLS.
    """

    def __init__(self, items: Sequence[Item], certificate: Path | None = None) -> None:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self.counted = Counted()
        counted = self.counted
        checks = [
            {"key": item.key, "itemid": i, "delay": f"{item.delay_s}s", "lastlogsize": 0, "mtime": 0}
            for i, item in enumerate(items, 1)
        ]

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if context is not None:
                    self.request = context.wrap_socket(self.request, server_side=True)
                request = _receive(self.request)
                answer: dict[str, Any] = {"response": "success", "info": ""}
                if request["request"] == "active checks":
                    answer["data"] = checks
                elif request["request"] == "agent data":
                    counted.values += len(request["data"])
                    counted.failed |= {str(each.get("value")) for each in request["data"] if each.get("state")}
                _send(self.request, answer)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def start(folder: Path, server: Server, tls: Tls | None = None) -> subprocess.Popen[bytes]:
    """The agent, with a configuration of its own. Raises FileNotFoundError if the package is not installed."""
    binary = shutil.which("zabbix_agent2", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if binary is None:
        raise FileNotFoundError("zabbix_agent2: apt install zabbix-agent2")
    port = next(port for port in range(20_000, 32_000) if _free(port))
    config = folder / "zabbix_agent2.conf"
    config.write_text(
        f"LogType=file\nLogFile={folder}/zabbix.log\nPidFile={folder}/zabbix.pid\nHostname=bench\n"
        f"Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort={port}\nServerActive=127.0.0.1:{server.port}\n"
        f"ControlSocket={folder}/zabbix.sock\nRefreshActiveChecks=60\nBufferSend=5\n"
        + (
            f"TLSConnect=cert\nTLSCAFile={tls.authority}\nTLSCertFile={tls.certificate}\nTLSKeyFile={tls.key}\n"
            if tls is not None
            else ""
        )
    )
    return subprocess.Popen([binary, "-c", str(config)], stdout=subprocess.DEVNULL)


def _free(port: int) -> bool:
    """Theirs takes no port above 32767, so the system cannot be asked for one."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _receive(connection: socket.socket) -> Any:
    magic, flags, length, _ = struct.unpack("<4sBII", _exactly(connection, 13))
    if magic != b"ZBXD" or not flags & 1:
        raise ValueError("not the yardstick's protocol")
    body = _exactly(connection, length)
    if flags & 2:
        import zlib

        body = zlib.decompress(body)
    return json.loads(body)


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    connection.sendall(struct.pack("<4sBII", b"ZBXD", 1, len(body), 0) + body)


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        piece = connection.recv(length - len(received))
        if not piece:
            raise ConnectionError("the agent hung up")
        received += piece
    return received
