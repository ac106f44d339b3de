"""The SNMP bridge against what real devices said, each held against the lines of its own recording.

The recordings are those of the package snmpsim-data; none of a printer, nor of POWER-ETHERNET-MIB, is among them.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.model import Value
from device_profiles.profile import load as load_profile
from firmware_bridges.snmp import SnmpBridge
from hil.farends.snmp_agents import SnmpSim, unpack_recordings
from hil.lab import missing
from tests.vocabulary import undeclared

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]
PATIENT = {"timeout_s": 15.0}
IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One device: its recording, the profile that reads it, and how many interfaces it has."""

    recording: str
    profile: str
    ports: int

    @property
    def name(self) -> str:
        return self.recording.rpartition("/")[2]


DEVICES = (
    Recorded("network/router/cisco-unmarked-0", "generic/poe-switch", 28),  # a Catalyst: one port has 64-bit counters
    Recorded("network/switch/dlink-des3038", "generic/poe-switch", 32),
    Recorded("network/switch/maipu-sm4200-16gef8ge-ac", "generic/poe-switch", 25),
    Recorded("network/switch/metel-poe-box", "generic/poe-switch", 5),
    Recorded("network/wifi/ubiquiti-m5", "ubiquiti/unifi-ap", 9),  # without ifXTable
    Recorded("network/wifi/sangfor-wac-2", "aruba/instant-ap", 28),  # likewise
    Recorded("network/wifi/aruba-7010", "aruba/instant-ap", 0),  # neither uptime nor interfaces
)

LACKING = {"poe", "clients", "radio", "wlan", "model", "software"}
"""What begins the names of metrics that the profiles have, and of which none of the devices has the MIB."""


class Recording:
    """A .snmprec: lines of `OID|tag|value`, the value in hexadecimal where the tag ends in x."""

    def __init__(self, path: Path) -> None:
        self._said: dict[str, str] = {}
        for line in path.read_text("latin-1").splitlines():
            oid, tag, value = line.split("|", 2) if line[:1].isdigit() else ("", "", "")
            self._said[oid] = bytes.fromhex(value).decode("utf-8", "replace") if tag.endswith("x") else value

    def one(self, oid: str) -> str | None:
        return self._said.get(oid)

    def column(self, oid: str) -> dict[str, str]:
        return {each[len(oid) + 1 :]: value for each, value in self._said.items() if each.startswith(f"{oid}.")}

    def ports(self) -> dict[str, str]:
        """Index -> how its metrics are named."""
        names = {**self.column(f"{IF}.2"), **self.column(f"{IFX}.1")}
        return {row: re.sub(r"[^a-z0-9]+", "-", names[row].lower()).strip("-") for row in self.column(f"{IF}.8")}

    def values(self) -> dict[str, Value]:
        """What a bridge has to say of interfaces at its second poll: no counter of a recording has grown."""
        told: dict[str, Value] = {}
        errors_in, errors_out = self.column(f"{IF}.14"), self.column(f"{IF}.20")
        octets_in = {**self.column(f"{IF}.10"), **self.column(f"{IFX}.6")}
        octets_out = {**self.column(f"{IF}.16"), **self.column(f"{IFX}.10")}
        speeds = {row: round(int(bits) / 1e6) for row, bits in self.column(f"{IF}.5").items()}
        speeds |= {row: int(mbits) for row, mbits in self.column(f"{IFX}.15").items()}
        for row, port in self.ports().items():
            told[f"port-{port}-up"] = self.column(f"{IF}.8")[row] == "1"
            told |= {f"port-{port}-errors-in": int(errors_in[row])} if row in errors_in else {}
            told |= {f"port-{port}-errors-out": int(errors_out[row])} if row in errors_out else {}
            told |= {f"port-{port}-in": 0.0} if row in octets_in else {}
            told |= {f"port-{port}-out": 0.0} if row in octets_out else {}
            told |= {f"port-{port}-speed": speeds[row]} if row in speeds else {}
        return told


def slower(recording: str) -> str:
    """The same, with counters of 32 bits that grow by 125,000 octets in a second."""
    counter = re.compile(rf"^({re.escape(IF)}\.(?:10|16)\.\d+)\|65\|\d+$", re.MULTILINE)
    return counter.sub(r"\1|65:numeric|rate=125000,initial=1000", recording)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    try:
        unpack_recordings((device.recording for device in DEVICES), folder)
    except (OSError, subprocess.SubprocessError) as error:
        missing("snmpsim-data", error)
    still = (folder / "ubiquiti-m5.snmprec").read_text("utf-8")
    (folder / "ubiquiti-moving.snmprec").write_text(slower(still), "utf-8")
    return folder


@pytest.fixture(scope="module")
def simulator(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnmpSim]:
    try:
        running = SnmpSim(tmp_path_factory.mktemp("snmpsim"), recordings, "ubiquiti-m5")
    except (OSError, subprocess.SubprocessError) as error:
        missing("snmpsim", error)
    yield running
    running.close()


def polled_twice(simulator: SnmpSim, profile: str, community: str, after_s: float) -> Mapping[str, Value | None]:
    options = {**load_profile(profile).options, **PATIENT, "community": community}
    with closing(SnmpBridge(simulator.endpoint, options)) as bridge:
        bridge.open()
        bridge.poll()
        time.sleep(after_s)
        return bridge.poll()


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_device_is_read_as_its_recording_has_it(simulator: SnmpSim, recordings: Path, device: Recorded) -> None:
    said = Recording(recordings / f"{device.name}.snmprec")
    values = polled_twice(simulator, device.profile, device.name, after_s=0.05)
    assert undeclared(load_profile(device.profile), values) == []
    ticks = said.one("1.3.6.1.2.1.1.3.0")
    assert values.get("uptime") == (None if ticks is None else round(int(ticks) / 100))
    assert values["object-id"] == said.one("1.3.6.1.2.1.1.2.0")
    assert values["name"] == said.one("1.3.6.1.2.1.1.5.0")
    assert {name: value for name, value in values.items() if name.startswith("port-")} == said.values()
    assert [name for name in values if name.partition("-")[0] in LACKING] == []
    assert (len(said.ports()), values["left-out"]) == (device.ports, 0)


def test_traffic_is_told_by_counters_of_32_bits_where_there_are_no_others(simulator: SnmpSim) -> None:
    values = polled_twice(simulator, "ubiquiti/unifi-ap", "ubiquiti-moving", after_s=1.0)
    for name in ("port-eth0-in", "port-ath0-out"):
        assert values[name] == pytest.approx(1.0, rel=0.5), "125,000 octets in a second"
