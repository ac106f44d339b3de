"""`fabfleet demo-fault`: what it lists, whom it refuses, and what it leaves for the machine to find."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli import main
from controller.demo.alone import lock_file
from controller.demo.cluster import LAB_NAMES
from controller.demo.farends.faults import FAULTS, PRINTER, PROJECTOR, Fault
from controller.demo.lab import Lab, switch


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A state that a demo holds."""
    lock_file(tmp_path).parent.mkdir(parents=True)
    with lock_file(tmp_path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Lab(tmp_path, 1, 2).prepare()
        yield tmp_path


def test_without_arguments_it_lists_every_machine_and_fault_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo-fault", "--state", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    for machine, faults in FAULTS.items():
        assert f"{machine}: {LAB_NAMES[machine]}" in listed
        for fault, words in faults.items():
            assert f"{fault:<16} {words.english} / {words.vietnamese}" in listed


def test_fault_is_thrown_for_the_machine_to_find_and_shown_with_a_star(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen_by_the_machine = switch(running, PRINTER)
    assert seen_by_the_machine.thrown() is Fault.NONE
    assert main(["demo-fault", "printer", "frozen", "--state", str(running)]) == 0
    assert "* frozen" in capsys.readouterr().out
    assert seen_by_the_machine.thrown() is Fault.FROZEN
    assert seen_by_the_machine.thrown() is None
    assert switch(running, PROJECTOR).fault is Fault.NONE


def test_same_fault_again_is_thrown_again(running: Path) -> None:
    machine = switch(running, PRINTER)
    for _ in range(2):
        assert main(["demo-fault", "printer", "none", "--state", str(running)]) == 0
        assert machine.thrown() is Fault.NONE


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["kettle"], "no machine 'kettle'; there are printer, projector"),
        (["printer", "lamp"], "printer has no fault 'lamp'; it has none, frozen"),
        (["projector", "lamp"], "no demo runs on"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(["demo-fault", *arguments, "--state", str(tmp_path)]) == 1
    assert why in capsys.readouterr().err
    assert switch(tmp_path, PROJECTOR).fault is Fault.NONE


def test_switches_and_sample_are_their_owners_alone_and_all_is_well_at_the_start(running: Path) -> None:
    switch(running, PRINTER).throw(Fault.FROZEN)
    lab = Lab(running, 1, 2)
    lab.prepare()
    assert switch(running, PRINTER).fault is Fault.NONE
    switches = list((running / "demo" / "faults").iterdir())
    assert {path.name for path in switches} == set(FAULTS)
    assert {path.stat().st_mode & 0o777 for path in switches} == {0o600}
    assert lab.sample.read_text("utf-8").startswith("; Fabfleet")
