"""Lines, frames and command sets: recorded, invented, and told in options."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.profile import load
from firmware_bridges import samsung_mdc_core as mdc
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.dialogue import Reader
from firmware_bridges.http_core import HttpCore, Response
from firmware_bridges.line_dialect import dialect
from firmware_bridges.line_frames import MAX_LINE, FrameCore, Frames, Line, Lines, Noise
from firmware_bridges.line_protocol import LineProtocolBridge
from firmware_bridges.options import Options
from firmware_bridges.record import Way
from hil.farends.transcript import Transcript
from hil.farends.transcript import load as transcript
from tests.fakes import FakeLink

RECORDED = sorted((Path(__file__).parents[1] / "transcripts" / "equipment").glob("*.txt"))
FRAMES = Frames(start=b"\xaa", length=5, length_at=3, checksum="sum", checksum_from=1)


def answers(recorded: Transcript) -> list[bytes]:
    """What was said to each request, as one piece each."""
    said: list[bytes] = []
    for piece in recorded.pieces:
        if piece.way is Way.TO_DEVICE:
            said.append(b"")
        else:
            said[-1] += piece.data
    return said


def core_for(slug: str) -> Reader[Any]:
    profile = load(slug)
    if profile.bridge == "smart_plug":
        return HttpCore()
    if profile.bridge == "samsung_mdc":
        return mdc.MdcCore()
    given = Options(profile.options)
    return FrameCore(dialect(given).framing)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_cores_understand_recorded_equipment_however_its_bytes_are_cut(path: Path, size: int) -> None:
    recorded = transcript(path)
    slug = recorded.about["profile"]
    core, whole = core_for(slug), core_for(slug)
    for said in answers(recorded):
        if isinstance(core, HttpCore):
            core, whole = HttpCore(), HttpCore()
        events = [event for at in range(0, len(said), size) for event in core.receive(said[at : at + size])]
        assert events == list(whole.receive(said))
        assert events or not said
        assert all(isinstance(event, Line | Response | mdc.Reply) for event in events)


@given(said=st.lists(st.binary(max_size=600), max_size=8))
@pytest.mark.parametrize("framing", [Lines(), Lines(end=b"\r\n", blank=True), FRAMES, Frames(b"\x7f\x08", 3)])
def test_frames_are_cut_alike_whatever_comes_and_however_it_is_cut(framing: Any, said: list[bytes]) -> None:
    core, bytewise = FrameCore(framing), FrameCore(framing)
    lines = [each for data in said for each in core.receive(data) if isinstance(each, Line)]
    slowly = [each for data in said for byte in data for each in bytewise.receive(bytes([byte]))]
    if isinstance(framing, Frames):
        assert lines == [each for each in slowly if isinstance(each, Line)]
    assert len(core._kept) <= 2 * MAX_LINE


def test_frame_is_found_behind_noise_and_a_wrong_checksum_is_told() -> None:
    good = FRAMES.encode("AAFF01034111" + "01")
    core = FrameCore(FRAMES)
    assert core.receive(b"\x00\x01" + good) == [Noise(b"\x00\x01", "no start of a frame"), Line(good.hex().upper())]
    bad = good[:-1] + bytes([good[-1] ^ 1])
    first, *rest = core.receive(bad + good)
    assert first == Noise(bad, "wrong checksum")
    assert rest[-1] == Line(good.hex().upper())


def test_line_that_never_ends_is_noise_and_what_follows_is_read() -> None:
    core = FrameCore(Lines())
    events = core.receive(b"x" * 5000)
    assert events
    assert all(isinstance(each, Noise) for each in events)
    core.receive(b"\r")
    assert core.receive(b"OK1\r") == [Line("OK1")]


def frame_options(**options: Any) -> dict[str, Any]:
    """A device of fixed frames: AA, command, value, sum of them."""
    return {
        "frame": {"start": "AA", "length": 4, "checksum": "sum"},
        "metrics": {
            "power": {"ask": "AA0100", "reply": "AA01(..)..", "values": {"00": "off", "01": "on"}},
            "volume": {"ask": "AA0200", "reply": "AA02(..)..", "as": "hex"},
            "on": {"of": "power", "is": ["on"]},
        },
        "actions": {
            "set-volume": {
                "send": "AA82{percent}",
                "reply": "AA82....",
                "args": {"percent": {"least": 0, "most": 100, "format": "02X"}},
                "confirm": {"metric": "volume", "is": "{percent}"},
            }
        },
        **options,
    }


def frame_device() -> FakeLink:
    state = {1: 1, 2: 20}

    def answer(data: bytes, _now: float) -> bytes:
        if len(data) != 4 or sum(data[:3]) & 0xFF != data[3]:
            return b""
        command, value = data[1], data[2]
        if command & 0x80:
            state[command & 0x7F] = value
        said = bytes([0xAA, command, state[command & 0x7F]])
        return said + bytes([sum(said) & 0xFF])

    return FakeLink(answer)


def opened(link: FakeLink, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> LineProtocolBridge:
    monkeypatch.setattr("firmware_bridges.dialogue.open_link", lambda *_, **__: link.open())
    bridge = LineProtocolBridge("tcp://192.0.2.1:1", options, clock=lambda: link.now_s, pause=lambda _: None)
    bridge.open()
    return bridge


def test_device_of_fixed_frames_is_options_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = opened(frame_device(), frame_options(), monkeypatch)
    assert bridge.poll() == {"power": "on", "volume": 20, "on": True}
    bridge.execute("set-volume", {"percent": 45})
    assert bridge.poll()["volume"] == 45
    bridge.close()


def test_silence_is_a_lost_link_and_another_answer_a_bad_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"metrics": {"name": {"ask": "N?", "reply": "N=(.*)"}}}
    for said, kind in ((b"", LinkLost), (b"hello\r", BadReply)):
        bridge = opened(FakeLink(lambda data, _now, said=said: said if data else b""), options, monkeypatch)  # type: ignore[misc]
        with pytest.raises(kind):
            bridge.poll()
        bridge.close()


def test_value_that_the_command_set_does_not_know_is_a_bad_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"metrics": {"power": {"ask": "P?", "reply": "P=(.)", "values": {"1": "on"}}}}
    bridge = opened(FakeLink(lambda data, _now: b"P=7\r" if data else b""), options, monkeypatch)
    with pytest.raises(BadReply, match="is no power"):
        bridge.poll()
    bridge.close()


def test_request_that_several_metrics_share_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answer(data: bytes, _now: float) -> bytes:
        asked.extend([data] if data else [])
        return b"S=1,30\r" if data else b""

    metrics = {
        "on": {"ask": "S?", "reply": "S=(.),.*", "values": {"1": True, "0": False}},
        "volume": {"ask": "S?", "reply": r"S=.,(\d+)", "as": "int"},
    }
    bridge = opened(FakeLink(answer), {"metrics": metrics}, monkeypatch)
    assert bridge.poll() == {"on": True, "volume": 30}
    assert asked == [b"S?\r"]
    bridge.close()


def test_action_without_an_answer_is_confirmed_by_what_the_device_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink(lambda data, _now: b"ON=0\r" if data.startswith(b"ON?") else b"")
    options = {
        "metrics": {"on": {"ask": "ON?", "reply": "ON=(.)", "values": {"1": True, "0": False}}},
        "actions": {"go": {"send": "ON", "confirm": {"metric": "on", "is": True}}},
        "confirm_s": 0.1,
    }
    bridge = opened(link, options, monkeypatch)
    monkeypatch.setattr(bridge, "_pause", lambda wait_s: setattr(link, "now_s", link.now_s + wait_s))
    with pytest.raises(BadReply, match="said yes"):
        bridge.execute("go", {})
    with pytest.raises(Refused, match="no action"):
        bridge.execute("fly", {})
    bridge.close()


WRONG: dict[str, dict[str, Any]] = {
    "metrics: power: reply: .*no group": {"metrics": {"power": {"ask": "P?", "reply": "P=."}}},
    "metrics: power: reply: .*no pattern": {"metrics": {"power": {"ask": "P?", "reply": "P=(."}}},
    "metrics: power: as: ": {"metrics": {"power": {"ask": "P?", "reply": "(.)", "as": "colour"}}},
    "metrics: on: neither": {"metrics": {"on": {"of": "power", "is": ["on"]}}},
    "metrics: power: ask: .*hexadecimal": {
        "frame": {"start": "AA", "length": 4},
        "metrics": {"power": {"ask": "P?", "reply": "(.)"}},
    },
    "metrics: a: when: ": {"metrics": {"a": {"ask": "P?", "reply": "(.)", "when": {"metric": "b", "is": 1}}}},
    "metrics: a: values: values of several kinds": {
        "metrics": {"a": {"ask": "P?", "reply": "(.)", "values": {"0": 1, "1": "b"}}}
    },
    "actions: go: send: 'speed' is no argument": {"actions": {"go": {"send": "GO {speed}"}}},
    "actions: go: confirm: ": {"actions": {"go": {"send": "GO", "confirm": {"metric": "on", "is": True}}}},
    "actions: go: args: n: format": {"actions": {"go": {"send": "{n}", "args": {"n": {"format": "s"}}}}},
    "frame: checksum": {"frame": {"start": "AA", "length": 4, "checksum": "crc"}},
    "frame: start": {"frame": {"start": "zz", "length": 4}},
    "end: ": {"end": ""},
}


@pytest.mark.parametrize("why", WRONG)
def test_command_set_that_cannot_be_right_is_refused_by_the_key(why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        LineProtocolBridge("tcp://192.0.2.1:1", WRONG[why])


@given(args=st.dictionaries(st.just("percent"), st.none() | st.booleans() | st.floats() | st.text() | st.integers()))
def test_argument_is_written_within_its_limits_or_refused(args: dict[str, Any]) -> None:
    order = dialect(Options(frame_options())).orders["set-volume"]
    try:
        sent = order.text(args)
    except Refused:
        return
    assert 0 <= int(sent.removeprefix("AA82"), 16) <= 100
