"""What the doctor says of what the agent keeps, and of its devices."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import doctor_state as kept
from agent.cli import main
from agent.clock import Clock
from agent.config import AgentConfig, load_config
from agent.control import ControlServer
from agent.doctor import examine
from agent.draft import Draft
from agent.findings import Finding, Verdict
from agent.outbox import Outbox
from contract.lease import sign
from contract.messages import LeaseBook, encode
from contract.model import Lease

NOW_MS = 1_795_000_000_000
KEY = b"0123456789abcdef"
CONFIG = """
school = "school"
agent = "agent"
[broker]
port = 1
[controller]
url = "http://127.0.0.1:1"
"""
PRINTER = """
[[devices]]
id = "printer"
profile = "creality/ender-3"
endpoint = "{endpoint}"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "agent"
    folder.mkdir(mode=0o700)
    (folder / "agent.toml").write_text(CONFIG)
    (folder / "credentials.json").write_text(json.dumps({"password": "p", "lease_key": KEY.hex()}))
    (folder / "credentials.json").chmod(0o600)
    return folder


def found(state: Path) -> dict[str, Finding]:
    """By what was looked at."""
    return {each.what.en: each for each in examine(state / "agent.toml", state, Clock())}


def config_of(state: Path, more: str = "") -> AgentConfig:
    (state / "agent.toml").write_text(CONFIG + more)
    return load_config(state / "agent.toml", state, {})


def test_everything_is_looked_at_and_named_in_both_languages(state: Path) -> None:
    config_of(state, PRINTER.format(endpoint="/dev/ttyUSB-none"))
    findings = found(state)
    assert list(findings) == [
        "state folder", "state after a restart", "configuration", "credentials", "disk room", "agent", "clock",
        "broker", "server", "lease book", "outbox", "device printer",
    ]  # fmt: skip
    assert findings["device printer"].code == "port-missing"
    for each in findings.values():
        assert each.what.vi
        assert each.seen.vi
        assert bool(each.cure.en) == bool(each.cure.vi) == (each.verdict is not Verdict.GOOD)


def test_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    assert found(tmp_path / "none")["state folder"].code == "state-missing"
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_folder_and_credentials_that_others_can_read_are_told(state: Path) -> None:
    state.chmod(0o755)
    (state / "credentials.json").chmod(0o644)
    findings = found(state)
    assert (findings["state folder"].code, findings["credentials"].code) == ("state-open", "credentials-open")
    assert findings["credentials"].verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("free_mb", "code", "verdict"),
    [(5_000, "disk", Verdict.GOOD), (400, "disk-low", Verdict.DOUBTFUL), (100, "disk-low", Verdict.BAD)],
)
def test_disk_without_room_is_a_warning_before_it_is_a_fault(
    state: Path, monkeypatch: pytest.MonkeyPatch, free_mb: int, code: str, verdict: Verdict
) -> None:
    usage = shutil.disk_usage(state)._replace(free=free_mb << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    finding = kept.disk(config_of(state))
    assert (finding.code, finding.verdict) == (code, verdict)


@pytest.mark.parametrize(
    ("certain", "offset_ms", "code"),
    [(True, None, "clock"), (True, 900, "clock"), (False, None, "clock-uncertain"), (True, -90_000, "clock-off")],
)
def test_clock_is_judged_by_what_is_known_of_it(certain: bool, offset_ms: int | None, code: str) -> None:
    assert kept.clock(certain=certain, offset_ms=offset_ms).code == code


def test_clock_that_is_off_says_by_how_much_and_which_way() -> None:
    assert kept.clock(certain=True, offset_ms=-90_000).seen.en == "90 s ahead of the server's"
    assert kept.clock(certain=True, offset_ms=90_000).seen.en == "90 s behind the server's"


def test_lease_book_tells_its_age_and_who_holds_what(state: Path) -> None:
    config = config_of(state, PRINTER.format(endpoint="/dev/ttyUSB0"))
    assert kept.leases(config, NOW_MS).code == "leases-none"
    lease = Lease("printer", "12A1", NOW_MS - 1000, NOW_MS + 1000)
    book = LeaseBook(str(config.address), 2, 5, NOW_MS - 3 * 86_400_000, (lease,))
    (state / "leases.json").write_bytes(encode(sign(book, KEY)))
    assert kept.leases(config, NOW_MS).seen.en.startswith("2.5, 3 days old; held now: printer (12A1, ")
    assert kept.leases(config, NOW_MS + 1000).seen.en.endswith("held now: none")
    (state / "leases.json").write_bytes(encode(sign(book, b"another")))
    assert kept.leases(config, NOW_MS).code == "leases-unusable"


def test_outbox_is_counted_and_not_touched(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(state)
    assert kept.outbox(config).seen.en == "empty"
    outbox = Outbox(state / "outbox.db", lambda: NOW_MS)
    for i in range(3):
        outbox.append(Draft(NOW_MS + i, series={"d": {"m": ((0, 1.0),)}}))
    outbox.close()
    assert (kept.outbox(config).code, kept.outbox(config).seen.en) == ("outbox", "3 to send")
    monkeypatch.setattr(kept, "_BACKLOG", 2)
    assert kept.outbox(config).code == "outbox-backlog"
    (state / "outbox.db").write_bytes(b"rubbish" * 1000)
    assert kept.outbox(config).code == "outbox-unreadable"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, "outbox"),
        ({"fresh": 2_000}, "outbox-backlog"),
        ({"unacked_bytes": 95}, "outbox-full"),
        ({"waiting": 1, "stalled_why": "No space left on device"}, "outbox-stalled"),
    ],
)
def test_outbox_of_a_running_agent_is_told_as_it_is(changed: dict[str, Any], code: str) -> None:
    figures = {"fresh": 1, "attempted": 1, "recalled": 1, "waiting": 0, "unacked_bytes": 10, "stalled_why": ""}
    assert kept.running_outbox(figures | changed, 100).code == code


# -- devices


@pytest.fixture
def running(state: Path) -> Iterator[dict[str, Any]]:
    """What a running agent answers."""
    answer: dict[str, Any] = {
        "version": "1",
        "process": os.getpid(),
        "uplink": {"online": True, "why": ""},
        "outbox": {"fresh": 0, "attempted": 0, "recalled": 0, "waiting": 0, "unacked_bytes": 0, "stalled_why": ""},
        "clock": {"certain": True, "offset_ms": 3},
        "devices": [],
    }
    server = ControlServer(state, {"status": lambda _: answer})
    server.start()
    yield answer
    server.stop()


def test_device_of_a_running_agent_is_not_touched_and_what_it_cannot_reach_is_looked_at(
    state: Path, running: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config_of(state, PRINTER.format(endpoint=f"tcp://127.0.0.1:{port}"))
        entry = {"id": "printer", "state": "open", "detail": "", "identity": "x"}
        running["devices"] = [entry]
        assert found(state)["device printer"].verdict is Verdict.GOOD
        entry["state"], entry["detail"] = "lost", "no contact: no printer answers"
        assert found(state)["device printer"].code == "device-silent"
    assert found(state)["device printer"].code == "nothing-listens"
    running["devices"] = [{**entry, "id": "taken-out"}]
    assert found(state)["device taken-out"].code == "device-silent"


def test_running_agent_that_is_offline_tells_why(state: Path, running: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        (state / "agent.toml").write_text(CONFIG.replace("port = 1\n", f"port = {listening.getsockname()[1]}\n", 1))
        running["uplink"] = {"online": False, "why": "the broker refused: Not authorized"}
        assert found(state)["broker"].code == "broker-refused"
        running["uplink"] = {"online": False, "why": "no way to 127.0.0.1:1: [Errno 111] Connection refused"}
        assert found(state)["broker"].code == "broker-silent"
    assert found(state)["broker"].code == "nothing-listens"


def test_agent_that_does_not_answer_is_told_apart_from_none(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        (state / "control.json").write_text(json.dumps({"port": mute.getsockname()[1], "token": "x"}))

        def hang_up() -> None:
            caller, _ = mute.accept()
            caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        assert found(state)["agent"].code == "agent-hangs"


def test_exit_code_tells_faults_from_warnings(
    state: Path, running: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABFLEET_LANGUAGE", "vi")
    (state / "agent.toml").write_text(CONFIG.replace('url = "http://127.0.0.1:1"', ""))
    running["clock"]["certain"] = False
    running["clock"]["offset_ms"] = None
    assert main(["doctor", "--json", "--state", str(state.parent)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["code"] for each in lines if each["verdict"] == "warning"} == {"clock-uncertain", "server-unknown"}
    assert {each["what"] for each in lines if each["code"] == "clock-uncertain"} == {"đồng hồ"}
    running["uplink"]["online"] = False
    assert main(["doctor", "--state", str(state.parent)]) == 1
    assert "fault    máy chủ tin nhắn: 127.0.0.1:1: " in capsys.readouterr().out
