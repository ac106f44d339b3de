"""The PJLink bridge against a projector that is a process of its own; and that projector against foreign clients."""

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.model import CommandStatus
from controller.demo.farends.projector_model import Projector, Settings
from device_profiles.profile import load as load_profile
from firmware_bridges.base import BadReply, BridgeError, LinkLost, Refused
from firmware_bridges.pjlink import Found, NoticeListener, PjlinkBridge, Told, search
from firmware_bridges.record import Way
from hil.farends.child import ROOT
from hil.farends.fetch import python_packages
from hil.farends.pins import CLIENTS
from hil.farends.simulated_projector import PROMPT, SimulatedProjector
from hil.farends.splitter import Splitter
from hil.farends.transcript import load
from hil.lab import FarEnd, missing
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched

pytestmark = pytest.mark.hil

TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts" / "pjlink").glob("*.txt"))
Start = Callable[..., SimulatedProjector]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SimulatedProjector] = []

    def make(*options: str) -> SimulatedProjector:
        started.append(SimulatedProjector(*options))
        return started[-1]

    yield make
    for each in started:
        each.close()


@pytest.fixture
def projector(start: Start) -> SimulatedProjector:
    return start()


@pytest.fixture
def bridge(projector: SimulatedProjector) -> Iterator[PjlinkBridge]:
    made = PjlinkBridge(projector.endpoint, PROMPT)
    made.open()
    yield made
    made.close()


@pytest.fixture
def watched(projector: SimulatedProjector, tmp_path: Path) -> Iterator[Watched]:
    """The projector as the agent has it."""
    profile = load_profile("pjlink/projector")
    device = Watched(tmp_path, profile, lambda: PjlinkBridge(projector.endpoint, PROMPT))
    device.begin()
    device.until(lambda values: values["power"] == "off")
    yield device
    device.close()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_own_projector_answers_as_the_recorded_one_did(path: Path) -> None:
    recorded = load(path)
    transition_s = float(recorded.about["transition_s"])
    settings = Settings(
        pjclass=int(recorded.about["class"]),
        warm_up_s=transition_s,
        cool_down_s=transition_s,
        name="EB-L735U",
        manufacturer="EPSON",
        model="EB-L735U",
        serial="X8JK0000001",
        resolution="1920x1200",
        filter_model="ELPAF60",
        inputs={"11": "Computer", "31": "HDMI1", "32": "HDMI2", "51": "LAN"},
    )
    ours = Projector(settings, 0.0)
    asked = ""
    for piece in recorded.pieces[1:]:
        line = piece.data.decode().rstrip("\r")
        if piece.way is Way.TO_DEVICE:
            asked = line[line.index("%") :]
        elif line != "PJLINK ERRA":
            assert ours.answer(asked, piece.at_ms / 1000) == line, asked


def test_projector_of_the_lab_is_read(pjlink: FarEnd) -> None:
    bridge = pjlink.bridge()
    bridge.open()
    values = bridge.poll()
    assert values["power"] in ("off", "on", "cooling", "warming")
    assert values["pjlink-class"] in (1, 2)
    bridge.close()


def test_projector_is_read(projector: SimulatedProjector, bridge: PjlinkBridge) -> None:
    values = bridge.poll()
    assert values["power"] == "off"
    assert values["on"] is False
    assert values["lamp-hours"] == 1200
    assert values["filter-hours"] == 300
    assert values["serial-number"] == "FF000206"
    assert values["name"] == "Phòng 206"
    assert values["input"] is None
    assert values["fan-state"] == "ok"
    projector.tell("lamp 3870")
    projector.tell("error fan 2")
    projector.tell("error filter 1")
    values = bridge.poll()
    assert (values["lamp-hours"], values["fan-state"], values["filter-state"]) == (3870, "error", "warning")


def test_power_on_returns_when_the_projector_warms_up_and_not_before_it_says_so(
    projector: SimulatedProjector, bridge: PjlinkBridge
) -> None:
    bridge.execute("power-on", {})
    assert projector.state()["power"] in "31"
    assert poll_until(bridge, lambda values: values["power"] == "on")["lamp-lit"] is True
    bridge.execute("power-off", {})
    assert projector.state()["power"] in "20"
    poll_until(bridge, lambda values: values["power"] == "off")


def test_input_goes_by_code_or_name_and_mute_by_both_tracks(
    projector: SimulatedProjector, bridge: PjlinkBridge
) -> None:
    bridge.execute("power-on", {})
    poll_until(bridge, lambda values: values["power"] == "on")
    bridge.execute("input", {"input": "hdmi 2"})
    assert projector.state()["input"] == "32"
    bridge.execute("input", {"input": "11"})
    assert bridge.poll()["input"] == "VGA"
    bridge.execute("mute", {"on": True})
    assert projector.state()["muted"] == "1"
    assert bridge.poll()["picture-muted"] is True
    bridge.execute("mute", {"on": False})
    assert bridge.poll()["sound-muted"] is False


def test_names_given_in_the_options_stand_above_the_projectors_own(projector: SimulatedProjector) -> None:
    bridge = PjlinkBridge(projector.endpoint, {**PROMPT, "inputs": {"31": "Máy giáo viên"}})
    bridge.open()
    bridge.execute("power-on", {})
    values = poll_until(bridge, lambda values: values["power"] == "on")
    assert values["input"] == "Máy giáo viên"
    bridge.close()


@pytest.mark.parametrize(
    ("action", "args", "reason"),
    [
        ("input", {"input": "HDMI 1"}, "cannot do this now"),
        ("mute", {"on": True}, "cannot do this now"),
        ("input", {"input": "HDMI 9"}, "no input"),
        ("input", {}, "no input"),
        ("mute", {"on": "yes"}, "true or false"),
        ("fly", {}, "no action"),
    ],
)
def test_what_the_projector_will_not_do_is_refused(
    bridge: PjlinkBridge, action: str, args: dict[str, str | bool], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        bridge.execute(action, args)
    assert bridge.poll()["power"] == "off"


def test_failing_projector_refuses_commands_and_shows_it(projector: SimulatedProjector, bridge: PjlinkBridge) -> None:
    projector.tell("trouble POWR ERR4")
    with pytest.raises(Refused, match="failure"):
        bridge.execute("power-on", {})
    values = bridge.poll()
    assert values["failure"] is True
    assert values["power"] is None


def test_projector_that_says_ok_and_does_nothing_is_a_bad_reply(projector: SimulatedProjector) -> None:
    bridge = PjlinkBridge(projector.endpoint, {"confirm_s": 0.4})
    bridge.open()
    projector.tell("stuck 1")
    with pytest.raises(BadReply, match="did not do it"):
        bridge.execute("power-on", {})
    projector.tell("stuck 0")
    assert bridge.poll()["power"] == "off"
    bridge.close()


def test_class_1_projector_is_asked_for_class_1_only(start: Start) -> None:
    projector = start("--pjclass", "1")
    bridge = PjlinkBridge(projector.endpoint, PROMPT)
    bridge.open()
    values = bridge.poll()
    assert values["pjlink-class"] == 1
    assert "filter-hours" not in values
    assert not projector.heard("%2")
    bridge.close()


def test_query_that_the_projector_does_not_know_is_asked_once(
    projector: SimulatedProjector, bridge: PjlinkBridge
) -> None:
    projector.tell("trouble ERST ERR1")
    for _ in range(3):
        assert "fan-state" not in bridge.poll()
    assert projector.heard("%1ERST") == ["heard %1ERST ?"]


@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_the_password_nothing_is_read(start: Start, password: str) -> None:
    bridge = PjlinkBridge(start("--password", "sekret").endpoint, {**PROMPT, "password": password})
    with pytest.raises(Refused, match="password"):
        bridge.open()
    bridge.close()


def test_with_the_password_every_new_connection_is_proven(start: Start) -> None:
    projector = start("--password", "sekret")
    bridge = PjlinkBridge(projector.endpoint, {**PROMPT, "password": "sekret"})
    bridge.open()
    bridge.poll()
    projector.tell("drop")
    assert bridge.poll()["power"] == "off"
    bridge.close()


def test_connection_that_the_projector_closes_when_idle_is_no_fault(start: Start) -> None:
    projector = start("--idle", "0.2")
    bridge = PjlinkBridge(projector.endpoint, PROMPT)
    bridge.open()
    for _ in range(3):
        time.sleep(0.4)
        assert bridge.poll()["power"] == "off"
    time.sleep(0.4)
    bridge.execute("power-on", {})
    bridge.close()


def test_search_finds_a_projector_and_a_listener_hears_what_it_tells(start: Start) -> None:
    listener = NoticeListener("127.0.0.1", 0)
    projector = start("--notify", f"127.0.0.1:{listener.port}")
    assert search(("127.0.0.1",), port=projector.udp_port, wait_s=0.5) == [Found("127.0.0.1", "02:00:00:00:02:06")]
    told: list[Told] = []
    projector.tell("power 1")
    projector.tell("error lamp 2")
    deadline = time.monotonic() + 10
    while len(told) < 4 and time.monotonic() < deadline:
        told += listener.read(0.1)
    listener.close()
    pairs = [(each.notice.body, each.notice.value) for each in told]
    assert pairs[0] == ("LKUP", "02:00:00:00:02:06")
    assert set(pairs[1:]) == {
        ("POWR", "3"),
        ("POWR", "1"),
        ("ERST", "020000"),
    }


def test_agent_survives_twenty_unplugs(projector: SimulatedProjector, watched: Watched) -> None:
    baseline = resources_at_rest()
    for times in range(1, 21):
        projector.kill()
        watched.until_lost()
        projector.restart()
        assert watched.until_back(times)["lamp-hours"] == 1200
    assert watched.faults() == [LinkLost] * 20
    assert_nothing_left_behind(baseline)


@pytest.mark.parametrize(("fault", "kind"), [("frozen", LinkLost), ("garbage", BadReply), ("huge", BadReply)])
def test_agent_survives_a_projector_that_answers_wrongly(
    projector: SimulatedProjector, watched: Watched, fault: str, kind: type[BridgeError]
) -> None:
    """`huge` is an answer of a megabyte."""
    baseline = resources_at_rest()
    projector.tell(f"fault {fault}")
    watched.until_lost()
    time.sleep(PROMPT["reply_s"] + 0.5)  # longer than one attempt to open it
    projector.tell("fault none")
    assert watched.until_back(1)["lamp-hours"] == 1200
    assert watched.faults() == [kind]
    assert_nothing_left_behind(baseline)


def test_projector_whose_password_nobody_told_is_refused_once(start: Start, tmp_path: Path) -> None:
    projector = start("--password", "sekret")
    device = Watched(tmp_path, load_profile("pjlink/projector"), lambda: PjlinkBridge(projector.endpoint, PROMPT))
    device.until_lost()
    time.sleep(PROMPT["reply_s"] + 0.5)  # longer than one attempt to open it
    projector.kill()
    start("--port", str(projector.port))
    assert device.until_back(1)["power"] == "off"
    assert device.faults() == [Refused]
    device.close()


def test_agent_reads_on_when_every_byte_of_a_reply_comes_by_itself(
    projector: SimulatedProjector, tmp_path: Path
) -> None:
    with Splitter(projector.endpoint) as way:
        bridge = PjlinkBridge(way.endpoint, {"reply_s": 20})
        device = Watched(tmp_path, load_profile("pjlink/projector"), lambda: bridge)
        device.begin()
        whole = device.until(lambda values: values["power"] == "off")
        baseline = resources_at_rest()
        way.cutting.set()
        projector.tell("lamp 3870")
        assert device.until(lambda values: values["lamp-hours"] == 3870) == {**whole, "lamp-hours": 3870}
        assert device.faults() == []
        assert_nothing_left_behind(baseline)
        device.close()


def test_projector_killed_while_it_is_switched_on_fails_that_command(
    projector: SimulatedProjector, watched: Watched
) -> None:
    baseline = resources_at_rest()
    projector.tell("stuck 1")
    command = watched.order("power-on")
    projector.wait_for_request("%1POWR 1")
    projector.kill()
    assert watched.outcome(command).status is CommandStatus.FAILED
    projector.restart()
    assert watched.until_back(1)["power"] == "off"
    assert watched.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


def test_peer_that_is_no_projector_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            way, _ = server.accept()
            with way:
                way.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                way.recv(100)

        thread = threading.Thread(target=answer)
        thread.start()
        bridge = PjlinkBridge(f"tcp://127.0.0.1:{server.getsockname()[1]}", PROMPT)
        with pytest.raises(BadReply, match="not a greeting"):
            bridge.open()
        bridge.close()
        thread.join()


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1", "udp://127.0.0.1:1", "/dev/ttyUSB0", "tcp://"])
def test_endpoint_that_is_no_tcp_address_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PjlinkBridge(endpoint, {})


FOREIGN = {
    "aiopjlink2": """
        import asyncio, sys
        from aiopjlink import Errors, PJLink, PJLinkERR3, PJLinkPassword, Power, Sources
        async def main(port):
            link = PJLink(address="127.0.0.1", port=port, password="sekret")
            assert await link.power.get() is Power.State.OFF
            try:
                await link.sources.set(Sources.Mode.DIGITAL, 2)
            except PJLinkERR3:
                pass
            else:
                raise AssertionError("an input was set in standby")
            await link.power.turn_on()
            while await link.power.get() is not Power.State.ON:
                await asyncio.sleep(0.05)
            await link.sources.set(Sources.Mode.DIGITAL, 2)
            assert await link.sources.get() == (Sources.Mode.DIGITAL, "2")
            assert (Sources.Mode.DIGITAL, "2", "HDMI 2") in await link.sources.available_with_names()
            await link.mute.both(True)
            assert await link.mute.status() == (True, True)
            assert await link.lamps.hours() == 1200
            assert await link.filter.hours() == 300
            assert set((await link.errors.query()).values()) == {Errors.Level.OK}
            table = await link.info.table()
            assert table["serial_number"] == "FF000206", table
            assert table["pjlink_class"] == "PJClass.TWO", table
            assert await link.sources.resolution() == (1920, 1080)
            await link.freeze.set(True)
            assert await link.freeze.get() is True
            try:
                await PJLink(address="127.0.0.1", port=port, password="wrong").power.get()
            except PJLinkPassword:
                print("agreed")
        asyncio.run(main(int(sys.argv[1])))
    """,
    "pypjlink2": """
        import sys, time
        from pypjlink.projector import Projector, ProjectorError
        with Projector.from_address("127.0.0.1", int(sys.argv[1])) as projector:
            assert projector.authenticate("sekret") is True
            assert projector.get_power() == "off"
            projector.set_power("on")
            assert projector.get_power() in ("warm-up", "on")
            while projector.get_power() != "on":
                time.sleep(0.05)
            projector.set_input("DIGITAL", 2)
            assert projector.get_input() == ("DIGITAL", 2)
            projector.set_mute(3, True)
            assert projector.get_mute() == (True, True)
            assert projector.get_lamps() == [(1200, True)]
            assert set(projector.get_errors().values()) == {"ok"}
            assert ("RGB", 1) in projector.get_inputs()
            assert projector.get_manufacturer() == "FABFLEET"
            assert projector.get_product_name() == "PJ-206"
            try:
                projector.set_input("DIGITAL", 9)
            except ProjectorError:
                pass
            else:
                raise AssertionError("an input was set that is not there")
        with Projector.from_address("127.0.0.1", int(sys.argv[1])) as projector:
            assert projector.authenticate("wrong") is False
            print("agreed")
    """,
}


@pytest.mark.parametrize("client", FOREIGN)
def test_foreign_client_and_own_projector_understand_each_other(start: Start, client: str) -> None:
    try:
        packages = python_packages(CLIENTS)
    except subprocess.SubprocessError as error:
        missing("foreign PJLink clients", error)
    projector = start("--password", "sekret")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FOREIGN[client]), str(projector.port)],
        env=os.environ | {"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("agreed\n", 0), done.stderr
    truth = projector.state()
    assert (truth["power"], truth["input"], truth["muted"]) == ("1", "32", "1")
