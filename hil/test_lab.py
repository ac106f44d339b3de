"""The lab itself: where tests run, what they may do there, and that a machine's endpoint is driven as a simulator's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil.__main__ import guide
from hil.conftest import FAR_ENDS
from hil.farends.child import ROOT
from hil.farends.printer import SimulatedPrinter
from hil.farends.simulated_projector import SimulatedProjector
from hil.lab import RISKS, SIMULATED, Place, load, missing

pytestmark = pytest.mark.hil

NONE: frozenset[str] = frozenset()


def test_lab_of_the_project_simulates_everything() -> None:
    lab = load(ROOT / "hil" / "lab.toml")
    assert set(lab) == FAR_ENDS
    assert not any(place.physical for place in lab.values())
    assert load(None) == {}


@pytest.mark.parametrize("wrong", ['colour = "red"', 'allow = ["flood"]'])
def test_lab_file_that_nobody_understands_is_refused_by_name(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(f'[marlin]\nendpoint = "/dev/ttyUSB0"\n{wrong}\n')
    with pytest.raises(ValueError, match=r"marlin: .*(colour|flood)"):
        load(file)


@pytest.mark.parametrize("risk", sorted(RISKS))
def test_machine_takes_a_risk_only_if_it_is_allowed_and_armed(risk: str) -> None:
    marks = frozenset({"hil", risk})
    for allow in ((), (risk,)):
        for armed in (False, True):
            permitted = Place("/dev/ttyUSB0", allow=allow).permits(marks, armed=armed)
            assert permitted is (armed and bool(allow))
    assert Place(SIMULATED).permits(marks, armed=False)


def test_simulator_and_machine_each_leave_out_what_is_the_other_s() -> None:
    machine, simulator = Place("tcp://192.0.2.7:4352"), Place(SIMULATED)
    assert machine.permits(NONE, armed=False)
    assert simulator.permits(NONE, armed=False)
    assert not machine.permits(frozenset({"sim_only"}), armed=True)
    assert not simulator.permits(frozenset({"physical_only"}), armed=True)


def test_far_end_that_cannot_be_had_fails_where_it_must_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_REQUIRE", "1")
    with pytest.raises(pytest.fail.Exception, match="a board: no gcc"):
        missing("a board", OSError("no gcc"))
    monkeypatch.setenv("HIL_REQUIRE", "0")
    with pytest.raises(pytest.skip.Exception, match="a board: no gcc"):
        missing("a board", OSError("no gcc"))


def test_guide_tells_how_to_run_and_what_there_is() -> None:
    done = subprocess.run([sys.executable, "-m", "hil"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == guide()
    assert "OctoPrint" in done.stdout


def of_the_lab(file: Path, *arguments: str) -> str:
    """What pytest says of the tests that run with this lab."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--lab", str(file), *arguments]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_endpoint_of_a_machine_is_driven_by_the_same_tests(tmp_path: Path) -> None:
    """A simulator started here stands for the machine: the tests see its endpoint and nothing else."""
    projector = SimulatedProjector("--password", "sekret")
    file = tmp_path / "lab.toml"
    file.write_text(f'[pjlink]\nendpoint = "{projector.endpoint}"\noptions = {{ password = "sekret" }}\n')
    told = of_the_lab(file, "hil/test_pjlink.py", "-k", "of_the_lab")
    assert "PASSED hil/test_pjlink.py::test_projector_of_the_lab_is_read" in told
    assert projector.heard("%1POWR")
    projector.close()


def test_machine_that_may_move_is_moved_only_when_armed(tmp_path: Path) -> None:
    try:
        printer = SimulatedPrinter(tmp_path / "printer")
    except (OSError, subprocess.SubprocessError) as error:
        missing("OctoPrint's virtual printer", error)
    file = tmp_path / "lab.toml"
    file.write_text(f'[marlin]\nendpoint = "{tmp_path / "printer"}"\nprofile = "prusa/mk3s"\nallow = ["motion"]\n')
    some = ("hil/test_marlin.py", "-k", "who_and_how or start_position or warms or unplugs")
    unarmed, armed = of_the_lab(file, *some, "--collect-only"), of_the_lab(file, *some, "--arm")
    assert ("::test_printer_says_who_and_how_it_is" in unarmed, "finds_its_start" in unarmed) == (True, False)
    assert "PASSED hil/test_marlin.py::test_printer_finds_its_start_position" in armed
    assert "warms" not in armed
    assert "unplug" not in armed
    printer.close()
