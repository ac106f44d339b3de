"""The units are what systemd takes, are hardened, and agree with sysusers and tmpfiles."""

import configparser
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent.main import BEAT_S
from controller.serve import ALIVE_EVERY_S
from tools.deb import PARTS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "systemd"
UNITS = [FOLDER / "fabfleet-agent.service", FOLDER / "fabfleet-controller.service"]
"""Those that run for good."""
HELPERS = sorted({*FOLDER.glob("*.service"), *FOLDER.glob("*.path")} - set(UNITS))
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}


def service(unit: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of systemd keep their case
    parser.read_string(unit.read_text("utf-8"))
    return parser["Service"]


def entries(name: str) -> list[list[str]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_each_unit_is_in_the_package_of_its_part() -> None:
    packed = {f"{part.package}.service" for part in PARTS.values()}
    packed |= {name for part in PARTS.values() for name in part.more_units}
    assert packed == {unit.name for unit in (*UNITS, *HELPERS)}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_notifies_restarts_and_is_hardened(unit: Path) -> None:
    section = service(unit)
    assert section["Type"] == "notify"
    assert section["Restart"] == "always"
    assert {key: section[key] for key in HARDENED} == HARDENED


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_starts_a_command_of_this_distribution(unit: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert Path(service(unit)["ExecStart"].split()[0]).name in scripts


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_runs_as_a_user_that_sysusers_makes_and_tmpfiles_gives_its_folder(unit: Path) -> None:
    section = service(unit)
    users = {entry[1] for entry in entries(f"{unit.stem}.sysusers.conf") if entry[0] == "u"}
    owners = {entry[1]: entry[3] for entry in entries(f"{unit.stem}.tmpfiles.conf") if entry[0] == "d"}
    assert section["User"] in users
    assert owners[f"/var/lib/{section['StateDirectory']}"] == section["User"]


@pytest.mark.parametrize(("name", "most"), [("fabfleet-controller", 2.0), ("fabfleet-agent", 4.0)])
def test_unit_exposes_no_more_than_it_must_by_systemd_s_own_count(name: str, most: float) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(FOLDER / f"{name}.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found
    assert float(found[1]) <= most


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_gives_its_watchdog_more_than_two_beats_of_its_program(unit: Path) -> None:
    beat_s = {"fabfleet-agent": BEAT_S, "fabfleet-controller": ALIVE_EVERY_S}[unit.stem]
    assert float(service(unit)["WatchdogSec"]) > 2 * beat_s


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_starts_the_program_where_its_package_puts_it(unit: Path) -> None:
    part = PARTS[unit.stem.removeprefix("fabfleet-")]
    assert service(unit)["ExecStart"].split()[0] == f"/opt/fabfleet/{part.name}/bin/{part.command}"


@pytest.mark.parametrize("unit", [*UNITS, *HELPERS], ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path, tmp_path: Path) -> None:
    for each in (*UNITS, *HELPERS):  # they name each other
        text = re.sub(r"/opt/fabfleet/\S+", "/bin/true", each.read_text("utf-8"))
        (tmp_path / each.name.replace("@.", "@mosquitto.")).write_text(text, "utf-8")
    text, copy = unit.read_text("utf-8"), tmp_path / unit.name.replace("@.", "@mosquitto.")
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.returncode == 0
    assert re.findall(r"(?m)^\[(\w+)\]$", text) in (
        ["Unit", "Service", "Install"], ["Unit", "Service"], ["Unit", "Path", "Install"]
    )  # fmt: skip
