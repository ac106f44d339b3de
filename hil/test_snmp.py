"""The SNMP bridge against Debian's snmpd and against snmpsim, which is a process of its own as well."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.model import Value
from device_profiles.profile import load as load_profile
from firmware_bridges.base import BadReply, BridgeError, LinkLost, Refused
from firmware_bridges.snmp import SnmpBridge
from firmware_bridges.snmp_core import MAX_ROWS
from hil.farends.snmp_agents import PROMPT, V3, MissingFarEnd, NetSnmp, SnmpSim, free_port
from hil.lab import FarEnd, missing
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched
from tests.vocabulary import undeclared

pytestmark = pytest.mark.hil
QUICK = {"timeout_s": 0.6}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[NetSnmp]:
    try:
        running = NetSnmp(tmp_path)
    except (MissingFarEnd, OSError) as error:
        missing("snmpd", error)
    yield running
    running.close()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnmpSim]:
    try:
        running = SnmpSim(tmp_path_factory.mktemp("snmpsim"))
    except (OSError, subprocess.SubprocessError) as error:
        missing("snmpsim", error)
    yield running
    running.close()


def opened(endpoint: str, **options: object) -> SnmpBridge:
    bridge = SnmpBridge(endpoint, {**PROMPT, **options})
    bridge.open()
    return bridge


def trap(port: int, *proof: str, kind: str = "1.3.6.1.6.3.1.1.5.3") -> None:
    """Sent by net-snmp's own program."""
    subprocess.run(["snmptrap", *proof, f"127.0.0.1:{port}", "", kind], check=True, capture_output=True)


def test_device_of_the_lab_is_read(snmp: FarEnd) -> None:
    bridge = snmp.bridge()
    bridge.open()
    values = bridge.poll()
    assert values["name"]
    assert isinstance(values["uptime"], int)
    with pytest.raises(Refused):
        bridge.execute("fly", {})
    bridge.close()


@pytest.mark.sim_only
@pytest.mark.parametrize("options", [{}, V3], ids=["v2c", "v3 authPriv"])
def test_this_machine_is_read_as_its_kernel_tells(agent: NetSnmp, options: dict[str, str]) -> None:
    bridge = opened(agent.endpoint, mibs=["system", "interfaces", "host"], **options)
    values = bridge.poll()
    assert values["name"] == "hil"
    for link in Path("/sys/class/net").iterdir():
        if (link / "operstate").read_text().strip() in ("up", "down"):
            expected = (link / "operstate").read_text().strip() == "up"
            assert values[f"port-{link.name}-up"] is expected, link.name
    assert values["port-lo-in"] is None, "a rate needs two polls"
    time.sleep(1.1)
    assert poll_until(bridge, lambda values: values["port-lo-in"] is not None)
    bridge.close()


@pytest.mark.sim_only
def test_access_point_tells_its_clients_radios_and_networks(simulator: SnmpSim) -> None:
    profile = load_profile("ubiquiti/unifi-ap")
    bridge = opened(simulator.endpoint, **profile.options, community="unifi")
    bridge.poll()
    time.sleep(1.0)
    values = bridge.poll()
    expected: dict[str, Value] = {
        "name": "Thu-vien-AP",
        "clients": 34,
        "radio-wifi0-busy": 41,
        "radio-wifi1-busy": 12,
        "wlan-ath1-network": "FabLab",
        "wlan-ath1-channel": 44,
        "wlan-ath1-clients": 23,
        "wlan-ath1-power": 22,
        "wlan-ath0-up": True,
        "model": "UAP-AC-Pro-Gen2",
        "software": "6.6.77.15402",
        "port-eth0-speed": 1000,
    }
    assert {name: values[name] for name in expected} == expected
    assert values["port-eth0-in"] == pytest.approx(1.0, rel=0.5), "125,000 bytes in a second"
    assert values["port-eth0-out"] == pytest.approx(2.0, rel=0.5)
    bridge.close()


@pytest.mark.sim_only
def test_controller_of_a_whole_school_counts_every_client_and_says_which_ports_it_leaves_out(
    simulator: SnmpSim,
) -> None:
    profile = load_profile("aruba/instant-ap")
    bridge = opened(simulator.endpoint, **profile.options, community="aruba")
    values = bridge.poll()
    assert (values["clients"], values["cpu"], values["left-out"]) == (300, 15.0, 70 - MAX_ROWS)
    assert (values["port-eth0-up"], "port-vlan64-up" in values, "port-vlan65-up" in values) == (True, True, False)
    assert undeclared(profile, values) == []
    bridge.close()


@pytest.mark.sim_only
def test_switch_tells_what_it_feeds_and_printer_what_it_lacks(simulator: SnmpSim) -> None:
    switch = opened(simulator.endpoint, mibs=["system", "interfaces", "poe"], community="switch")
    values = switch.poll()
    assert (values["poe-budget"], values["poe-power"], values["poe-state"]) == (62, 19, "on")
    assert (values["poe-1-1-state"], values["poe-1-7-state"], values["poe-1-8-state"]) == (
        "delivering",
        "disabled",
        "fault",
    )
    assert (values["port-gi5-up"], values["port-gi6-up"]) == (True, False)
    switch.close()
    printer = opened(simulator.endpoint, mibs=["printer"], community="printer")
    values = printer.poll()
    assert (values["state"], values["printing"], values["pages"]) == ("idle", False, 48213)
    assert (values["supply-black-toner"], values["supply-drum"], values["supply-waste-box"]) == (18.0, 75.0, None)
    assert (values["jammed"], values["no-paper"], values["no-toner"]) == (False, False, False)
    printer.close()


@pytest.mark.sim_only
def test_trap_is_heard_from_the_device_itself_and_with_its_proof_alone(agent: NetSnmp) -> None:
    port = free_port()
    bridge = opened(agent.endpoint, trap_port=port)
    assert bridge.poll()["traps"] == 0
    trap(port, "-v2c", "-c", "somebody-else")
    trap(port, "-v2c", "-c", "public")
    assert poll_until(bridge, lambda values: values["traps"] == 1)["last-trap"] == "link-down"
    trap(port, "-v2c", "-c", "public", kind="1.3.6.1.4.1.41112.7")
    assert poll_until(bridge, lambda values: values["traps"] == 2)["last-trap"] == "1.3.6.1.4.1.41112.7"
    bridge.close()
    bridge = opened(agent.endpoint, **V3, trap_port=port)
    engine = ("-v3", "-e", "0x80001f8880aabbccdd", "-u", V3["user"])
    trap(port, *engine, "-l", "noAuthNoPriv")
    signed = ("-a", "SHA-256", "-A", V3["auth_password"], "-x", "AES", "-X", V3["privacy_password"])
    trap(port, *engine, "-l", "authPriv", *signed, kind="1.3.6.1.6.3.1.1.5.1")
    assert poll_until(bridge, lambda values: values["traps"] == 1)["last-trap"] == "cold-start"
    bridge.close()


@pytest.mark.sim_only
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"community": "wrong"}, LinkLost, "no answer"),
        ({**V3, "auth_password": "another-one"}, Refused, "signature"),
        ({**V3, "user": "nobody"}, Refused, "user"),
        ({**V3, "privacy_password": "another-one"}, BridgeError, ".+"),
    ],
)
def test_wrong_proof_is_refused_where_the_protocol_says_so(
    agent: NetSnmp, options: dict[str, str], kind: type[BridgeError], words: str
) -> None:
    bridge = SnmpBridge(agent.endpoint, {**QUICK, **options})
    with pytest.raises(kind, match=words):
        bridge.open()
    bridge.close()


@pytest.mark.sim_only
@pytest.mark.parametrize("options", [{}, V3], ids=["v2c", "v3 authPriv"])
def test_agent_survives_unplugs(agent: NetSnmp, tmp_path: Path, options: dict[str, str]) -> None:
    """A restarted agent has a new boot count, by which SNMPv3 tells old messages from new."""
    bridge = SnmpBridge(agent.endpoint, {"timeout_s": 0.3, **options, "mibs": ["system"]})
    device = Watched(tmp_path, load_profile("net-snmp/host"), lambda: bridge)
    device.begin()
    baseline = resources_at_rest()
    rounds = 8 if not options else 3
    for times in range(1, rounds + 1):
        agent.kill()
        device.until_lost()
        agent.restart()
        assert device.until_back(times)["name"] == "hil"
    assert device.faults() == [LinkLost] * rounds
    assert_nothing_left_behind(baseline)
    device.close()


@pytest.mark.sim_only
@pytest.mark.parametrize(
    ("garble", "kind"),
    [
        (lambda _: b"", LinkLost),
        (lambda _: b"\x30\x82\xff\xff no SNMP at all", BadReply),
        (lambda said: said[: len(said) // 2], BadReply),
        (lambda said: said * 400, BadReply),
    ],
    ids=["nothing", "garbage", "half", "huge"],
)
def test_agent_survives_a_device_that_answers_wrongly(
    agent: NetSnmp, tmp_path: Path, garble: Callable[[bytes], bytes], kind: type[BridgeError]
) -> None:
    with Garbler(agent.port) as way:
        bridge = SnmpBridge(way.endpoint, {**QUICK, "mibs": ["system"]})
        device = Watched(tmp_path, load_profile("net-snmp/host"), lambda: bridge)
        device.begin()
        baseline = resources_at_rest()
        way.garble = garble
        device.until_lost()
        time.sleep(QUICK["timeout_s"] * 2)
        way.garble = lambda said: said
        assert device.until_back(1)["name"] == "hil"
        assert device.faults() == [kind]
        assert_nothing_left_behind(baseline)
        device.close()


class Garbler:
    """Stands between a bridge and an agent, and spoils the answers."""

    def __init__(self, port: int) -> None:
        self.garble: Callable[[bytes], bytes] = lambda said: said
        self._port = port
        self._way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._way.bind(("127.0.0.1", 0))
        self._way.settimeout(0.2)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry)

    @property
    def endpoint(self) -> str:
        return f"udp://127.0.0.1:{self._way.getsockname()[1]}"

    def __enter__(self) -> "Garbler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._way.close()

    def _carry(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
            agent.settimeout(1.0)
            agent.connect(("127.0.0.1", self._port))
            while not self._stop.is_set():
                try:
                    asked, who = self._way.recvfrom(65_535)
                    agent.send(asked)
                    said = self.garble(agent.recv(65_535))[:60_000]
                    if said:
                        self._way.sendto(said, who)
                except (TimeoutError, ConnectionRefusedError):
                    continue
