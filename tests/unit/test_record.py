import os
import socket
import threading
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.record import Piece, Way, main, parse
from tests.replay import replay, said


@given(st.lists(st.builds(Piece, st.sampled_from(Way), st.integers(0, 10**9), st.binary(max_size=40))))
def test_transcript_is_read_as_it_was_written(pieces: list[Piece]) -> None:
    assert list(parse(["# a header", "", *map(str, pieces)])) == pieces


def test_row_is_for_machines_and_people() -> None:
    assert str(Piece(Way.FROM_DEVICE, 12, b"ok T:21\r\n")) == "< 12 6f6b20543a32310d0a ok T:21.."


def test_recorder_writes_down_a_conversation(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)

    def answer() -> None:
        os.read(master, 100)
        os.write(master, b"ok\n")

    device = threading.Thread(target=answer)
    device.start()
    out = tmp_path / "transcript.txt"
    assert main([os.ttyname(slave), "--out", str(out), "--send", "M105", "--seconds", "0.3"]) == 0
    device.join()
    os.close(master)
    os.close(slave)
    rows = list(parse(out.read_text("utf-8").splitlines()))
    assert [(piece.way, piece.data) for piece in rows] == [(Way.TO_DEVICE, b"M105\n"), (Way.FROM_DEVICE, b"ok\n")]


def test_device_that_is_not_there_is_told_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "ttyUSB0"), "--out", str(tmp_path / "x.txt")]) == 1
    assert "is not there" in capsys.readouterr().err


class Listener:
    """A core that keeps what it hears and says one line."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._say = b"M105\n"

    def receive(self, data: bytes, now_ms: int) -> None:
        self.heard += data

    def tick(self, now_ms: int) -> None:
        pass

    def to_send(self) -> bytes:
        said, self._say = self._say, b""
        return said


def test_recording_over_tcp_is_played_to_a_core(tmp_path: Path) -> None:
    out = tmp_path / "transcript.txt"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            caller, _ = listening.accept()
            with caller:
                caller.sendall(b"start\n")
                caller.recv(100)
                caller.sendall(b"ok T:21.0\xff\n")
                caller.recv(100)

        device = threading.Thread(target=answer)
        device.start()
        endpoint = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        assert main([endpoint, "--out", str(out), "--send", "M105", "--seconds", "0.5"]) == 0
        device.join()
    transcript = list(parse(out.read_text("utf-8").splitlines()))
    for chunk in (1, 3, 100):
        core = Listener()
        assert replay(transcript, core, {}, chunk) == said(transcript, Way.TO_DEVICE) == b"M105\n"
        assert bytes(core.heard) == said(transcript, Way.FROM_DEVICE) == b"start\nok T:21.0\xff\n"


def test_help_says_what_a_transcript_is_and_what_to_do_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert "A transcript is text." in told
    assert "--send M115" in told
    assert "tests/replay.py" in told
