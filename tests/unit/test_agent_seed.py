"""Seeds: what a card or an image carries, read, used once, and taken away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agent import cli, seed
from agent.errors import WrongConfig
from agent.grow import AGAIN_S, consume, grow
from agent.seed import CARD, Seed, card_at, read_card, read_seed, sow

GIVEN = {
    "school": "an-phu",
    "agent": "pc-7",
    "broker_host": "server",
    "broker_port": 1884,
    "broker_tls": False,
    "user": "an-phu.pc-7",
    "password": "secret",
    "lease_key": "00ff",
}


@contextmanager
def controller(*codes: int) -> Iterator[tuple[str, list[Any]]]:
    """Answers one question after the other with these codes; what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"salt": "5a17"})

        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            code = codes[min(len(asked), len(codes)) - 1]
            self._answer(code, GIVEN if code == 201 else {"detail": "not now"})

        def _answer(self, code: int, what: Any) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(what).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def card(folder: Path, text: str) -> Path:
    path = folder / CARD
    path.write_bytes(text.encode())
    return path


def test_card_is_read_as_any_editor_writes_it(tmp_path: Path) -> None:
    text = '\ufeff# phòng 203\r\nurl = "https://server:8080"\r\ntoken = "t.f"\r\nname_from = "serial"\r\n'
    assert read_card(card(tmp_path, text)) == Seed("https://server:8080", "t.f", "serial")
    assert read_card(card(tmp_path, 'url = "u"\ntoken = "t"\nname = "pc-7"')).name == "pc-7"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "url: it is missing"),
        ('url = "u"', "token: it is missing"),
        ('url = "u"\ntoken = 7', "token: only url, token"),
        ('url = "u"\ntoken = "t"\ntokn = "t"', "tokn: only url, token"),
        ('url = "u"\ntoken = "t"\nname_from = "mac"', "name_from: 'mac' is none of"),
        ("url = https://server", "Invalid value"),
    ],
)
def test_card_with_a_mistake_names_the_file_and_the_key(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(WrongConfig, match=why) as refused:
        read_card(card(tmp_path, text))
    assert CARD in str(refused.value)
    assert "token = " not in str(refused.value)


def test_card_is_looked_for_on_one_partition_after_the_other(tmp_path: Path) -> None:
    first, second = tmp_path / "firmware", tmp_path / "boot"
    second.mkdir()
    assert card_at((first, second)) is None
    there = card(second, "")
    assert card_at((first, second)) == there
    first.mkdir()
    assert card_at((first, second)) == there
    assert card_at((first, second)) != card(first, "")
    assert card_at((first, second)) == first / CARD


def test_seed_in_the_state_folder_comes_back_as_it_was_sown(tmp_path: Path) -> None:
    assert read_seed(tmp_path) is None
    sow(tmp_path, Seed("u", "t", "serial"))
    assert read_seed(tmp_path) == Seed("u", "t", "serial")
    for text in ("[]", "7", "{", '{"url": "u"}'):
        (tmp_path / seed.SEED).write_text(text)
        with pytest.raises(WrongConfig, match="sow it again"):
            read_seed(tmp_path)


def test_growing_goes_on_until_the_controller_lets_it_in(tmp_path: Path) -> None:
    told: list[str] = []
    rested: list[float] = []
    with controller(403, 403, 201) as (url, asked):
        config, state = tmp_path / "agent.toml", tmp_path / "agent"
        grow(Seed(url, "t", name="pc-7"), config, state, tell=told.append, rest=rested.append)
    assert [each["agent"] for each in asked] == ["pc-7"] * 3
    assert len({each["key"] for each in asked}) == 1, "the same key each time: no answer that got lost makes another"
    assert rested == [AGAIN_S] * 2
    assert len(told) == 2
    assert "not now" in told[0]
    assert (state / "credentials.json").exists()
    assert 'agent = "pc-7"' in config.read_text()


def test_command_grows_once_and_uses_the_card_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with controller(201) as (url, asked):
        path = card(tmp_path, f'url = "{url}"\ntoken = "t"\nname = "pc-7"')
        arguments = ["grow", str(path), "--state", str(tmp_path / "state")]
        assert cli.main(arguments) == 0
        assert not path.exists()
        path = card(tmp_path, f'url = "{url}"\ntoken = "t"')
        assert cli.main(arguments) == 0
        assert len(asked) == 1, "who has credentials enrols no more"
        assert not path.exists()
    assert "used up" in capsys.readouterr().out


def test_command_says_what_is_wrong_with_the_card_and_leaves_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(tmp_path, 'url = "u"')
    assert cli.main(["grow", str(path), "--state", str(tmp_path / "state")]) == 2
    assert "token: it is missing" in capsys.readouterr().err
    assert path.exists()


def test_command_without_any_seed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed, "PARTITIONS", (tmp_path,))
    monkeypatch.setattr(seed.card_at, "__defaults__", ((tmp_path,),))
    assert cli.main(["grow", "--state", str(tmp_path / "state")]) == 1


def test_seed_that_cannot_be_removed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / CARD
    folder.mkdir()  # what cannot be unlinked, whoever asks
    consume(folder, tmp_path)
    assert "holds a token and cannot be removed" in caplog.text
