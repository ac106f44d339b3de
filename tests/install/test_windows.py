"""The Windows package under Wine: enrolled, a service, in touch with a real controller, driving real far ends.

What Wine cannot prove stands in docs/install.md.
"""

import os
import re
import shutil
import signal
import socket
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import httpx
import pytest

from controller.database import make_engine
from controller.fleet.enrolment import Place
from controller.fleet.token_text import token_text
from controller.identity.admin import Admin
from controller.ingest.verify import main as verify
from controller.main import wall_ms
from controller.web.enrol_lines import commands
from controller.web.i18n import language
from hil.farends.printer import PROMPT as PRINTER_PROMPT
from hil.farends.printer import SimulatedPrinter
from hil.farends.serial_server import SerialServer
from hil.farends.simulated_projector import PROMPT as PROJECTOR_PROMPT
from hil.farends.simulated_projector import SimulatedProjector
from tests.install.wine import PROGRAMS, Windows, windows
from tests.integration.mqtt import eventually
from tests.integration.running import Running, csrf_of, running, seed, settings
from tests.passwords import quick
from tools.windows import pack

pytestmark = [pytest.mark.wine, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("controller")


@pytest.fixture(scope="module")
def token(state: Path) -> str:
    """For one agent of a school, with the fingerprint of the authority that vouches for the controller."""
    secret = seed(state).admin.add_enrol_token(Place("an-phu", "p2"), 1, 3_600_000)
    return token_text(secret, replace(settings(state), own_tls=True))


@pytest.fixture(scope="module")
def controller(state: Path, token: str) -> Iterator[Running]:
    with running(state, own_tls=True) as one:
        yield one


@pytest.fixture(scope="module")
def projector() -> Iterator[SimulatedProjector]:
    one = SimulatedProjector()
    yield one
    one.close()


@pytest.fixture(scope="module")
def printer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedPrinter]:
    one = SimulatedPrinter(tmp_path_factory.mktemp("printer") / "port")
    yield one
    one.close()


def machine(slug: str, profile: str, endpoint: str, prompt: object) -> str:
    options = re.sub(r"'(\w+)': ", r"\1 = ", str(prompt))
    return f'[[devices]]\nid = "{slug}"\nprofile = "{profile}"\nendpoint = "{endpoint}"\noptions = {options}\n'


@pytest.fixture(scope="module")
def computer(
    controller: Running, token: str, projector: SimulatedProjector, printer: SimulatedPrinter
) -> Iterator[Windows]:
    """An enrolled classroom computer with a projector and a printer, whose service runs."""
    with SerialServer(str(printer.link)) as port, windows() as computer:
        stranger = f"{token.partition('.')[0]}.{'0' * 64}"
        said = computer.agent("enrol", controller.url, stranger, "--name", "pc-2")
        assert (said.returncode, "fingerprint" in said.stderr) == (2, True), said.stderr
        said = computer.agent("enrol", controller.url, token, "--name", "pc-2")
        assert said.returncode == 0, said.stderr
        file = computer.state / "agent.toml"
        added = machine("projector", "pjlink/projector", projector.endpoint, PROJECTOR_PROMPT)
        added += machine("printer", "creality/ender-3", port.endpoint, PRINTER_PROMPT)
        file.write_text(f"flush_s = 0.2\n{file.read_text('utf-8')}{added}", "utf-8")
        said = computer.agent("service", "install")
        assert said.returncode == 0, said.stderr
        computer.reboot()
        computer.until_told("server   online", "status")
        yield computer


@pytest.fixture(scope="module")
def browser(controller: Running) -> httpx.Client:
    return controller.signed_in("ky")


def devices(browser: httpx.Client) -> dict[str, str]:
    """States by name, of this computer."""
    items = browser.get("/api/v1/devices").json()["items"]
    return {item["slug"]: item["state"] for item in items if item["agent"] == "pc-2"}


def values(browser: httpx.Client, slug: str) -> dict[str, object]:
    items = browser.get("/api/v1/devices").json()["items"]
    [number] = [item["id"] for item in items if (item["agent"], item["slug"]) == ("pc-2", slug)]
    return {value["metric"]: value["value"] for value in browser.get(f"/api/v1/devices/{number}").json()["values"]}


def test_agent_is_where_windows_keeps_such_things(computer: Windows) -> None:
    assert (computer.state / "credentials.json").exists()
    assert (computer.state / "outbox.db").exists()
    assert "RUNNING" in computer.service("query")


def test_agent_speaks_tls_to_pages_and_broker_and_believes_their_authority_alone(
    computer: Windows, controller: Running
) -> None:
    told = tomllib.loads((computer.state / "agent.toml").read_text("utf-8"))
    assert told["controller"]["url"] == controller.url
    assert controller.url.startswith("https://")
    address = controller.services.plant.address()
    assert (told["broker"]["port"], address.tls) == (address.port, True)
    for section in ("controller", "broker"):
        place = PureWindowsPath(told[section]["tls_ca"])
        assert place.parts[1:] == ("ProgramData", "Fabfleet", "agent", "ca.pem")
    authority = controller.services.plant.authorities().pem
    assert (computer.state / "ca.pem").read_text("ascii") == authority
    with socket.create_connection(("127.0.0.1", address.port), timeout=20) as plain:
        plain.sendall(b"\x10\x10\0\x04MQTT\x04\x02\0\x0a\0\x04test")
        with suppress(ConnectionError):
            assert not plain.recv(4).startswith(b"\x20"), "nobody comes in in the clear"


def test_what_the_page_says_to_run_lies_in_the_package(computer: Windows) -> None:
    line = commands("https://fab.example.vn", "token", language("en")).windows
    found = re.search(r"-File \.\\(\S+)", line)
    assert found is not None
    script = computer.drive / PROGRAMS / found[1]
    for called in re.findall(r"\$programs\\([\w.-]+)", script.read_text("utf-8")):
        assert (computer.drive / PROGRAMS / called).is_file(), called


def test_the_same_files_give_the_same_zip(computer: Windows, tmp_path: Path) -> None:
    files = shutil.copytree(computer.drive / PROGRAMS, tmp_path / "files")  # a running program adds to its own
    for name in ("a", "b"):
        pack(files, tmp_path / f"{name}.zip", 1_700_000_000)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_controller_sees_the_computer_and_what_it_drives(computer: Windows, browser: httpx.Client) -> None:
    wanted = {"computer": "ok", "network": "ok", "projector": "ok", "printer": "ok"}
    eventually(lambda: devices(browser) == wanted, "all four devices are well", 120)
    host = values(browser, "computer")
    assert host["memory-free"] > 0  # type: ignore[operator]
    assert {"cpu", "memory-used", "disk-c-used", "uptime"} <= host.keys()
    assert values(browser, "network")["wifi"] == "none"


def test_projector_is_driven_over_tcp(computer: Windows, projector: SimulatedProjector) -> None:
    said = computer.agent("do", "projector", "power-on")
    assert said.returncode == 0, said.stdout + said.stderr
    eventually(lambda: projector.state()["power"] == "1", "it is on", 30)


def test_printer_is_driven_over_rfc2217_and_guarded_by_its_lease(
    computer: Windows, printer: SimulatedPrinter, browser: httpx.Client
) -> None:
    eventually(lambda: values(browser, "printer").get("state") == "ready", "the printer is ready", 120)
    assert computer.agent("do", "printer", "home").returncode == 1
    assert not [line for line in printer.done() if "G28" in line]
    assert computer.agent("do", "printer", "stop").returncode == 0


def test_a_lost_broker_costs_no_reading(computer: Windows, controller: Running, state: Path) -> None:
    process = computer.process()
    controller.stop_broker()
    computer.until_told("server   online", "status")
    computer.until_told("outbox   0 to send", "status")
    assert computer.process() == process
    assert verify(make_engine(settings(state).database)) == 0


def test_an_agent_killed_with_its_computer_goes_on_where_it_was(
    computer: Windows, browser: httpx.Client, state: Path
) -> None:
    process = computer.process()
    assert process is not None
    os.kill(process, signal.SIGKILL)
    eventually(lambda: "offline" in devices(browser).values(), "its devices are offline", 120)
    computer.reboot()
    eventually(lambda: "offline" not in devices(browser).values(), "they are back", 120)
    assert computer.process() != process
    assert verify(make_engine(settings(state).database)) == 0


def test_doctor_finds_no_fault(computer: Windows) -> None:
    said = computer.agent("doctor")
    assert said.returncode == 0, said.stdout


def test_a_stopped_service_ends_and_says_goodbye(computer: Windows, browser: httpx.Client) -> None:
    computer.service("stop")
    eventually(lambda: computer.process() is None, "the service ended", 120)
    assert "STOPPED" in computer.service("query")
    assert not (computer.state / "control.json").exists()
    eventually(lambda: set(devices(browser).values()) == {"offline"}, "its devices are offline", 120)
    assert computer.agent("service", "remove").returncode == 0
    assert "STATE" not in computer.service("query")


def test_a_seeded_copy_enrols_by_itself_and_a_known_computer_gets_its_name_back_after_one_word(
    computer: Windows, browser: httpx.Client, controller: Running, state: Path
) -> None:
    """What install.ps1 -AtFirstBoot does: it sows, and the service that starts with the copy grows from the seed."""
    admin = Admin(make_engine(settings(state).database), quick(), wall_ms)
    secret = admin.add_enrol_token(Place("an-phu", "p2"), 1, 3_600_000)
    token = token_text(secret, replace(settings(state), own_tls=True))
    shutil.rmtree(computer.state)
    said = computer.agent("enrol", "--at-first-boot", controller.url, token)
    assert said.returncode == 0, said.stderr
    assert token in (computer.state / "seed.json").read_text("utf-8")
    assert computer.agent("service", "install").returncode == 0
    computer.reboot()
    eventually(lambda: "press “Let it back in”" in computer.log(), "its log says what it waits for", 120)
    assert not (computer.state / "credentials.json").exists()
    page = browser.get("/agents", headers={"accept-language": "en"}).text
    [arrival] = re.findall(r"arrivals/(\d+)/admit", page)
    answer = browser.post(f"/agents/arrivals/{arrival}/admit", data={"csrf": csrf_of(browser)})
    assert answer.status_code in (200, 303), answer.text
    computer.until_told("server   online", "status")
    eventually(lambda: devices(browser).get("computer") == "ok", "it is back under its name", 120)
