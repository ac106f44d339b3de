"""Debian's zabbix-server-pgsql as a yardstick: the same values as trapper items, on the same PostgreSQL.

Told by the protocol of `zabbix_sender`, by several senders that send one request after the other; each is answered when
its values are in the server's cache, and they count as stored when they lie in its history tables.
"""

import gzip
import json
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text

from bench.ingest_load import AGENTS, DEVICES, METRICS, WARM_UP, Result, address_of, reports
from contract.model import Kind
from tests.integration.postgres import binary

SHARE = Path("/usr/share/zabbix-server-pgsql")
_TYPES = {Kind.FLOAT: 0, Kind.INT: 3, Kind.BOOL: 3, Kind.TEXT: 1}
"""items.value_type: 0 numeric (float), 3 numeric (unsigned), 1 character."""
_TRAPPER = 2
_TABLES = ("history", "history_uint", "history_str")
"""Where values of those types lie."""
_PER_REQUEST = 250
"""As many as `zabbix_sender` puts into one request."""
_SENDERS = 4
_READY_S = 60.0
_DRAIN_S = 120.0


def installed() -> bool:
    return SHARE.is_dir() and _binary() is not None


def run(url: str, values: int) -> Result:
    """One round on a new database of the server at `url`, which is an empty one's. CPU is not looked at."""
    with tempfile.TemporaryDirectory(prefix="bench-zabbix-") as name, _server(Path(name), url) as port:
        engine = create_engine(url)
        requests = _requests(values)
        warm_up = len(requests) - -(-values // _PER_REQUEST)
        _send_all(port, requests[:warm_up])
        _await_rows(engine, WARM_UP)
        began = time.perf_counter()
        _send_all(port, requests[warm_up:])
        _await_rows(engine, WARM_UP + values)
        seconds = time.perf_counter() - began
        engine.dispose()
    return Result(values, seconds, 0.0)


def _requests(values: int) -> list[bytes]:
    """The very readings that the others get, warm-up first, as bodies of requests."""
    told: list[dict[str, object]] = []
    for agent, payload in reports(values, time.time_ns() // 1_000_000):
        report = json.loads(payload)
        for device, metrics in report["series"].items():
            for metric, points in metrics.items():
                for dt, value in points:
                    clock, ms = divmod(report["base_ms"] + dt, 1_000)
                    plain = int(value) if isinstance(value, bool) else value
                    told.append(
                        {
                            "host": address_of(agent).agent,
                            "key": f"{device}.{metric}",
                            "value": str(plain),
                            "clock": clock,
                            "ns": ms * 1_000_000,
                        }
                    )
    parts = [told[:WARM_UP], told[WARM_UP:]]
    return [
        json.dumps({"request": "sender data", "data": part[at : at + _PER_REQUEST]}).encode()
        for part in parts
        for at in range(0, len(part), _PER_REQUEST)
    ]


def _send_all(port: int, requests: Sequence[bytes]) -> None:
    """From several senders at once. Raises OSError, RuntimeError for a value that is not taken."""
    faults: list[BaseException] = []

    def send(share: Sequence[bytes]) -> None:
        try:
            for body in share:
                _ask(port, body)
        except (OSError, RuntimeError) as error:
            faults.append(error)

    threads = [threading.Thread(target=send, args=(requests[at::_SENDERS],)) for at in range(_SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _ask(port: int, body: bytes) -> None:
    """One request a connection: the server hangs up after each."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(struct.pack("<4sBQ", b"ZBXD", 1, len(body)) + body)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    info = str(json.loads(answer[13:])["info"])
    if "failed: 0;" not in info:
        raise RuntimeError(info)


def _await_rows(engine: Engine, wanted: int) -> None:
    deadline = time.monotonic() + _DRAIN_S
    count = text("SELECT " + " + ".join(f"(SELECT count(*) FROM {table})" for table in _TABLES))
    while True:
        with engine.connect() as connection:
            found = connection.execute(count).scalar_one()
        if found >= wanted:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"only {found} of {wanted} values were stored")
        time.sleep(0.1)


@contextmanager
def _server(folder: Path, url: str) -> Iterator[int]:
    """The server with its items, ready to take values; the port it listens on."""
    where = make_url(url)
    for part in ("schema", "images", "data"):
        script = gzip.decompress((SHARE / f"{part}.sql.gz").read_bytes())
        address = ["-h", str(where.host), "-p", str(where.port), "-U", str(where.username), str(where.database)]
        command = [binary("psql"), "-q", "-v", "ON_ERROR_STOP=1", *address]
        subprocess.run(command, input=script, stdout=subprocess.DEVNULL, check=True)
    _make_items(url)
    port = next(port for port in range(20_000, 32_000) if _free(port))
    config = folder / "zabbix_server.conf"
    config.write_text(
        f"LogType=file\nLogFile={folder}/zabbix.log\nPidFile={folder}/zabbix.pid\nSocketDir={folder}\nAllowRoot=1\n"
        f"ListenIP=127.0.0.1\nListenPort={port}\nDBHost={where.host}\nDBPort={where.port}\nDBUser={where.username}\n"
        f"DBName={where.database}\nStatsAllowedIP=127.0.0.1\n"
    )
    process = subprocess.Popen([str(_binary()), "-f", "-c", str(config)], stdout=subprocess.DEVNULL)
    try:
        _await_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _await_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until a value of a known item is taken: then its configuration is in its memory."""
    deadline = time.monotonic() + _READY_S
    probe = json.dumps(
        {"request": "sender data", "data": [{"host": address_of(0).agent, "key": "probe", "value": "1"}]}
    ).encode()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _ask(port, probe)
        except (OSError, RuntimeError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit("zabbix_server did not become ready")


def _make_items(url: str) -> None:
    """A host for each agent, a trapper item for each series, as its web pages would make them."""
    engine = create_engine(url)
    hosts = [{"id": 50_000 + agent, "name": address_of(agent).agent} for agent in range(AGENTS)]
    items = [
        {"id": 0, "host": host["id"], "key": f"machine-{device}.{metric}", "kind": _TYPES[kind]}
        for host in hosts
        for device in range(DEVICES)
        for metric, kind in METRICS.items()
    ]
    items.append({"id": 0, "host": hosts[0]["id"], "key": "probe", "kind": 4})
    for number, item in enumerate(items):
        item["id"] = 500_000 + number
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO hosts (hostid, host, name) VALUES (:id, :name, :name)"), hosts)
        connection.execute(
            text(
                "INSERT INTO items (itemid, type, hostid, name, key_, value_type)"
                f" VALUES (:id, {_TRAPPER}, :host, :key, :key, :kind)"
            ),
            items,
        )
        connection.execute(text("INSERT INTO item_rtdata (itemid) VALUES (:id)"), items)
    engine.dispose()


def _binary() -> str | None:
    return shutil.which("zabbix_server", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def _free(port: int) -> bool:
    """Theirs takes no port above 32767, so the system cannot be asked for one."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
