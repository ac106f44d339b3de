"""The computer itself as a device."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from contract.model import Value
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.host import (
    MAX_METRICS,
    HostBridge,
    battery_values,
    disk_values,
    fan_values,
    temperature_values,
)
from firmware_bridges.raspberry_pi import under_voltage
from firmware_bridges.services import is_running
from firmware_bridges.slug import LONGEST, slug, unique_slug


def opened(*gauges: Any) -> HostBridge:
    bridge = HostBridge("", {}, gauges)
    bridge.open()
    return bridge


def working() -> Iterable[tuple[str, Value]]:
    yield "works", 1


def broken() -> Iterable[tuple[str, Value]]:
    yield "first", 1
    raise OSError("no such sensor")


def part(device: str, mountpoint: str, fstype: str = "ext4", opts: str = "rw") -> Any:
    return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype, opts=opts)


def half_full(_mountpoint: str) -> Any:
    return SimpleNamespace(percent=50.0, free=250_000_000_000)


def test_host_reads_this_machine() -> None:
    bridge = HostBridge("", {})
    bridge.open()
    values = bridge.poll()
    assert {"cpu", "memory-used", "memory-free", "uptime", "started"} <= set(values)
    assert any(name.startswith("disk-") for name in values)
    assert None not in values.values()
    bridge.close()
    bridge.close()


@pytest.mark.parametrize("error", [OSError("io"), psutil.AccessDenied(1), ValueError("x"), AttributeError("not here")])
def test_host_reads_the_other_gauges_when_one_fails(error: Exception) -> None:
    def failing() -> Iterable[tuple[str, Value]]:
        raise error

    assert opened(failing, working).poll() == {"works": 1}


def test_host_keeps_what_a_gauge_gave_before_it_failed() -> None:
    assert opened(broken, working).poll() == {"first": 1, "works": 1}


def test_host_says_unknown_for_what_was_there_before() -> None:
    sensors = {"temperature-a": 40.0, "temperature-b": 41.0}
    bridge = opened(working, sensors.items)
    bridge.poll()
    del sensors["temperature-b"]
    assert bridge.poll() == {"works": 1, "temperature-a": 40.0, "temperature-b": None}


def test_host_forgets_what_was_there_before_when_opened_anew() -> None:
    sensors = {"temperature-a": 40.0}
    bridge = opened(working, sensors.items)
    bridge.poll()
    sensors.clear()
    bridge.open()
    assert bridge.poll() == {"works": 1}


def test_host_is_lost_when_nothing_can_be_read() -> None:
    with pytest.raises(LinkLost, match="no such sensor"):
        opened(broken_at_once).poll()


def broken_at_once() -> Iterable[tuple[str, Value]]:
    raise OSError("no such sensor")


def test_host_gives_no_more_values_than_it_may() -> None:
    assert len(opened(lambda: ((f"fan-{number}", number) for number in range(1000))).poll()) == MAX_METRICS


def test_host_has_no_actions() -> None:
    with pytest.raises(Refused):
        HostBridge("", {}).execute("restart", {})


def test_disks_are_named_by_their_shortest_mount_point_and_counted_once() -> None:
    parts = [part("/dev/sda1", "/srv/very/deep"), part("/dev/sda1", "/srv/x"), part("/dev/sda2", "/")]
    assert dict(disk_values(parts, half_full)) == {
        "disk-root-used": 50.0,
        "disk-root-free": 250.0,
        "disk-srv-x-used": 50.0,
        "disk-srv-x-free": 250.0,
    }


def test_disks_leave_out_what_is_plugged_in_or_no_disk() -> None:
    parts = [
        part("C:\\", "C:\\", "NTFS", "rw,fixed"),
        part("D:\\", "D:\\", "", "cdrom"),
        part("E:\\", "E:\\", "FAT32", "rw,removable"),
        part("/dev/sdb1", "/media/stick", "vfat"),
        part("/dev/loop3", "/snap/core", "squashfs"),
    ]
    assert [name for name, _ in disk_values(parts, half_full)] == ["disk-c-used", "disk-c-free"]


def test_disks_pass_over_one_that_hangs_off() -> None:
    def usage(mountpoint: str) -> Any:
        if mountpoint == "/data":
            raise OSError("input/output error")
        return half_full(mountpoint)

    found = dict(disk_values([part("/dev/sda1", "/"), part("/dev/sdb1", "/data")], usage))
    assert set(found) == {"disk-root-used", "disk-root-free"}


def test_disks_in_a_container_are_the_root() -> None:
    assert "disk-root-used" in dict(disk_values([], half_full))


def test_sensors_get_names_of_their_own() -> None:
    cores = [SimpleNamespace(label="Core 0", current=40.04), SimpleNamespace(label="Core 0", current=41.0)]
    assert dict(temperature_values({"coretemp": cores})) == {
        "temperature-coretemp-core-0": 40.0,
        "temperature-coretemp-core-0-2": 41.0,
    }
    assert dict(fan_values({"dell_smm": [SimpleNamespace(label="", current=2200)]})) == {"fan-dell-smm": 2200}


@pytest.mark.parametrize("current", [None, -128.0, 255.0])
def test_temperatures_leave_out_a_sensor_that_is_not_connected(current: float | None) -> None:
    assert dict(temperature_values({"nct6775": [SimpleNamespace(label="AUXTIN", current=current)]})) == {}


def test_battery_is_absent_from_a_machine_without_one() -> None:
    assert dict(battery_values(None)) == {}
    full = SimpleNamespace(percent=99.96, power_plugged=None)
    assert dict(battery_values(full)) == {"battery": 100.0}
    assert dict(battery_values(SimpleNamespace(percent=40, power_plugged=False))) == {
        "battery": 40.0,
        "on-mains": False,
    }


def test_under_voltage_is_the_firmware_s_alarm(tmp_path: Path) -> None:
    for number, name in enumerate(("cpu_thermal", "rpi_volt")):
        (tmp_path / f"hwmon{number}").mkdir()
        (tmp_path / f"hwmon{number}" / "name").write_text(f"{name}\n")
    assert under_voltage(tmp_path) is None, "the alarm cannot be read"
    (tmp_path / "hwmon1" / "in0_lcrit_alarm").write_text("1\n")
    assert under_voltage(tmp_path) is True
    assert under_voltage(tmp_path / "none") is None


@pytest.mark.parametrize("services", ["sshd", ["a/b"], [""], [1], ["x"] * 31, 5])
def test_host_refuses_services_that_are_no_short_list_of_names(services: object) -> None:
    with pytest.raises(ValueError, match="services"):
        HostBridge("", {"services": services})


def test_host_reports_each_service_by_name() -> None:
    bridge = HostBridge("", {"services": ["no-such-thing.service"]})
    bridge.open()
    assert bridge.poll()["service-no-such-thing-running"] is False


@pytest.mark.parametrize("under", ["system.slice", "unified/system.slice", "systemd/system.slice"])
def test_service_runs_when_its_control_group_is_populated(tmp_path: Path, under: str) -> None:
    running, stopped = tmp_path / under / "ssh.service", tmp_path / under / "cups.service"
    running.mkdir(parents=True)
    stopped.mkdir()
    (running / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (stopped / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert is_running("ssh", tmp_path)
    assert is_running("ssh.service", tmp_path)
    assert not is_running("cups", tmp_path)
    assert not is_running("no-such", tmp_path)


def test_service_runs_when_a_legacy_control_group_has_processes(tmp_path: Path) -> None:
    group = tmp_path / "systemd" / "system.slice" / "ssh.service"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("\n")
    assert not is_running("ssh", tmp_path)
    (group / "cgroup.procs").write_text("812\n")
    assert is_running("ssh", tmp_path)


def test_service_of_a_template_lies_in_a_slice_of_its_own(tmp_path: Path) -> None:
    group = tmp_path / "system.slice" / "system-getty.slice" / "getty@tty1.service"
    group.mkdir(parents=True)
    (group / "cgroup.events").write_text("populated 1\n")
    assert is_running("getty@tty1", tmp_path)


def test_service_is_a_process_of_that_name_where_there_is_no_systemd(tmp_path: Path) -> None:
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    assert is_running(name, cgroups=tmp_path)
    assert not is_running("no-such-process", cgroups=tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/home/lab", "home-lab"),
        ("C:\\", "c"),
        ("Ổ đĩa Dữ liệu", "o-dia-du-lieu"),
        ("coretemp Package id 0", "coretemp-package-id-0"),
        ("///", "x"),
        ("Ethernet 2", "ethernet-2"),
        ("x" * 100, "x" * LONGEST),
    ],
)
def test_slug_keeps_letters_and_digits(text: str, name: str) -> None:
    assert slug(text) == name


def test_unique_slug_numbers_what_is_taken() -> None:
    assert unique_slug("/a", {"a", "a-2"}) == "a-3"


def test_bridges_load_nothing_heavy() -> None:
    script = (
        "import sys; from firmware_bridges import bridge_for\n"
        "for name, options in (('host', {}), ('network', {'timeout_s': 0.2})):\n"
        "    bridge = bridge_for(name, '', options); bridge.open(); bridge.poll(); bridge.close()\n"
        "print(*sorted({each.partition('.')[0] for each in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "psutil" in loaded
    assert not loaded & {"asyncio", "pydantic", "yaml", "msgspec", "sqlalchemy", "paho", "ctypes", "random", "http"}


def test_host_leaves_no_threads_and_no_files_behind() -> None:
    bridge = HostBridge("", {"services": ["x"]})
    bridge.open()
    bridge.poll()
    before = (threading.active_count(), psutil.Process().num_fds())
    for _ in range(20):
        bridge.open()
        bridge.poll()
        bridge.close()
    assert (threading.active_count(), psutil.Process().num_fds()) == before


def test_first_poll_measures_the_processor_for_a_while() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            bridge = HostBridge("", {})
            bridge.open()
            seen = bridge.poll()["cpu"]
            assert isinstance(seen, float)
            assert seen > 0, "a core is busy, and the first reading tells so"
        finally:
            busy.kill()
