"""The command `fabfleet`: what serves runs in processes of its own, as people run it; the rest is called here."""

import io
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from controller.backup.errors import BackupError
from controller.backup.service import backup, restore
from controller.cli import main
from controller.lock import InUse, StateLock
from controller.main import wall_ms
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, SCHOOLS, Events, Speaker, csrf_of, running, seed, settings

pytestmark = pytest.mark.integration
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has left."""

    returncode: int
    stdout: str
    stderr: str


Fabfleet = Callable[..., Done]


@pytest.fixture
def fabfleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fabfleet]:
    """Run one command on the state in `tmp_path`: its arguments, and `given`, what it reads."""

    def call(*arguments: str, given: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        try:
            code = main([*arguments, "--state", str(tmp_path)])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Done(code, *capsys.readouterr())

    mask = os.umask(0o077)
    os.umask(mask)
    yield call
    os.umask(mask)


def run(state: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own."""
    command = (sys.executable, "-m", "controller.cli", *arguments, "--state", str(state))
    environment = os.environ | {"FABFLEET_BROKER_PORT": "0", "FABFLEET_BROKER_TLS_PORT": "0"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@contextmanager
def serving(state: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """`fabfleet serve` and its address."""
    command = (sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(state), *arguments)
    environment = os.environ | {"FABFLEET_BROKER_PORT": "0", "FABFLEET_BROKER_TLS_PORT": "0"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stderr is not None
            line = child.stderr.readline()
            if "certificate" in line:
                line = child.stderr.readline()
            found = re.search(r"listening on (https?://\S+)", line)
            assert found, line + child.stderr.read()
            yield child, found[1]
        finally:
            if child.poll() is None:
                child.kill()


# accounts


def test_user_can_be_made_listed_and_disabled(fabfleet: Fabfleet) -> None:
    assert fabfleet("enrol-token", "--school", "an-phu", "--school-name", "THCS An Phú").returncode == 0

    made = fabfleet("user", "add", "ha", "--role", "teacher", "--school", "an-phu", "--name", "Trần Hà")

    assert re.fullmatch(r"password: (\w{4}-){3}\w{4}\n", made.stdout)
    assert fabfleet("user", "disable", "ha").returncode == 0
    assert re.search(r"ha +teacher +an-phu +disabled +Trần Hà", fabfleet("user", "list").stdout)


def test_user_password_is_read_from_standard_input_and_shown_to_nobody(fabfleet: Fabfleet) -> None:
    arguments = ("user", "add", "ky", "--role", "technician", "--name", "Kỹ", "--password-stdin")

    made = fabfleet(*arguments, given=f"{PASSWORD}\n")

    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


def test_token_is_shown_once(fabfleet: Fabfleet) -> None:
    fabfleet("user", "add", "ky", "--role", "technician", "--name", "Kỹ")

    token = fabfleet("token", "add", "ky", "--name", "grafana", "--expires", "90d").stdout.strip()

    assert re.fullmatch(r"ff_[\w-]{43}", token)
    listed = fabfleet("token", "list").stdout
    assert "grafana" in listed
    assert token not in listed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("user", "disable", "nobody"), "there is no account nobody"),
        (("user", "add", "ha", "--role", "teacher", "--name", "Hà"), "a teacher belongs to a school"),
        (("enrol-token", "--school", "Not A Slug"), "is not a name of"),
        (("token", "add", "nobody", "--name", "x"), "there is no account nobody"),
        (("backup", "/tmp/never"), "there is no database yet"),
    ],
)
def test_command_that_cannot_be_done_says_why_in_one_line(
    fabfleet: Fabfleet, arguments: tuple[str, ...], told: str
) -> None:
    done = fabfleet(*arguments)

    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["5", "5w", "-1h", "h", "0d", "99999d"])
def test_enrolment_token_wants_a_span_of_time(fabfleet: Fabfleet, text: str) -> None:
    done = fabfleet("enrol-token", "--school", "a", f"--expires={text}")

    assert done.returncode == 2
    assert "is not like 30m, 12h or 7d" in done.stderr


# serving


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_everything_within_five_seconds_with_streams_open(tmp_path: Path, number: signal.Signals) -> None:
    seed(tmp_path)
    with serving(tmp_path) as (child, url), httpx.Client(base_url=url, timeout=20) as browser:
        browser.post("/signin", data={"login": "ky", "password": PASSWORD, "csrf": csrf_of(browser)})
        family = psutil.Process(child.pid).children(recursive=True)
        assert any("nats" in process.name() for process in family)
        with browser.stream("GET", "/api/v1/stream") as answer:
            Events(answer).until("snapshot")
            began = time.monotonic()
            child.send_signal(number)
            assert child.wait(20) == 0
            assert time.monotonic() - began < STOP_S
        gone, alive = psutil.wait_procs(family, timeout=1)
        assert not alive, gone
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()


def test_serve_on_a_network_is_by_tls_unless_told_otherwise_in_so_many_words(tmp_path: Path) -> None:
    with serving(tmp_path / "own", "--host", "0.0.0.0") as (_, url):
        trusting = ssl.create_default_context(cafile=str(tmp_path / "own" / "controller" / "tls" / "ca.pem"))
        address = url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{address}/healthz", verify=trusting).json() == {"status": "ok"}
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{address}/healthz")
    with serving(tmp_path, "--host", "0.0.0.0", "--plain-http-beyond-loopback") as (_, url):
        assert httpx.get(url.replace("0.0.0.0", "127.0.0.1") + "/healthz").json() == {"status": "ok"}


def test_serve_refuses_to_speak_in_the_clear_with_a_broker_elsewhere(tmp_path: Path) -> None:
    settings = tmp_path / "controller.toml"
    settings.write_text('[broker]\nembedded = false\nhost = "192.0.2.1"\n')
    done = run(tmp_path, "serve", "--config", str(settings), "--port", "0")

    assert done.returncode == 1
    assert "passwords cross the network in the clear" in done.stderr


def test_serve_is_alone_on_its_state(tmp_path: Path) -> None:
    with serving(tmp_path):
        done = run(tmp_path, "serve", "--port", "0")

        assert done.returncode == 1
        assert "a controller runs on" in done.stderr
        assert done.stderr.count("\n") == 1


def test_serve_says_in_one_line_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "serve", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_keeps_its_files_to_itself(tmp_path: Path) -> None:
    with serving(tmp_path):
        modes = {file: file.stat().st_mode & 0o077 for file in (tmp_path / "controller").rglob("*") if file.is_file()}

    assert modes
    assert {file.name: mode for file, mode in modes.items() if mode} == {}


# restart, backup and restore


def test_restart_shows_the_truth_at_once_without_any_agent(tmp_path: Path) -> None:
    cluster = seed(tmp_path)
    with running(tmp_path) as one, Speaker(cluster.agents["an-phu"], one.broker_port) as agent:
        agent.lists("a1")
        agent.reports("a1", 20.0, 41.5)
        with one.signed_in("ky").stream("GET", "/api/v1/stream") as answer:
            before = first_row(Events(answer))

    with running(tmp_path) as one, one.signed_in("ky").stream("GET", "/api/v1/stream") as answer:
        name, snapshot = Events(answer).next()

    (after,) = rows_of(snapshot)
    assert name == "snapshot"
    assert after[:1] + after[2:3] == [before[0], 41.5]
    assert abs(after[3] - before[3]) < 1_000, "last heard when it was heard, not when the controller started"
    assert after[1] in ("ok", "offline"), "as last known, until the agent speaks again"


def first_row(events: Events) -> list[Any]:
    """The first row that carries the last value."""
    while True:
        _, frame = events.next()
        for row in rows_of(frame):
            if row[2] == 41.5:
                return row


def rows_of(frame: dict[str, Any]) -> list[list[Any]]:
    rows: list[list[Any]] = frame.get("devices", [])
    return rows


def test_backup_while_running_is_one_private_file_that_restores(tmp_path: Path) -> None:
    cluster = seed(tmp_path / "first")
    file = tmp_path / "fabfleet.backup"
    with running(tmp_path / "first") as one, Speaker(cluster.agents["an-phu"], one.broker_port) as agent:
        agent.lists("a1")
        agent.reports("a1", 20.0, 41.5)
        eventually(lambda: one.services.plant.stats.values >= 2, "values committed", 30)
        backup(settings(tmp_path / "first"), file, wall_ms)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*")), "nothing half done is left"

    generation = restore(settings(tmp_path / "second"), file, wall_ms).generation

    assert generation > 1
    with running(tmp_path / "second") as one:
        (device,) = one.signed_in("ky").get("/api/v1/devices").json()["items"]
        assert (device["slug"], device["value"], device["school_name"]) == ("a1", 41.5, SCHOOLS["an-phu"][0])


def test_restore_raises_the_generation_ends_sessions_and_keeps_what_was_there(tmp_path: Path) -> None:
    seed(tmp_path / "state")
    config, file = settings(tmp_path / "state"), tmp_path / "file"
    with running(tmp_path / "state") as one:
        one.signed_in("ky")
        backup(config, file, wall_ms)

    first = restore(config, file, wall_ms).generation
    second = restore(config, file, wall_ms).generation

    assert second > first
    folder = tmp_path / "state" / "controller"
    assert len(list(folder.glob("fabfleet.db.before-restore-*[0-9]"))) == 2
    with closing(sqlite3.connect(folder / "fabfleet.db")) as database:
        assert database.execute("SELECT count(*) FROM user_session").fetchone() == (0,)
        assert database.execute("SELECT generation FROM installation").fetchone() == (second,)


def test_restore_refuses_a_running_controller(tmp_path: Path) -> None:
    seed(tmp_path / "state")
    config, file = settings(tmp_path / "state"), tmp_path / "file"
    backup(config, file, wall_ms)
    lock = StateLock(config.folder)
    lock.take()
    try:
        with pytest.raises(InUse):
            restore(config, file, wall_ms)
    finally:
        lock.release()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_restore_refuses_what_is_no_backup_and_touches_nothing(tmp_path: Path, content: bytes) -> None:
    seed(tmp_path / "state")
    config, file = settings(tmp_path / "state"), tmp_path / "file"
    file.write_bytes(content)
    before = (config.folder / "fabfleet.db").read_bytes()

    with pytest.raises(BackupError):
        restore(config, file, wall_ms)

    assert (config.folder / "fabfleet.db").read_bytes() == before
