"""Attacks on a controller in a process of its own, as it is installed: refused, audited, and nobody else suffers."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.topics import Channel
from controller.database import make_engine
from controller.identity.tables import AuditLine
from controller.web.patience import HEAD_S
from tests.integration.mqtt import Client, eventually
from tests.integration.running import PASSWORD, Cluster, csrf_of, seed, settings
from tests.integration.workshop import GOOD

pytestmark = pytest.mark.integration
MB = 1_000_000
HUGE = 100 * MB
BAD_SIGN_INS = (1_000, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]))
"""Over HTTP; ten thousand at the door itself are in test_identity.py."""
ELSEWHERE = (
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "\\\\evil.example",
    "/\r\nset-cookie: x=y",
    "///evil.example",
    "/@evil.example/..//evil.example" + "\n",
)


@dataclass(frozen=True)
class Served:
    """The process, where it answers, and what its tables say."""

    url: str
    process: psutil.Process
    engine: Engine
    cluster: Cluster
    broker_port: int
    clients: contextlib.ExitStack

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def client(self) -> httpx.Client:
        return self.clients.enter_context(httpx.Client(base_url=self.url, timeout=60))

    def signed_in(self, login: str) -> httpx.Client:
        browser = self.client()
        form = {"login": login, "password": PASSWORD, "csrf": csrf_of(browser)}
        answer = browser.post("/signin", data=form)
        assert "error" not in answer.headers["location"], answer.headers["location"]
        return browser

    def lines(self, action: str) -> list[AuditLine]:
        with Session(self.engine) as db:
            found = db.exec(select(AuditLine).where(AuditLine.action == action).order_by(col(AuditLine.id))).all()
            db.expunge_all()
            return list(found)

    def memory_mb(self) -> float:
        """Of the controller and its broker."""
        return sum(each.memory_info().rss for each in (self.process, *self.process.children())) / MB


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("attacked")
    state, log = folder / "state", folder / "log"
    cluster = seed(state)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        broker_port: int = probe.getsockname()[1]
    command = (sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(state))
    with log.open("wb") as output:
        child = subprocess.Popen(command, stderr=output, env=os.environ | {"FABFLEET_BROKER_PORT": str(broker_port)})
    try:
        eventually(lambda: b"listening on" in log.read_bytes(), "it is up", 60)
        found = re.search(r"listening on (http://\S+)", log.read_text())
        assert found is not None
        engine = make_engine(settings(state).database)
        with contextlib.ExitStack() as clients:
            yield Served(found[1], psutil.Process(child.pid), engine, cluster, broker_port, clients)
        engine.dispose()
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0


def ended(wire: socket.socket, within_s: float) -> bytes:
    """What the server says until it hangs up."""
    wire.settimeout(within_s)
    heard = b""
    while piece := wire.recv(4096):
        heard += piece
    return heard


@pytest.fixture
def wires() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def test_requests_that_come_drop_by_drop_are_ended_while_others_are_served(
    served: Served, wires: contextlib.ExitStack
) -> None:
    silent = [wires.enter_context(socket.create_connection(served.address)) for _ in range(100)]
    dripping = wires.enter_context(socket.create_connection(served.address))
    dripping.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    again = wires.enter_context(socket.create_connection(served.address))
    again.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    again.recv(4096)
    again.sendall(b"GET /hea")  # the second request on a connection
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(1.0):
            for wire in (dripping, again):
                try:
                    wire.sendall(b"x-a: b\r\n")
                except OSError:
                    continue

    dropper = threading.Thread(target=drip)
    dropper.start()
    begun = time.monotonic()
    try:
        assert served.client().get("/healthz").status_code == 200
        for wire in silent:
            assert ended(wire, 6 * HEAD_S).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun > HEAD_S / 2, "a slow line is given its time"
    finally:
        stop.set()
        dropper.join()
    for wire in (dripping, again):
        with contextlib.suppress(ConnectionResetError):  # a drop was on its way
            assert b"HTTP/1.1 408" in ended(wire, 6 * HEAD_S)
    eventually(lambda: served.lines("request-too-slow"), "it is audited")
    assert {line.address for line in served.lines("request-too-slow")} == {"127.0.0.1"}


def flood(served: Served, head: str) -> bytes:
    """Send a body of 100 MB as fast as it is taken; what is answered before the line is cut."""
    heard = b""
    with socket.create_connection(served.address, timeout=60) as wire:
        wire.sendall(head.encode())
        piece = bytes(MB)
        try:
            for _ in range(HUGE // MB):
                wire.sendall(piece)
            heard = wire.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return heard


def test_a_hundred_megabytes_are_refused_and_never_held(served: Served) -> None:
    before = served.memory_mb()
    for path in ("/signin", "/import", "/api/v1/enrol"):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n\r\n"
        assert flood(served, head)[9:12] in (b"413", b"")
    assert "POST" in served.lines("request-too-large")[0].detail

    browser = served.signed_in("ha")
    token = csrf_of(browser)
    devices = browser.get("/api/v1/devices").json()["items"]
    device = devices[0]["id"] if devices else 1
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = (
        f"POST /api/v1/devices/{device}/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n"
        f"Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n'
    )
    assert flood(served, head)[9:12] in (b"413", b"404", b"")

    mine = served.cluster.agents["an-phu"]
    with Client(served.broker_port, mine.user, mine.password, mine.address.client_id) as agent:
        agent.say(mine.address.topic(Channel.REPORT), bytes(HUGE), qos=0)
        eventually(lambda: agent.disconnects, "the sender is cut off", 60)
    assert served.client().get("/readyz").status_code == 200
    assert served.memory_mb() - before < 60


def test_redirects_lead_to_no_other_site(served: Served) -> None:
    browser = served.client()
    for target in ELSEWHERE:
        form = {"login": "ky", "password": PASSWORD, "csrf": csrf_of(served_out(browser)), "next": target}
        where = browser.post("/signin", data=form).headers["location"]
        assert where == "/fleet", target
        assert browser.get("/signin", params={"next": target}).headers["location"] == "/fleet", target
        form = {"lang": "en", "csrf": csrf_of(browser), "next": target}
        assert browser.post("/language", data=form).headers["location"] == "/", target


def served_out(browser: httpx.Client) -> httpx.Client:
    """The same browser, with nobody signed in."""
    browser.cookies.clear()
    return browser


def test_forged_form_and_stolen_token_are_refused_and_audited(served: Served) -> None:
    victim = served.signed_in("ha")
    forged = victim.post("/signout", data={"csrf": "x"}, headers={"origin": "https://evil.example"})
    assert forged.status_code == 403
    assert victim.get("/my").status_code == 200
    line = served.lines("form-refused")[-1]
    assert line.detail == "POST /signout"
    assert (line.actor != "", line.school_id) == (True, "an-phu")

    admin = served.cluster.admin
    token = admin.add_api_token("ky", "stolen", None)
    thief = served.client()
    thief.headers["authorization"] = f"Bearer {token}"
    assert thief.get("/api/v1/devices").status_code == 200
    admin.revoke_api_token(next(each.id for each in admin.api_tokens() if each.name == "stolen"))
    assert thief.get("/api/v1/devices").status_code == 401
    assert thief.post("/api/v1/bookings", json={}).status_code == 401
    assert served.lines("token-refused")[-1].detail == "GET /api/v1/devices"

    copied = dict(victim.cookies)
    victim.post("/signout", data={"csrf": csrf_of(victim)})
    with httpx.Client(base_url=served.url, cookies=copied) as stranger:
        assert stranger.get("/my").headers["location"].startswith("/signin")
        assert stranger.get("/api/v1/devices").status_code == 401


@pytest.mark.parametrize("name", ["../../../../etc/cron.d/x", "..\\..\\x.gcode", "/etc/passwd", "a\x00b.gcode"])
def test_name_of_a_file_leads_nowhere(served: Served, name: str) -> None:
    browser = served.signed_in("ha")
    headers = {"x-csrf-token": csrf_of(browser)}
    state = Path(str(served.engine.url.database)).parent
    before = {path for path in state.rglob("*") if path.suffix not in {".db-wal", ".db-shm"}}
    with Session(served.engine) as db:
        lines = len(db.exec(select(AuditLine)).all())
    answer = browser.post("/api/v1/devices/1/jobs", headers=headers, files={"file": (name, GOOD)})
    assert answer.status_code in (201, 404, 422)
    after = {path for path in state.rglob("*") if path.suffix not in {".db-wal", ".db-shm"}}
    assert {path.parent.name for path in after - before if path.is_file()} <= {"files", "store"}
    for path in (
        "/api/v1/files/..%2f..%2ffabfleet.db",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static/%2e%2e/main.py",
    ):
        assert browser.get(path).status_code in (401, 404, 422), path
    assert not Path("/etc/cron.d/x").exists()
    with Session(served.engine) as db:
        assert len(db.exec(select(AuditLine)).all()) >= lines


@pytest.mark.parametrize("tries", BAD_SIGN_INS)
def test_bad_sign_ins_are_stopped_and_leave_few_lines(served: Served, tries: int) -> None:
    """Last, as it closes the door for this address. Who is signed in already notices nothing."""
    watching = served.signed_in("ky")
    before = served.memory_mb()
    browser = served.client()
    token = csrf_of(browser)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    where: set[bytes] = set()

    def try_on(first: int) -> None:
        with socket.create_connection(served.address, timeout=120) as wire:
            answers = wire.makefile("rb")
            for number in range(first, first + tries // 2):
                body = f"login=user{number % 400}&password=guess{number}&csrf={token}".encode()
                wire.sendall(
                    f"POST /signin HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: {len(body)}\r\n"
                    "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
                    + body
                )
                assert answers.readline().startswith(b"HTTP/1.1 303")
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"location:"):
                        where.add(line.split()[1])

    guessers = [threading.Thread(target=try_on, args=(first,)) for first in (0, tries // 2)]
    for each in guessers:
        each.start()
    assert watching.get("/fleet").status_code == 200
    for each in guessers:
        each.join()

    assert where == {b"/signin?error=wrong", b"/signin?error=wait&minutes=5"}
    assert 100 <= len(served.lines("sign-in-failed")) <= 110
    assert 1 <= len(served.lines("sign-in-blocked")) <= 5
    refused = browser.post("/signin", data={"login": "ha", "password": PASSWORD, "csrf": token})
    assert "error=wait" in refused.headers["location"]
    assert served.memory_mb() - before < 60
    assert watching.get("/fleet").status_code == 200
