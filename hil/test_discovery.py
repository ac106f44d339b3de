"""The sweep of a subnet against Debian's snmpd, snmpsim's devices and a projector, on loopback."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.discovery_match import candidates, hint_of, merged
from agent.discovery_subnet import Sweep
from agent.discovery_sweep import sweep
from contract.found import ClueKind
from device_profiles.profile import load, slugs
from hil.farends.simulated_projector import SimulatedProjector
from hil.farends.snmp_agents import MissingFarEnd, NetSnmp, SnmpSim, free_port
from hil.lab import missing

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]
HINTS = tuple(hint_of(load(slug)) for slug in slugs())
SUBNET = "127.0.0.0/30"


@pytest.fixture
def projector() -> Iterator[SimulatedProjector]:
    made = SimulatedProjector()
    yield made
    made.close()


def test_sweep_finds_a_computer_and_a_projector_and_says_what_they_may_be(
    tmp_path: Path, projector: SimulatedProjector
) -> None:
    try:
        agent = NetSnmp(tmp_path)
    except (MissingFarEnd, OSError) as error:
        missing("snmpd", error)
    port = int(projector.endpoint.rpartition(":")[2])
    try:
        seen = sweep(Sweep(SUBNET, snmp_port=agent.port, pjlink_port=port, packets_s=100), own=())
    finally:
        agent.close()
    (thing,) = [each for each in merged(seen) if each.host == "127.0.0.1"]
    kinds = {clue.kind for clue in thing.clues}
    assert {ClueKind.SNMP, ClueKind.PJLINK, ClueKind.PJLINK_CLASS} <= kinds
    told = {each.profile: each.endpoint for each in candidates(thing, HINTS)}
    assert told["net-snmp/host"] == f"udp://127.0.0.1:{agent.port}"
    assert told["pjlink/projector"] == f"tcp://127.0.0.1:{port}"


@pytest.mark.parametrize(("community", "profile"), [("unifi", "ubiquiti/unifi-ap"), ("omada", "tp-link/omada-eap")])
def test_sweep_knows_access_points_by_their_object_id(simulator: SnmpSim, community: str, profile: str) -> None:
    seen = sweep(Sweep(SUBNET, community, snmp_port=simulator.port, pjlink_port=9, packets_s=100), own=())
    assert [candidates(each, HINTS)[0].profile for each in seen] == [profile]


def test_sweep_hears_nobody_who_does_not_know_the_community_nor_itself(simulator: SnmpSim) -> None:
    there = Sweep(SUBNET, "wrong", snmp_port=simulator.port, pjlink_port=9, packets_s=100)
    assert sweep(there, own=()) == ()
    own = Sweep(SUBNET, "unifi", snmp_port=simulator.port, pjlink_port=9, packets_s=100)
    assert sweep(own, own=("127.0.0.1", "127.0.0.2")) == ()


def test_sweep_sends_no_faster_than_it_says() -> None:
    began = time.monotonic()
    sweep(Sweep("127.77.9.0/29", packets_s=8, snmp_port=free_port(), pjlink_port=9), own=("127.77.9.1",))
    assert time.monotonic() - began >= 2 * 5 / 8, "five addresses, a question and a knock each"


def test_sweep_of_an_empty_subnet_ends() -> None:
    assert sweep(Sweep(SUBNET, snmp_port=free_port(), pjlink_port=9, packets_s=100), own=()) == ()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnmpSim]:
    try:
        running = SnmpSim(tmp_path_factory.mktemp("snmpsim"))
    except (OSError, subprocess.SubprocessError) as error:
        missing("snmpsim", error)
    yield running
    running.close()
