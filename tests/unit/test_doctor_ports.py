"""What the doctor says of a serial port, on a true one where that can be, else on a picture of the kernel's files."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.doctor_ports import HOST, Account, Holder, Host, account_of, holders, may_open, meddler, trouble
from agent.findings import Trouble

ROOT = Account("root", 0, frozenset({0}), frozenset({0}))
NOBODY = 65_534
OURS = frozenset({os.getpid()})


@pytest.fixture
def port() -> Iterator[Path]:
    """A pty that nobody but this process holds."""
    master, slave = os.openpty()
    yield Path(os.ttyname(slave))
    os.close(master)
    os.close(slave)


@pytest.fixture
def picture(tmp_path: Path) -> Host:
    host = Host(tmp_path / "proc", tmp_path / "sys")
    host.proc.mkdir()
    host.sys.mkdir()
    return host


def process(host: Host, pid: int, name: str) -> None:
    (host.proc / str(pid) / "fd").mkdir(parents=True)
    (host.proc / str(pid) / "comm").write_text(f"{name}\n")


def plugged(host: Host, usb_id: str, port: str = "") -> None:
    device = host.sys / "bus/usb/devices/1-1"
    device.mkdir(parents=True)
    for part, value in zip(("idVendor", "idProduct"), usb_id.split(":"), strict=True):
        (device / part).write_text(f"{value}\n")
    if port:
        (device / "1-1:1.0" / port).mkdir(parents=True)
        (host.sys / "class/tty" / port).mkdir(parents=True)


def said(found: Trouble | None) -> tuple[str, str, str]:
    assert found
    assert found.seen.vi
    assert found.cure.vi
    return found.code, found.seen.en, found.cure.en


def test_port_that_is_free_is_well(port: Path) -> None:
    assert trouble(port, ROOT, OURS) is None


def test_port_that_is_held_names_the_program(port: Path) -> None:
    program = f"import serial, sys; s = serial.Serial({str(port)!r}); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline()
    code, seen, cure = said(trouble(port, ROOT, OURS))
    assert code == "port-held"
    assert seen.startswith(f"{port} is held by python")
    assert seen.endswith(f"({holder.pid})")
    assert "Two programs at one port" in cure
    assert trouble(port, ROOT, OURS | {holder.pid}) is None, "the agent itself may hold it"
    holder.communicate()


def test_lock_tells_who_holds_a_port_to_accounts_that_may_not_see_more(port: Path, picture: Host) -> None:
    found = port.stat()
    process(picture, 812, "ModemManager")
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    (picture.proc / "locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE 812 {place} 0 EOF\n2: POSIX ADVISORY READ 9 00:01:7 0 0\n"
    )
    assert list(holders(port, picture)) == [Holder("ModemManager", 812)]
    code, _, cure = said(trouble(port, ROOT, OURS, picture))
    assert (code, "sudo systemctl disable --now ModemManager" in cure) == ("port-held", True)


def test_port_without_permission_names_the_command(port: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a port to another group")
    dialout = 20
    port.chmod(0o660)
    os.chown(port, 0, dialout)
    probe = f"""
        import grp, os, pwd
        from pathlib import Path
        from agent.doctor_ports import account_of, trouble
        os.setgroups([])
        os.setgid({NOBODY})
        os.setuid({NOBODY})
        found = trouble(Path({str(port)!r}), account_of(Path("/nowhere"), None), frozenset())
        print(found.code, found.cure.en)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(probe)], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.startswith("port-permission sudo usermod -aG dialout nobody, then log out and in again")


@pytest.mark.parametrize(
    ("mode", "owner", "groups", "allowed"),
    [
        (0o660, 0, {20}, True),
        (0o660, 0, {5}, False),
        (0o600, 0, {20}, False),
        (0o620, 1000, set[int](), True),
        (0o060, 1000, {20}, False),
        (0o666, 0, set[int](), True),
    ],
)
def test_account_may_open_a_port_as_the_kernel_decides(
    tmp_path: Path, mode: int, owner: int, groups: set[int], allowed: bool
) -> None:
    found = os.stat_result((0o020_000 | mode, 1, 1, 1, owner, 20, 0, 0, 0, 0))
    account = Account("lan", 1000, frozenset(groups), frozenset(groups))
    assert may_open(found, account, tmp_path / "none") is allowed


def test_account_that_joined_the_group_since_its_login_is_told_to_log_in_again(port: Path) -> None:
    group = port.stat().st_gid
    port.chmod(0o660)
    account = Account("lan", NOBODY - 1, frozenset(), frozenset({group}))
    code, _, cure = said(trouble(port, account, OURS))
    assert code == "port-login"
    assert "log out and in again" in cure


def test_account_is_that_of_the_running_agent(picture: Host, tmp_path: Path) -> None:
    process(picture, 77, "fabfleet-agent")
    (picture.proc / "77/status").write_text(
        "Name:\tpython\nUid:\t65534\t65534\t0\t0\nGid:\t7\t7\t7\t7\nGroups:\t20 46 \n"
    )
    account = account_of(tmp_path, 77, picture)
    assert (account.uid, account.groups) == (65_534, frozenset({20, 46, 7}))
    assert account_of(tmp_path, None).uid == tmp_path.stat().st_uid


def test_port_that_is_not_there_names_those_that_are(picture: Host) -> None:
    plugged(picture, "1a86:7523", "ttyUSB3")
    code, seen, cure = said(trouble(Path("/dev/ttyUSB-none"), ROOT, OURS, picture))
    assert (code, seen) == ("port-missing", "/dev/ttyUSB-none is not there")
    assert "/dev/ttyUSB3" in cure


@pytest.mark.parametrize(
    ("usb_id", "command"), [("1a86:7523", "sudo modprobe ch341"), ("10c4:ea60", "sudo modprobe cp210x")]
)
def test_chip_without_a_port_names_its_driver(picture: Host, usb_id: str, command: str) -> None:
    plugged(picture, usb_id)
    code, seen, cure = said(trouble(Path("/dev/ttyUSB-none"), ROOT, OURS, picture))
    assert (code, usb_id in seen, command in cure) == ("driver-missing", True, True)


def test_chip_that_brltty_takes_says_so(picture: Host) -> None:
    plugged(picture, "1a86:7523")
    process(picture, 5, "brltty")
    code, _, cure = said(trouble(Path("/dev/ttyUSB-none"), ROOT, OURS, picture))
    assert (code, "sudo apt remove brltty" in cure) == ("port-taken", True)


def test_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert said(trouble(tmp_path / "x", ROOT, OURS))[0] == "port-is-none"


def test_modem_manager_that_runs_is_mentioned(picture: Host) -> None:
    assert meddler(picture) is None
    process(picture, 5, "ModemManager")
    assert said(meddler(picture))[0] == "modem-manager"


def test_processes_that_come_and_go_disturb_nobody(port: Path) -> None:
    with socket.socket():
        assert all(isinstance(each, Holder) for each in holders(port, HOST))
