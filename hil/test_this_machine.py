"""The bridges of this computer on this computer, against the truth read in another way."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.model import Value
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge
from firmware_bridges.dns import NO_ANSWER
from firmware_bridges.ping import icmp_ms
from hil.farends.resolver import Resolver

pytestmark = pytest.mark.hil

SPIN = "while True: pass"


@pytest.fixture
def host() -> Iterator[Bridge]:
    with opened("host") as bridge:
        yield bridge


@contextmanager
def opened(name: str, **options: object) -> Iterator[Bridge]:
    bridge = bridge_for(name, "", options)
    bridge.open()
    try:
        yield bridge
    finally:
        bridge.close()


def number(values: Mapping[str, Value | None], name: str) -> float:
    value = values[name]
    assert isinstance(value, int | float)
    return value


def busy_and_total() -> tuple[int, int]:
    """Ticks of all cores since the start, out of /proc/stat: user nice system idle iowait irq softirq steal ..."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def meminfo() -> dict[str, int]:
    """Bytes by name."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {fields[0].rstrip(":"): int(fields[1]) * 1024 for fields in lines}


def wait_until_named(pid: int, name: str) -> None:
    """Popen is back as soon as exec has closed its pipe, which is before the kernel has given the process its name."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/comm").read_text().rstrip("\n") != name:
        assert time.monotonic() < deadline, f"process {pid} never came to be {name}"
        time.sleep(0.001)


def test_load_shows_a_core_that_is_kept_busy(host: Bridge) -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN]) as spinning:
        try:
            time.sleep(0.2)  # until it spins
            host.poll()
            before = busy_and_total()
            time.sleep(1.5)
            seen = number(host.poll(), "cpu")
            after = busy_and_total()
        finally:
            spinning.kill()
    truth = 100 * (after[0] - before[0]) / (after[1] - before[1])
    assert seen == pytest.approx(truth, abs=10)
    assert seen > 80 / (os.cpu_count() or 1), "one core was busy all the time"


def test_memory_is_that_of_the_kernel(host: Bridge) -> None:
    values, truth = host.poll(), meminfo()
    free = truth["MemAvailable"]
    assert number(values, "memory-free") * 1e6 == pytest.approx(free, abs=0.1 * truth["MemTotal"])
    assert number(values, "memory-used") == pytest.approx(100 * (1 - free / truth["MemTotal"]), abs=10)


def test_disks_are_those_of_df(host: Bridge) -> None:
    values = host.poll()
    df = subprocess.run(["df", "--output=avail,pcent", "-B1", "/"], capture_output=True, text=True, check=True)
    free, used = df.stdout.splitlines()[1].split()
    assert number(values, "disk-root-free") * 1e9 == pytest.approx(int(free), abs=2e9)
    assert number(values, "disk-root-used") == pytest.approx(int(used.rstrip("%")), abs=2)


def test_start_and_running_time_are_those_of_the_kernel(host: Bridge) -> None:
    values = host.poll()
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert number(values, "uptime") * 3600 == pytest.approx(uptime_s, abs=60)
    started = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    truth = [time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(int(started.split()[1]) + late)) for late in (-60, 0, 60)]
    assert values["started"] in truth


def test_service_runs_until_it_is_stopped(tmp_path: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        name = "systemd-journald"
        active = subprocess.run(["systemctl", "is-active", "--quiet", name], check=False).returncode == 0
        with opened("host", services=[name]) as bridge:
            assert bridge.poll()[f"service-{name}-running"] is active
        return
    program = shutil.copy("/bin/sleep", tmp_path / "ff-hil-service")
    with opened("host", services=["ff-hil-service"]) as bridge:
        assert bridge.poll()["service-ff-hil-service-running"] is False
        with subprocess.Popen([program, "60"]) as service:
            try:
                wait_until_named(service.pid, "ff-hil-service")
                seen = bridge.poll()["service-ff-hil-service-running"]
            finally:
                service.kill()
        assert seen is True
        assert bridge.poll()["service-ff-hil-service-running"] is False


def test_links_and_addresses_are_those_of_ip() -> None:
    links = json.loads(subprocess.run(["ip", "-j", "address"], capture_output=True, check=True).stdout)
    with opened("network", links=[link["ifname"] for link in links][:8], timeout_s=0.3, resolvers=[]) as bridge:
        values = bridge.poll()
    for link in links[:8]:
        name = link["ifname"].lower().replace("_", "-").replace(".", "-")
        assert values[f"link-{name}-up"] is ("UP" in link["flags"])
        truth = {each["local"] for each in link["addr_info"] if each["scope"] in ("global", "host")}
        assert set(str(values[f"link-{name}-addresses"]).split(", ")) - {""} == truth


def test_gateway_is_that_of_ip() -> None:
    routes = json.loads(subprocess.run(["ip", "-j", "route"], capture_output=True, check=True).stdout)
    truth = [each["gateway"] for each in routes if each["dst"] == "default" and "gateway" in each] or ["none"]
    with opened("network", timeout_s=0.3) as bridge:
        assert bridge.poll()["gateway"] in truth


def test_ping_works_where_the_kernel_allows_it() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ping_group_range").read_text().split())
    allowed = any(low <= group <= high for group in {os.getegid(), *os.getgroups()})
    took_ms = icmp_ms((socket.AF_INET, ("127.0.0.1", 0)), 3.0)
    assert (took_ms is not None) is allowed


def test_resolver_that_falls_silent_is_told_and_so_is_its_return() -> None:
    with (
        Resolver() as resolver,
        opened("network", resolvers=["127.0.0.1"], dns_port=resolver.port, timeout_s=0.5) as bridge,
    ):
        told = []
        for silent in (False, True, False):
            resolver.silent = silent
            told.append(bridge.poll()["dns"])
    assert told == ["ok", NO_ANSWER, "ok"]


def test_controller_is_probed_where_it_listens() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        opened("network", controller_host="127.0.0.1", controller_port=server.getsockname()[1]) as bridge,
    ):
        values = bridge.poll()
    assert number(values, "controller-latency") > 0
    assert number(values, "controller-loss") == 0


def test_wireless_is_none_or_that_of_the_kernel() -> None:
    radios = Path("/sys/class/ieee80211")
    has_radio = radios.is_dir() and any(radios.iterdir())
    with opened("network", timeout_s=0.3) as bridge:
        wifi = bridge.poll()["wifi"]
    assert wifi in ("connected", "not-connected", "none") if has_radio else wifi == "none"
