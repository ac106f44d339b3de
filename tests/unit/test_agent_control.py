"""Only who can read the agent's file can speak to it."""

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.control import FILE, ControlServer, ask
from agent.errors import NoAnswer, NotRunning
from agent.service import Notifier


def echo(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"heard": given}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ControlServer]:
    server = ControlServer(tmp_path, {"echo": echo})
    server.start()
    yield server
    server.stop()


def raw(folder: Path, request: bytes) -> bytes:
    port = json.loads((folder / FILE).read_bytes())["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096)


@pytest.mark.usefixtures("server")
def test_control_answers_who_has_the_token(tmp_path: Path) -> None:
    assert ask(tmp_path, "echo", word="xin chào") == {"heard": {"word": "xin chào"}}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("request_", [b"", b"{", b"[]\n", b'{"ask": "echo"}\n', b'{"ask": "echo", "token": "x"}\n'])
def test_control_tells_others_nothing_and_goes_on(tmp_path: Path, request_: bytes) -> None:
    assert json.loads(raw(tmp_path, request_)) == {"error": "the request is not understood"}
    assert ask(tmp_path, "echo") == {"heard": {}}


@pytest.mark.usefixtures("server")
def test_control_answers_what_it_does_not_know(tmp_path: Path) -> None:
    assert ask(tmp_path, "fly") == {"error": "the request is not understood"}


@pytest.mark.usefixtures("server")
def test_control_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert os.name != "posix" or stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_control_answers_others_while_one_waits(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()
    answers: list[Mapping[str, Any]] = []

    def slow(_given: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.set()
        return {"waited": go_on.wait(20.0)}

    server = ControlServer(tmp_path, {"slow": slow, "echo": echo})
    server.start()
    waiting = threading.Thread(target=lambda: answers.append(ask(tmp_path, "slow", timeout_s=20.0)))
    waiting.start()
    assert asked.wait(20.0)
    assert ask(tmp_path, "echo") == {"heard": {}}
    go_on.set()
    waiting.join(20.0)
    assert answers == [{"waited": True}]
    server.stop()


def test_control_that_breaks_off_is_told_apart_from_none(tmp_path: Path) -> None:
    def die(_given: Mapping[str, Any]) -> Mapping[str, Any]:
        raise OSError("gone")

    server = ControlServer(tmp_path, {"die": die})
    server.start()
    with pytest.raises(NoAnswer):
        ask(tmp_path, "die")
    server.stop()


def test_control_without_an_agent_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no agent runs on"):
        ask(tmp_path, "echo")
    server = ControlServer(tmp_path, {})
    server.start()
    left_behind = (tmp_path / FILE).read_bytes()
    server.stop()
    (tmp_path / FILE).write_bytes(left_behind)
    with pytest.raises(NotRunning):
        ask(tmp_path, "echo")


def test_notifier_speaks_to_systemd(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(10.0)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "120000000"})
        assert notifier.watchdog_s == 120
        notifier.ready()
        notifier.alive()
        notifier.ending()
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "soon"}])
def test_notifier_without_a_manager_says_nothing(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.ready()
    notifier.alive()
    assert notifier.watchdog_s == 0
