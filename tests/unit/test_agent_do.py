"""`fabfleet-agent do`: what somebody at the machine types, and what he reads."""

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.control import ControlServer
from agent.do import do, said
from agent.download import Source
from agent.errors import NoFile, NotRunning
from agent.job_files import FOLDER, JobFiles, Room
from agent.local import answer, read_args
from contract.model import CommandStatus, Kind
from device_profiles.profile import Action, Words, load
from tests.unit.workshop import ADDRESS, KEY, NOW_MS, Workshop, book, lease, printer

WAIT_S = 20.0


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """With a control server, and a thread that does the worker's work."""
    workshop = Workshop(tmp_path)
    server = ControlServer(
        tmp_path,
        {"do": lambda given: answer(given, {"printer": printer()}, workshop.commands, lambda: NOW_MS)},
    )
    server.start()
    ending = threading.Event()

    def work() -> None:
        while not ending.wait(0.01):
            workshop.work()

    worker = threading.Thread(target=work)
    worker.start()
    yield workshop
    ending.set()
    worker.join(WAIT_S)
    server.stop()


def test_action_at_the_machine_is_carried_out_and_said(workshop: Workshop) -> None:
    assert do(workshop.folder, "printer", "light", []).words == Words("Done.", "Xong.")
    assert workshop.executed == ["light"]


def test_file_of_this_computer_is_printed_with_the_network_down(workshop: Workshop, tmp_path: Path) -> None:
    job = tmp_path / "cube.gcode"
    job.write_bytes(b"G28\n")
    workshop.online = False
    assert do(tmp_path, "printer", "print", [f"path={job}"]).code == 0
    assert do(tmp_path, "printer", "print", [f"path={job}", "name=a = b"]).code == 0
    assert [args["name"] for args in workshop.args] == ["cube.gcode", "a = b"]
    kept = Path(str(workshop.args[0]["path"]))
    assert (kept.parent, kept.read_bytes()) == (tmp_path / FOLDER, b"G28\n")
    digest = kept.name
    assert do(tmp_path, "printer", "print", [f"digest={digest}", "name=again"]).code == 0


def test_file_that_cannot_be_read_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(NoFile, match=r"none\.gcode: No such file"):
        do(tmp_path, "printer", "print", [f"path={tmp_path}/none.gcode"])


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        (("nobody", "light"), "this agent has no such device. It has: printer"),
        (("printer", "fly"), "this device has no such action. It has: cut, light, print, start, stop"),
        (("printer", "light", "colour=red"), "these are not its arguments. It takes: -"),
        (("printer", "print", "name=cube"), "these are not its arguments. It takes: digest=TEXT, name=TEXT"),
        (("printer", "start"), "nobody has taken this machine for now. Book it, or ask a teacher"),
    ],
)
def test_refusal_is_read_in_plain_words(workshop: Workshop, asked: tuple[str, ...], read: str) -> None:
    refused = do(workshop.folder, asked[0], asked[1], asked[2:])
    assert refused.words.en.startswith(f"Refused, nothing was done: {read}")
    assert refused.words.vi.startswith("Bị từ chối, chưa làm gì: ")
    assert (refused.code, workshop.executed) == (1, [])


def test_guarded_action_at_the_machine_works_offline_inside_the_lease(workshop: Workshop) -> None:
    workshop.online = False
    workshop.leases.take(book(1, lease()))
    assert do(workshop.folder, "printer", "start", []).code == 0


@pytest.mark.parametrize(
    ("given", "code", "read"),
    [
        ({"status": CommandStatus.FAILED, "detail": "cable"}, 1, "Failed: cable"),
        ({"status": CommandStatus.EXPIRED, "detail": "expired"}, 1, "Refused, nothing was done: its time ran out"),
        ({"status": CommandStatus.REFUSED, "detail": "paper is out"}, 1, "Refused, nothing was done: paper is out"),
        ({"status": "", "detail": ""}, 3, "No outcome yet"),
        ({"error": "the request is not understood"}, 1, "the request is not understood"),
    ],
)
def test_outcome_has_its_words_and_its_exit_code(given: Mapping[str, Any], code: int, read: str) -> None:
    outcome = said(given)
    assert outcome.words.en.startswith(read)
    assert outcome.code == code


def test_every_refusal_of_the_agent_has_words() -> None:
    codes = ("no-such-device", "no-such-action", "bad-arguments", "busy", "journal", "stopped")
    for code in (*codes, "expired", "no-lease", "clock-uncertain", "no-supervisor"):
        words = said({"status": CommandStatus.REFUSED, "detail": code}).words
        assert code not in words.en.split(": ")[1:]
        assert code not in words.vi.split(": ")[1:]


def test_agent_that_dies_over_an_order_leaves_nobody_to_know(tmp_path: Path) -> None:
    def die(_given: Mapping[str, Any]) -> Mapping[str, Any]:
        raise OSError("gone")

    server = ControlServer(tmp_path, {"do": die})
    server.start()
    assert do(tmp_path, "printer", "light", []).code == 3
    server.stop()
    with pytest.raises(NotRunning):
        do(tmp_path, "printer", "light", [])


def test_words_are_vietnamese_for_who_reads_vietnamese(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = workshop.folder / "agent"
    state.symlink_to(workshop.folder)
    monkeypatch.setenv("FABFLEET_LANGUAGE", "vi")
    assert main(["do", "printer", "light", "--state", str(workshop.folder)]) == 0
    assert capsys.readouterr().out == "Xong.\n"


def test_arguments_are_read_by_their_kind() -> None:
    kinds = {"digest": Kind.TEXT, "count": Kind.INT, "bed": Kind.FLOAT, "fan": Kind.BOOL}
    action = Action("a", Words("", ""), args=kinds)
    texts = {"digest": "123", "count": "4", "bed": "60", "fan": "true"}
    assert read_args(action, texts) == {"digest": "123", "count": 4, "bed": 60.0, "fan": True}
    for name, wrong in (("count", "x"), ("bed", "warm"), ("fan", "yes")):
        with pytest.raises(ValueError):  # noqa: PT011 - any will do
            read_args(action, texts | {name: wrong})


@pytest.mark.parametrize("slug", ["creality/ender-3", "prusa/mk3s"])
def test_printers_take_a_file_by_digest_and_name(slug: str) -> None:
    action = load(slug).actions["print"]
    assert (action.file, set(action.args)) == (True, {"digest", "name"})


def test_what_root_brings_belongs_to_the_agents_account(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    state = tmp_path / "agent"
    state.mkdir(mode=0o700)
    os.chown(state, 65_534, 65_534)
    job = tmp_path / "cube.gcode"
    job.write_bytes(b"G28\n")
    with pytest.raises(NotRunning):
        do(state, "printer", "print", [f"path={job}"])
    (kept,) = (state / FOLDER).iterdir()
    assert (kept.stat().st_uid, stat.S_IMODE(kept.stat().st_mode)) == (65_534, 0o600)
    assert (state / FOLDER).stat().st_uid == 65_534
    assert JobFiles(state / FOLDER, Source("", ADDRESS, KEY), Room(100, 100)).fetch(kept.name, "printer") == kept
