"""Enrolment against a server that says what a controller says, and what others say."""

import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.config import load_config
from agent.enrol import Wish, checked_name, default_name, enrol
from agent.errors import AgentError, EnrolmentRefused, NotTrusted
from agent.identity import keep_identity, new_identity
from agent.seed import Seed, read_seed
from contract.model import check_name
from contract.topics import Address

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


class Server:
    """Answers each request with `code` and `body`, and keeps what was asked."""

    def __init__(self) -> None:
        self.code, self.body = 201, json.dumps(GIVEN).encode()
        self.asked: list[tuple[str, Any]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"salt": "5a17"}')

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
def door() -> Iterator[Server]:
    door = Server()
    yield door
    door.server.shutdown()
    door.server.server_close()


def test_enrol_writes_credentials_and_a_configuration_that_loads(door: Server, tmp_path: Path) -> None:
    assert main(["enrol", f"{door.url}/", "token-1", "--name", "b203", "--state", str(tmp_path)]) == 0
    path, asked = door.asked[0]
    assert (path, asked["token"], asked["agent"], asked["replace"]) == ("/api/v1/enrol", "token-1", "b203", False)
    assert asked["key"] == json.loads((tmp_path / "agent" / "identity.json").read_text())["key"]
    state = tmp_path / "agent"
    assert os.name != "posix" or stat.S_IMODE((state / "credentials.json").stat().st_mode) == 0o600
    config = load_config(state / "agent.toml", state, {})
    assert str(config.address) == "chu-van-an/b203"
    assert (config.broker.host, config.broker.port, config.broker.password) == ("server", 1884, "secret")
    assert config.lease_key == config.job_source.key == b"\x00\xff"
    assert config.job_source.url == door.url
    assert [device.profile.bridge for device in config.devices] == ["host", "network"]


def test_enrol_again_leaves_the_configuration_as_it_is(door: Server, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("# mine")
    arguments = ["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path), "--config", str(file)]
    assert main(arguments) == 0
    assert file.read_text() == "# mine"
    assert json.loads((tmp_path / "agent" / "credentials.json").read_text())["password"] == "secret"


def test_enrol_says_why_it_was_refused(door: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    door.code, door.body = 403, b'{"detail": "the token is used up"}'
    assert main(["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path)]) == 2
    assert "the controller refused (403): the token is used up" in capsys.readouterr().err
    assert not (tmp_path / "agent" / "credentials.json").exists()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "token-refused", "hãy xin kỹ thuật viên một mã mới"),
        (403, "not-admitted", "hãy xem trang Agent"),
        (409, "name-taken", "--name"),
        (429, "", "chờ năm phút"),
        (403, "new-reason", "in its own words"),
    ],
)
def test_refusal_is_said_in_the_language_of_the_computer(
    door: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    status: int, code: str, told: str,
) -> None:  # fmt: skip
    door.code, door.body = status, json.dumps({"detail": "in its own words", "code": code}).encode()
    for language, said in (
        ("vi_VN.UTF-8", f"máy chủ từ chối ({status})"),
        ("en", f"refused ({status}): in its own words"),
    ):
        monkeypatch.setenv("FABFLEET_LANGUAGE", language)
        assert main(["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert (told in err) == (language != "en" or code == "new-reason")


def test_what_is_wrong_before_anything_was_asked_is_said_in_vietnamese_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABFLEET_LANGUAGE", "vi")
    for url, token, name, told in (
        ("ftp://server", "t", "b203", "địa chỉ phải bắt đầu bằng"),
        ("http://192.0.2.1", "t", "b203", "qua mạng chỉ dùng https://"),
        ("https://127.0.0.1:1", "t.abc", "b203", "dấu vân tay SHA-256"),
        ("https://127.0.0.1:1", f"t.{'0' * 64}", "b203", "không trả lời"),
        ("https://127.0.0.1:1", "t", "Phòng 203", "không dùng làm tên được"),
    ):
        assert main(["enrol", url, token, "--name", name, "--state", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", json.dumps({**GIVEN, "lease_key": "xyz"}).encode()])
def test_enrol_at_something_else_says_so(door: Server, body: bytes, tmp_path: Path) -> None:
    door.body = body
    with pytest.raises(EnrolmentRefused, match="answered what no controller"):
        enrol(Wish(door.url, "t", "b203"), tmp_path, print, time.sleep)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://server", "server"])
def test_enrol_at_nothing_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"does not answer|must begin with"):
        enrol(Wish(url, "t", "b203"), tmp_path, print, time.sleep)


def test_enrol_takes_the_computers_name_as_one_that_fits() -> None:
    check_name(default_name(), "name")
    with pytest.raises(EnrolmentRefused, match="is not a name"):
        checked_name("Phòng 203")


def test_enrol_waits_for_a_persons_word_and_shows_the_same_key_again(door: Server, tmp_path: Path) -> None:
    door.code, door.body = 202, b'{"waiting": "returned"}'
    told: list[str] = []

    def rest(_: float) -> None:
        if len(door.asked) == 3:
            door.code, door.body = 201, json.dumps(GIVEN).encode()

    made = enrol(Wish(door.url, "t", "b203"), tmp_path, told.append, rest)

    assert made.address == Address("chu-van-an", "b203")
    assert told == ["returned"]
    assert len({asked["key"] for _, asked in door.asked}) == 1


def test_enrol_with_a_copied_key_puts_the_copy_aside_and_makes_its_own(door: Server, tmp_path: Path) -> None:
    copied = keep_identity(tmp_path, new_identity("5a17"))
    (tmp_path / "outbox.db").write_bytes(b"of another computer")
    (tmp_path / "agent.toml").write_text("# the machines of the room")
    door.code, door.body = 409, b'{"code": "copied-identity", "detail": "a copy"}'
    asked = door.asked

    class Late(list[tuple[str, Any]]):
        def append(self, each: tuple[str, Any]) -> None:
            super().append(each)
            if len(self) == 2:
                door.code, door.body = 201, json.dumps(GIVEN).encode()

    door.asked = asked = Late()
    enrol(Wish(door.url, "t", "b203"), tmp_path, print, time.sleep)

    assert asked[0][1]["key"] == copied.key != asked[1][1]["key"]
    assert (tmp_path / "copied-1" / "outbox.db").read_bytes() == b"of another computer"
    assert (tmp_path / "agent.toml").exists()


def test_enrol_over_plain_http_stays_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(NotTrusted, match="only https"):
        enrol(Wish("http://192.0.2.1:8080", "t", "b203"), tmp_path, print, time.sleep)


def test_enrol_from_a_seed_takes_a_name_of_its_own_if_it_is_taken(door: Server, tmp_path: Path) -> None:
    door.code, door.body = 409, b'{"code": "name-taken", "detail": "taken"}'
    with pytest.raises(EnrolmentRefused, match="taken"):
        enrol(Wish(door.url, "t", "pc", own_name=True), tmp_path, print, time.sleep)
    first, second = (asked["agent"] for _, asked in door.asked)
    assert (first, second[:3], len(second)) == ("pc", "pc-", 7)


def test_seed_holds_no_identity(door: Server, tmp_path: Path) -> None:
    assert main(["enrol", "--at-first-boot", door.url, "t", "--name-from", "serial", "--state", str(tmp_path)]) == 0
    assert read_seed(tmp_path / "agent") == Seed(door.url, "t", "serial")
    assert {each.name for each in (tmp_path / "agent").iterdir()} == {"seed.json"}
    assert door.asked == []


def test_settling_again_keeps_the_machines_and_takes_the_new_name(door: Server, tmp_path: Path) -> None:
    assert main(["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path)]) == 0
    config = tmp_path / "agent" / "agent.toml"
    config.write_text(config.read_text() + '\n[[devices]]\nid = "uplink"\nprofile = "network/uplink"\n')
    door.body = json.dumps({**GIVEN, "agent": "b203-2"}).encode()
    assert main(["enrol", door.url, "t", "--name", "b203", "--state", str(tmp_path)]) == 0
    loaded = load_config(config, tmp_path / "agent", {})
    assert loaded.address.agent == "b203-2"
    assert len(loaded.devices) == 3
