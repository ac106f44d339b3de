"""Memory and processor time of the agent beside Debian's zabbix-agent2: `python -m bench.agent [--tls] [SECONDS]`.

Both run at once for 60 s and collect as many values, as often, over loopback, without TLS or both with it. Ours:
the bridges of this computer and its network and 18 simulated devices, a thread each, to a broker, with true acks.
Theirs: active checks, an item for each metric of those devices. The first 15 s, in which both start up, do not count.
"""

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import zabbix
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.tls.authority import issue, make_authority
from device_profiles.profile import load
from tests.fakes import FakeController

ADDRESS = Address("bench", "agent")
COMPUTER = "computer/classroom-pc"
NETWORK = "network/uplink"
DEVICE = "demo/projector"
DEVICES = 18
WARM_UP_S = 15.0
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Resident memory at its highest reading, and processor time as a share of one core."""

    rss_mb: float
    uss_mb: float
    cpu_percent: float
    threads: int
    values: int


def write_agent(state: Path, port: int, password: str, tls: zabbix.Tls | None) -> None:
    """The state folder of the agent that is measured."""
    folder = state / "agent"
    folder.mkdir(parents=True)
    (folder / "credentials.json").write_text(json.dumps({"user": ADDRESS.user, "password": password}))
    device = '[[devices]]\nid = "{id}"\nprofile = "{profile}"\nendpoint = "{endpoint}"\n'
    devices = [
        device.format(id="computer", profile=COMPUTER, endpoint=""),
        device.format(id="network", profile=NETWORK, endpoint="")
        + f'options = {{ controller_host = "127.0.0.1", controller_port = {port} }}\n',
        *(device.format(id=f"device-{i}", profile=DEVICE, endpoint=f"sim:{i}") for i in range(DEVICES)),
    ]
    text = f'school = "{ADDRESS.school}"\nagent = "{ADDRESS.agent}"\n[broker]\nport = {port}\n'
    text += f'tls_ca = "{tls.authority}"\n' if tls is not None else ""
    (folder / "agent.toml").write_text(text + "".join(devices))


def items(folder: Path, port: int) -> list[zabbix.Item]:
    """As many a device as its profile has metrics, as often as it is polled; devices are read from small files."""
    result = [zabbix.Item(key, int(load(COMPUTER).poll_s)) for key in zabbix.HOST_ITEMS]
    result += [zabbix.Item(key.format(port=port), int(load(NETWORK).poll_s)) for key in zabbix.NETWORK_ITEMS]
    profile = load(DEVICE)
    for i in range(DEVICES):
        for name in profile.metrics:
            path = folder / f"device-{i}-{name}"
            path.write_text(f"{i}.5\n")
            result.append(zabbix.Item(f"vfs.file.contents[{path}]", int(profile.poll_s)))
    return result


def measure(processes: dict[str, psutil.Process], duration_s: float) -> dict[str, tuple[float, float, float, int]]:
    """For each process: highest resident and unique memory in MB, share of a core in per cent, threads."""
    before = {name: process.cpu_times() for name, process in processes.items()}
    rss, uss = dict.fromkeys(processes, 0.0), dict.fromkeys(processes, 0.0)
    began = time.monotonic()
    while time.monotonic() - began < duration_s:
        time.sleep(1.0)
        for name, process in processes.items():
            rss[name] = max(rss[name], process.memory_info().rss / _MEGABYTE)
    took_s = time.monotonic() - began
    result = {}
    for name, process in processes.items():
        after = process.cpu_times()
        busy_s = after.user + after.system - before[name].user - before[name].system
        uss[name] = process.memory_full_info().uss / _MEGABYTE
        result[name] = (rss[name], uss[name], 100 * busy_s / took_s, process.num_threads())
    return result


def certify(folder: Path) -> zabbix.Tls:
    """An authority, and one certificate of it for whoever listens here."""
    now = datetime.now(UTC)
    authority = make_authority(now)
    pair = issue(authority, ("127.0.0.1", "localhost"), now)
    made = zabbix.Tls(*(folder / name for name in ("ca.pem", "own.pem", "own.key", "both.pem")))
    made.authority.write_bytes(authority.certificate)
    made.certificate.write_bytes(pair.certificate)
    made.key.write_bytes(pair.key)
    made.both.write_bytes(pair.certificate + pair.key)
    return made


def compare(folder: Path, duration_s: float, tls: zabbix.Tls | None) -> dict[str, Figures]:
    both = tls.both if tls is not None else None
    broker = EmbeddedBroker(folder / "broker", 0, certificate=both)
    broker.start()
    password = "bench-password"
    broker.set_users([BrokerUser(ADDRESS, hash_password(password))])
    trusting = ssl.create_default_context(cafile=tls.authority) if tls is not None else None
    controller = FakeController(broker.host, broker.port, broker.login.user, broker.login.password, tls=trusting)
    controller.start()
    write_agent(folder, broker.port, password, tls)
    server = zabbix.Server(items(folder, broker.port), both)
    ours = subprocess.Popen(
        [sys.executable, "-m", "agent", "run", "--state", str(folder), "--die-with-parent"], stdin=subprocess.PIPE
    )
    theirs = zabbix.start(folder, server, tls)
    try:
        time.sleep(WARM_UP_S)
        produced = sum(report.count for report in controller.reports.values())
        heard = server.counted.values
        processes = {"fabfleet-agent": psutil.Process(ours.pid), "zabbix-agent2": psutil.Process(theirs.pid)}
        measured = measure(processes, duration_s)
        values = {
            "fabfleet-agent": sum(report.count for report in controller.reports.values()) - produced,
            "zabbix-agent2": server.counted.values - heard,
        }
        if not all(values.values()) or controller.conflicts:
            raise RuntimeError(f"nothing was reported: {values}, {server.counted.failed}")
        return {name: Figures(*measured[name], values=values[name]) for name in measured}
    finally:
        for process in (ours, theirs):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        controller.stop()
        server.stop()
        broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.agent")
    parser.add_argument("--tls", action="store_true", help="both by TLS, with certificates of one authority")
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    given = parser.parse_args()
    duration_s = given.seconds
    os.environ.pop("PYTHONHASHSEED", None)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Path(folder), duration_s, certify(Path(folder)) if given.tls else None)
    print(f"{duration_s:.0f} s, {DEVICES + 2} device threads, {'both by TLS' if given.tls else 'without TLS'}\n")
    print(f"{'':16}{'RSS MB':>8}{'USS MB':>8}{'CPU %':>8}{'threads':>9}{'values':>8}")
    for name, each in found.items():
        print(f"{name:16}{each.rss_mb:8.1f}{each.uss_mb:8.1f}{each.cpu_percent:8.2f}{each.threads:9}{each.values:8}")
    ours, theirs = found["fabfleet-agent"], found["zabbix-agent2"]
    ratios = {
        "rss_vs_zabbix_agent2": round(ours.rss_mb / theirs.rss_mb, 2),
        "cpu_vs_zabbix_agent2": round(ours.cpu_percent / theirs.cpu_percent, 2),
    }
    figures = {
        f"{name}_{key}": round(value, 2)
        for name, each in (("ours", ours), ("theirs", theirs))
        for key, value in (("rss_mb", each.rss_mb), ("cpu_percent", each.cpu_percent), ("values", each.values))
    }
    print()
    print(json.dumps({"bench": "agent-tls" if given.tls else "agent", "figures": figures, "ratios": ratios}))


if __name__ == "__main__":
    main()
