"""Attacks on a controller in a process of its own, as it is installed: refused, audited, and nobody else suffers."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, select

from contract.messages import BridgeState, DeviceEntry, Inventory, encode
from contract.topics import Channel
from controller.fleet.tables import Agent
from controller.main import wall_ms
from controller.web.patience import HEAD_S
from tests.integration.mqtt import Client, eventually
from tests.integration.running import PASSWORD, PROFILE, Speaker, csrf_of, seed
from tests.integration.served import MB, Served, serving
from tests.integration.workshop import GOOD

pytestmark = pytest.mark.integration
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = tmp_path_factory.mktemp("attacked") / "state"
    with serving(state, seed(state)) as one:
        yield one


@pytest.fixture(scope="module")
def printer(served: Served) -> int:
    """A printer to which files may be sent."""
    with Speaker(served.cluster.agents["an-phu"], served.broker_port) as speaker:
        entry = DeviceEntry("printer", "Máy in", "p1", BridgeState.OPEN, wall_ms())
        inventory = Inventory("00000000000000aa", 1, {"p1": replace(PROFILE, slug="prusa/mk3s")}, (entry,))
        speaker.client.say(speaker.address.topic(Channel.INVENTORY), encode(inventory), retain=True)
    browser = served.signed_in("ha")

    def there() -> list[int]:
        return [each["id"] for each in browser.get("/api/v1/devices").json()["items"]]

    eventually(there, "it is shown")
    return there()[0]


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


def flood(served: Served, head: str, source: str) -> bytes:
    """Send a body of 100 MB as fast as it is taken; what is answered before the line is cut."""
    heard = b""
    with socket.create_connection(served.address, timeout=60, source_address=(source, 0)) as wire:
        wire.sendall(head.encode())
        piece = (b"G1 X10 Y10\n" * MB)[:MB]
        try:
            for _ in range(HUGE // MB):
                wire.sendall(piece)
            heard = wire.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return heard


def test_a_hundred_megabytes_are_refused_and_never_held(served: Served, printer: int) -> None:
    before = served.memory_mb()
    for path in ("/signin", "/import", "/api/v1/enrol"):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n\r\n"
        assert flood(served, head, "127.0.0.2")[9:12] in (b"413", b"")

    browser = served.signed_in("ha")
    token = csrf_of(browser)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = (
        f"POST /api/v1/devices/{printer}/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n"
        f"Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n'
    )
    assert flood(served, head, "127.0.0.3")[9:12] in (b"413", b"")
    assert browser.get(f"/api/v1/devices/{printer}/jobs").json()["items"] == []
    eventually(lambda: len(served.lines("request-too-large")) == 2, "it is audited, by whom and what for")
    told = [(line.address, line.detail) for line in served.lines("request-too-large")]
    assert told == [("127.0.0.2", "POST /signin"), ("127.0.0.3", f"print job for device {printer}")]

    mine = served.cluster.agents["an-phu"]
    with Client(served.broker_port, mine.user, mine.password, mine.address.client_id) as agent:
        agent.say(mine.address.topic(Channel.REPORT), bytes(HUGE), qos=0)
        eventually(lambda: agent.disconnects, "the sender is cut off", 60)
    eventually(lambda: served.lines("message-too-large"), "that is audited too")
    assert "an-phu/pc-1" in served.lines("message-too-large")[0].detail
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
    eventually(lambda: served.lines("redirect-refused"), "it is audited")
    told = served.lines("redirect-refused")[0]
    assert (told.address, told.detail) == ("127.0.0.1", "/signin: //evil.example")
    assert browser.get("/signin", params={"next": "/fleet?school=an-phu"}).headers["location"] == "/fleet?school=an-phu"


def served_out(browser: httpx.Client) -> httpx.Client:
    """The same browser, with nobody signed in."""
    browser.cookies.clear()
    return browser


def test_forged_form_is_refused_and_audited(served: Served) -> None:
    victim = served.signed_in("ha")
    forged = victim.post("/signout", data={"csrf": "x"}, headers={"origin": "https://evil.example"})
    assert forged.status_code == 403
    assert victim.get("/my").status_code == 200
    line = served.lines("form-refused")[-1]
    assert line.detail == "POST /signout"
    assert (line.actor != "", line.school_id) == (True, "an-phu")


@pytest.mark.parametrize("fields", [150, 5_000])
def test_form_of_many_fields_is_refused_like_any_other_and_no_fault_of_ours(served: Served, fields: int) -> None:
    many = "&".join(f"f{number}=x" for number in range(fields))
    form = {"content-type": "application/x-www-form-urlencoded"}
    for browser in (served.client(), served.signed_in("tri")):
        for path in ("/signin", "/people/rights"):
            assert browser.post(path, content=many, headers=form).status_code == 403
    assert "Traceback" not in served.log.read_text()


def test_form_may_have_as_many_fields_as_the_longest_page_sends(served: Served) -> None:
    keeper = served.signed_in("ky")
    many = {f"reason-{number}": "" for number in range(300)}
    answer = keeper.post("/agents/found", data=many | {"csrf": csrf_of(keeper)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/agents/found?done=0")


def test_stolen_token_is_worth_nothing_once_revoked_and_its_use_is_audited(served: Served) -> None:
    admin = served.cluster.admin
    token = admin.add_api_token("ky", "stolen", None)
    thief = served.client()
    thief.headers["authorization"] = f"Bearer {token}"
    assert thief.get("/api/v1/devices").status_code == 200
    admin.revoke_api_token(next(each.id for each in admin.api_tokens() if each.name == "stolen"))
    assert thief.get("/api/v1/devices").status_code == 401
    assert thief.post("/api/v1/bookings", json={}).status_code == 401
    assert served.lines("token-refused")[-1].detail == "GET /api/v1/devices"

    victim = served.signed_in("ha")
    copied = dict(victim.cookies)
    victim.post("/signout", data={"csrf": csrf_of(victim)})
    with httpx.Client(base_url=served.url, cookies=copied) as stranger:
        assert stranger.get("/my").headers["location"].startswith("/signin")
        assert stranger.get("/api/v1/devices").status_code == 401


def test_login_of_a_revoked_agent_is_refused_by_the_broker_and_audited(served: Served) -> None:
    stolen = served.cluster.agents["binh-minh"]
    with Session(served.engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == "binh-minh")).one()
        agent.revoked = True
        db.add(agent)
        db.commit()

    def refused() -> bool:
        with Client(served.broker_port, stolen.user, stolen.password, "thief") as client:
            return client.refused

    eventually(refused, "the broker follows within seconds")
    eventually(lambda: served.lines("broker-sign-in-refused"), "it is audited")
    line = served.lines("broker-sign-in-refused")[0]
    assert (line.address, line.detail) == ("127.0.0.1", "binh-minh.pc-1; calls itself thief")


@pytest.mark.parametrize("name", ["../../../../etc/cron.d/x.gcode", "..\\..\\x.gcode", "/etc/passwd"])
def test_name_of_a_file_that_leads_elsewhere_is_refused_and_audited(served: Served, printer: int, name: str) -> None:
    browser = served.signed_in("ha")
    headers = {"x-csrf-token": csrf_of(browser)}
    state = Path(str(served.engine.url.database)).parent
    before = files_in(state)
    answer = browser.post(f"/api/v1/devices/{printer}/jobs", headers=headers, files={"file": (name, GOOD)})
    assert (answer.status_code, answer.json()["code"]) == (422, "name")
    assert files_in(state) == before
    assert not Path("/etc/cron.d/x.gcode").exists()
    line = served.lines("file-name-refused")[0]
    assert (line.school_id, line.address, line.actor != "") == ("an-phu", "127.0.0.1", True)


def files_in(state: Path) -> set[Path]:
    return {path for path in state.rglob("*") if path.suffix not in {".db-wal", ".db-shm"}}


def test_path_that_leads_out_is_refused_and_audited(served: Served) -> None:
    for path in (
        "/api/v1/files/..%2f..%2ffabfleet.db",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static/%2e%2e/main.py",
        "/static/..%5c..%5cmain.py",
        "/static/app.css%00.html",
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with socket.create_connection(served.address, timeout=30) as wire:  # a library would mend the path
            wire.sendall(head.encode())
            assert ended(wire, 30).startswith(b"HTTP/1.1 400"), path
    eventually(lambda: served.lines("path-refused"), "it is audited")
    assert served.lines("path-refused")[0].detail == "GET /api/v1/files/../../fabfleet.db"


def test_address_that_somebody_claims_for_himself_counts_only_from_a_proxy_of_ours(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with serving(state, seed(state), {"FABFLEET_PROXIES": "127.0.0.2"}) as behind:
        for source in ("127.0.0.2", "127.0.0.3"):
            transport = httpx.HTTPTransport(local_address=source)
            with httpx.Client(base_url=behind.url, transport=transport, timeout=60) as browser:
                form = {"login": "ha", "password": "wrong", "csrf": csrf_of(browser)}
                browser.post("/signin", data=form, headers={"x-forwarded-for": "10.1.2.3"})
        assert [line.address for line in behind.lines("sign-in-failed")] == ["10.1.2.3", "127.0.0.3"]


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
