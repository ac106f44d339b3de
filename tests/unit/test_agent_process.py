"""The agent as a process: what it loads, how it ends, what it says of itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import VERSION
from agent.control import ask
from agent.errors import NotRunning
from firmware_bridges import BRIDGES

ROOT = Path(__file__).parents[2]
HEAVY = ("asyncio", "pydantic", "yaml", "ssl", "http.client", "urllib.request", "msgspec", "sqlmodel")
ENCRYPTS = frozenset({"ssl", "http.client"})
"""What bridges to web servers bring with them."""
BY_WEB = ("moonraker", "octoprint", "prusalink")
ENDPOINTS = (
    *("sim:1", "127.0.0.1:1", "tcp://127.0.0.1:1", "udp://127.0.0.1:1", "http://127.0.0.1:1"),
    "mqtt://127.0.0.1:1/device",
)
"""Each bridge takes one of them, and none of them leads anywhere."""
CONFIG = """
school = "school"
agent = "agent"
[broker]
port = 1
[[devices]]
id = "computer"
profile = "computer/classroom-pc"
[[devices]]
id = "network"
profile = "network/uplink"
[[devices]]
id = "projector"
profile = "demo/projector"
endpoint = "sim:1"
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """In memory: how soon an agent ends is not to depend on what else writes to the disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        folder = Path(made) / "agent"
        folder.mkdir()
        (folder / "agent.toml").write_text(CONFIG)
        (folder / "credentials.json").write_text(json.dumps({"password": "p", "lease_key": "00"}))
        yield Path(made)


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "LANG": "C.UTF-8", "FABFLEET_LANGUAGE": "en"}
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def running(state: Path) -> "subprocess.Popen[bytes]":
    """An agent that answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "run", "--state", str(state), "--die-with-parent"], stdin=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            ask(state / "agent", "status")
        except NotRunning:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return process


@pytest.mark.parametrize("by_web", [False, True])
def test_agent_with_every_bridge_open_loads_nothing_heavy(by_web: bool) -> None:
    names = [name for name in BRIDGES if by_web or name not in BY_WEB]
    probe = f"""
import sys
from agent.frugal import save_memory
save_memory()
import agent.main, agent.doctor
from agent.light_paho import import_paho
import_paho(tls=False)
from firmware_bridges import bridge_for
from firmware_bridges.base import BridgeError
from device_profiles.profile import load, slugs
for name in {names!r}:
    slug = next((slug for slug in slugs() if load(slug).bridge == name), None)
    options = load(slug).options if slug else {{}}
    bridge = None
    for endpoint in {ENDPOINTS!r}:
        try:
            bridge = bridge or bridge_for(name, endpoint, options)
        except ValueError:
            continue
    try:
        bridge.open()
        bridge.poll()
    except BridgeError:
        pass
    bridge.close()
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(filter(None, found.stdout.strip().split(",")))
    assert loaded <= (ENCRYPTS if by_web else set())


def test_paho_is_left_with_working_tls_for_who_needs_it() -> None:
    probe = """
from agent.light_paho import import_paho
paho = import_paho(tls=True)
paho.Client(paho.CallbackAPIVersion.VERSION2).tls_set()
import ssl, urllib.request
assert ssl.SSLContext and urllib.request.urlopen
"""
    subprocess.run([sys.executable, "-c", probe], timeout=60, check=True)


@pytest.mark.parametrize("end", ["parent", "term"])
def test_agent_ends_within_three_seconds(state: Path, end: str) -> None:
    with running(state) as process:
        assert process.stdin
        began = time.monotonic()
        if end == "parent":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert time.monotonic() - began < 3
    assert not (state / "agent" / "control.json").exists()


def test_agent_ends_in_time_although_broker_and_device_hang(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        port = silent.getsockname()[1]
        device = f'[[devices]]\nid = "hung"\nprofile = "pjlink/projector"\nendpoint = "127.0.0.1:{port}"\n'
        file = state / "agent" / "agent.toml"
        file.write_text(CONFIG.replace("port = 1", f"port = {port}") + device)
        with running(state) as process:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        assert time.monotonic() - began < 3


def test_agent_tells_how_it_is_and_carries_out_what_is_asked_at_the_machine(state: Path) -> None:
    with running(state) as process:
        told = command("status", "--state", str(state)).stdout
        assert "agent    school/agent" in told
        assert re.search(r"server   offline: there is no way to 127.0.0.1:1|server   offline: not connected", told)
        done = command("do", "projector", "power-on", "--state", str(state))
        assert (done.stdout.strip(), done.returncode) == ("Done.", 0)
        refused = command("do", "projector", "fly", "--state", str(state))
        assert (refused.stdout.strip(), refused.returncode) == (
            "Refused, nothing was done: this device has no such action. It has: mute, power-off, power-on",
            1,
        )
        examined = command("doctor", "--state", str(state))
        assert examined.returncode == 1
        assert re.search(r"fault +broker: 127.0.0.1:1: ", examined.stdout)
        assert re.search(r"ok +device projector: open", examined.stdout)
        process.terminate()


def test_doctor_examines_an_agent_that_does_not_run(state: Path) -> None:
    examined = command("doctor", "--state", str(state))
    assert re.search(r"ok +device computer: \d+ values", examined.stdout)
    assert re.search(r"fault +broker: 127.0.0.1:1: ", examined.stdout)
    assert "Start the program there, and look whether the port is right." in examined.stdout
    found = [json.loads(line) for line in command("doctor", "--json", "--state", str(state)).stdout.splitlines()]
    assert {"nothing-listens", "agent-stopped", "server-unknown"} <= {each["code"] for each in found}
    assert all(each.keys() == {"code", "verdict", "what", "seen", "cure"} for each in found)
    (state / "agent" / "agent.toml").write_text("school = 1")
    examined = command("doctor", "--state", str(state))
    assert "school = 1: must be a text" in examined.stdout
    assert examined.returncode == 1


def test_commands_without_an_agent_say_so(tmp_path: Path) -> None:
    told = command("status", "--state", str(tmp_path))
    assert (told.returncode, told.stdout) == (2, "")
    assert "no agent runs on" in told.stderr
    told = command("run", "--state", str(tmp_path))
    assert (told.returncode, "there is no such file" in told.stderr) == (2, True)


def test_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION


def test_outbox_survives_files_that_may_not_grow(tmp_path: Path) -> None:
    probe = f"""
import pathlib, resource, time
from agent.draft import Draft
from agent.outbox import Outbox
from contract.messages import Report
from contract.wire import decode
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
outbox = Outbox(pathlib.Path({str(tmp_path / "outbox.db")!r}), lambda: time.time_ns() // 1_000_000)
def produce(i):
    series = {{"d": {{"m": tuple((j * 1000, float(j)) for j in range(500))}}}}
    return outbox.append(Draft(10**12 + i * 10**6, series=series))
numbers = [produce(i) for i in range(60)]
assert numbers[0] == 1 and numbers[-1] is None, numbers
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert produce(60)
reports = [decode(Report, batch.payload) for batch in outbox.unacked()]
print(sum(each.readings + sum(gap.count for gap in each.gaps) for each in reports))
print([event.kind for each in reports for event in each.events])
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["30500", "['disk-writable-again']"]


def test_outbox_takes_no_more_memory_the_longer_an_outage_lasts(tmp_path: Path) -> None:
    probe = f"""
import pathlib, time
from agent.draft import Draft
from agent.outbox import Limits, Outbox
outbox = Outbox(pathlib.Path({str(tmp_path / "outbox.db")!r}), lambda: 10**12, Limits(budget_bytes=20_000))
outbox._db.execute("PRAGMA synchronous=OFF")
def produce(i):
    outbox.append(Draft(10**12 + i * 1000, series={{"d": {{f"m{{j}}": ((0, float(j)),) for j in range(5)}}}}))
def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0])
for i in range(1_500):
    produce(i)
before = resident()
for i in range(1_500, 6_000):
    produce(i)
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 1_000, "kB more after the outage went on"
