"""Enrolment against a server that says what a controller says, and what others say."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.config import load_config
from agent.enrol import checked_name, default_name, enrol
from agent.errors import EnrolmentRefused
from contract.model import check_name

GIVEN = {
    "school": "chu-van-an",
    "agent": "b203",
    "broker_host": "server",
    "broker_port": 1884,
    "broker_tls": False,
    "user": "chu-van-an.b203",
    "password": "secret",
    "lease_key": "00ff",
}


class Door:
    """Answers each request with `code` and `body`, and keeps what was asked."""

    def __init__(self) -> None:
        self.code, self.body = 201, json.dumps(GIVEN).encode()
        self.asked: list[tuple[str, Any]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                door.asked.append((self.path, json.loads(self.rfile.read(length))))
                self.send_response(door.code)
                self.end_headers()
                self.wfile.write(door.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.server.shutdown()
    door.server.server_close()


def test_enrol_writes_credentials_and_a_configuration_that_loads(door: Door, tmp_path: Path) -> None:
    assert main(["enrol", f"{door.url}/", "token-1", "--name", "b203", "--state", str(tmp_path)]) == 0
    assert door.asked == [("/api/v1/enrol", {"token": "token-1", "agent": "b203"})]
    state = tmp_path / "agent"
    assert os.name != "posix" or stat.S_IMODE((state / "credentials.json").stat().st_mode) == 0o600
    config = load_config(state / "agent.toml", state, {})
    assert str(config.address) == "chu-van-an/b203"
    assert (config.broker.host, config.broker.port, config.broker.password) == ("server", 1884, "secret")
    assert config.lease_key == config.job_source.key == b"\x00\xff"
    assert config.job_source.url == door.url
    assert [device.profile.bridge for device in config.devices] == ["host", "network"]


def test_enrol_again_leaves_the_configuration_as_it_is(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("# mine")
    arguments = ["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path), "--config", str(file)]
    assert main(arguments) == 0
    assert file.read_text() == "# mine"
    assert json.loads((tmp_path / "agent" / "credentials.json").read_text())["password"] == "secret"


def test_enrol_says_why_it_was_refused(door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    door.code, door.body = 403, b'{"detail": "the token is used up"}'
    assert main(["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path)]) == 2
    assert "the controller refused (403): the token is used up" in capsys.readouterr().err
    assert not (tmp_path / "agent").exists()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", json.dumps({**GIVEN, "lease_key": "xyz"}).encode()])
def test_enrol_at_something_else_says_so(door: Door, body: bytes) -> None:
    door.body = body
    with pytest.raises(EnrolmentRefused, match="answered what no controller"):
        enrol(door.url, "t", "b203")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://server", "server"])
def test_enrol_at_nothing_says_so(url: str) -> None:
    with pytest.raises(EnrolmentRefused, match=r"does not answer|must begin with"):
        enrol(url, "t", "b203")


def test_enrol_takes_the_computers_name_as_one_that_fits() -> None:
    check_name(default_name(), "name")
    with pytest.raises(EnrolmentRefused, match="is not a name"):
        checked_name("Phòng 203")
