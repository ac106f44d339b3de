"""Firmata's framing, the wiring of a board, and pyfirmata2's traps, without a board."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyfirmata2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyfirmata2 import pyfirmata2 as protocol

from firmware_bridges import firmata, firmata_wiring
from firmware_bridges.base import Refused
from firmware_bridges.firmata import FirmataBridge
from firmware_bridges.firmata_core import MAX_SYSEX, FirmataCore, PinState, pin_state
from firmware_bridges.options import Options
from hil.farends.transcript import load

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "firmata").glob("*.txt"))
BOOT = bytes.fromhex("f90204f0790204") + b"".join(bytes([ord(c), 0]) for c in "StandardFirmata.ino") + b"\xf7"
ANALOG = bytes.fromhex("e0007f e17f03 910400".replace(" ", ""))


def heard(data: bytes, size: int) -> tuple[list[bytes], int]:
    core = FirmataCore()
    messages = [message for at in range(0, len(data), size) for message in core.receive(data[at : at + size])]
    return messages, core.garbage


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_recorded_board_is_understood_however_its_bytes_are_cut(path: Path, size: int) -> None:
    """At its pins while it was recorded: 2.5 V at analog 0, a high level at pin 2; pin 13 was told to be high."""
    board = firmata._Board(firmata._Outgoing())
    messages, garbage = heard(load(path).heard, size)
    abilities = next(message for message in messages if message[1] == protocol.CAPABILITY_RESPONSE)
    assert board.hear(abilities)
    board.listen_analog(0)
    board.listen_digital(2)
    for message in messages:
        assert message == abilities or board.hear(message)
    assert garbage == 0
    assert board.firmware == "StandardFirmata.ino"
    assert len(board.digital) >= 14
    assert board.states[13] == PinState(13, protocol.OUTPUT, 1)
    assert board.levels[2] is True
    assert board.samples[0][-1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_messages_are_found_however_their_bytes_are_cut(size: int) -> None:
    assert heard(BOOT + ANALOG, size) == ([BOOT[:3], BOOT[3:], ANALOG[:3], ANALOG[3:6], ANALOG[6:]], 0)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_noise_between_messages_is_counted_and_passed_over(size: int) -> None:
    noise = b"\x00\x7fhello\xc0\xf7"
    assert heard(noise + ANALOG[:3] + noise + ANALOG[3:6], size) == ([ANALOG[:3], ANALOG[3:6]], 2 * len(noise))


def test_message_that_another_one_breaks_off_is_dropped() -> None:
    assert heard(b"\xe0\x01" + ANALOG[:3] + b"\xf0\x71abc" + BOOT[:3], 1) == ([ANALOG[:3], BOOT[:3]], 7)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_endless_system_exclusive_message_is_dropped_and_held_to_its_bound(size: int) -> None:
    core = FirmataCore()
    data = b"\xf0\x71" + b"x" * 1_000_000 + b"\xf7" + ANALOG[:3]
    messages = []
    for at in range(0, len(data), size):
        messages += core.receive(data[at : at + size])
        assert len(core._message) < MAX_SYSEX
    assert messages == [ANALOG[:3]]
    assert core.garbage == 1_000_003


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_break_the_framing_and_each_is_in_a_message_or_counted(pieces: list[bytes]) -> None:
    core = FirmataCore()
    messages = [message for piece in pieces for message in core.receive(piece)]
    assert messages == heard(b"".join(pieces), 1)[0]
    assert len(b"".join(messages)) + core.garbage + len(core._message) == len(b"".join(pieces))
    assert all(max(message[1:-1], default=0) < 0x80 for message in messages)


@given(st.lists(st.binary(max_size=30)))
def test_no_message_breaks_the_board(pieces: list[bytes]) -> None:
    board, core = firmata._Board(firmata._Outgoing()), FirmataCore()
    for piece in pieces:
        for message in core.receive(piece):
            board.hear(message)
            assert not board.sp.incoming


@given(
    st.binary(max_size=60).map(lambda data: bytes(byte & 0x7F for byte in data)), st.sampled_from([0x6C, 0x6E, 0x79])
)
def test_no_answer_breaks_the_board(body: bytes, command: int) -> None:
    board = firmata._Board(firmata._Outgoing())
    board.hear(bytes([0xF0, command]) + body + b"\xf7")
    assert board.hear(BOOT[3:])


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ((13, 1, 1), PinState(13, 1, 1)),
        ((9, 4, 0x34, 0x01), PinState(9, 4, 180)),
        ((9, 3), None),
        ((9, 3, 0, 0, 0, 0, 0), None),
    ],
)
def test_pin_state_is_read_seven_bits_at_a_time(data: tuple[int, ...], wanted: PinState | None) -> None:
    assert pin_state(data) == wanted


def test_two_boards_share_no_handlers() -> None:
    """pyfirmata2 keeps them in a class attribute: what one board sends, the board made last would get."""
    first, second = firmata._Board(firmata._Outgoing()), firmata._Board(firmata._Outgoing())
    assert first.hear(BOOT[:3])
    assert (first.starts, second.starts) == (1, 0)
    assert first._command_handlers is not second._command_handlers
    assert not pyfirmata2.Board._command_handlers


INPUTS = {
    "temperature": {"pin": "a0", "kind": "analog", "scale": 100.0, "offset": -50.0},
    "current": {"pin": "a2", "kind": "rms", "scale": 20.0, "floor": 0.1},
    "energised": {"of": "current", "kind": "above", "above": 0.3, "below": 0.2},
    "door": {"pin": "d2", "kind": "digital", "invert": True},
}
OUTPUTS = {
    "relay": {"pin": "d7", "kind": "switch", "on": "unlock", "off": "lock", "invert": True},
    "fan": {"pin": "d6", "kind": "pwm"},
    "arm": {"pin": "d9", "kind": "servo", "least": 10, "most": 170},
}
WIRED = firmata_wiring.wiring(Options({"inputs": INPUTS, "outputs": OUTPUTS}))


def test_sensor_is_scaled_from_volt() -> None:
    assert firmata_wiring.measured(WIRED.inputs[0], [0.15, 0.15], 5.0) == 25.0
    assert firmata_wiring.measured(WIRED.inputs[0], [], 5.0) is None


@given(st.floats(0, 2 * math.pi), st.integers(60, 400))
def test_clamp_is_the_root_mean_square_whatever_the_phase_it_begins_in(phase: float, count: int) -> None:
    """Half a volt either way about 2.5 V at 50 Hz, sampled each 19 ms: 0.354 V, 7.07 A at 20 A a volt."""
    samples = [(2.5 + 0.5 * math.sin(2 * math.pi * 50 * 0.019 * i + phase)) / 5 for i in range(count)]
    value = firmata_wiring.measured(WIRED.inputs[1], samples, 5.0)
    assert value == pytest.approx(7.07, rel=0.1)


def test_clamp_on_a_dead_cable_is_nought() -> None:
    samples = [0.5, 0.501] * 30
    assert firmata_wiring.measured(WIRED.inputs[1], samples, 5.0) == 0.0


def test_threshold_holds_between_its_two_limits() -> None:
    told = []
    before = False
    for value in (0.25, 0.3, 0.25, 0.2, 0.19, 0.25):
        before = bool(firmata_wiring.passed(WIRED.thresholds[0], value, before=before))
        told.append(before)
    assert told == [False, True, True, True, False, False]
    assert firmata_wiring.passed(WIRED.thresholds[0], None, before=True) is None


@pytest.mark.parametrize(
    ("action", "args", "metric", "number"),
    [
        ("unlock", {}, "relay", 0),
        ("lock", {}, "relay", 1),
        ("fan", {"level": 50}, "fan", 128),
        ("fan", {"level": 100.0}, "fan", 255),
        ("arm", {"angle": 90}, "arm", 90),
    ],
)
def test_action_becomes_what_a_pin_is_told_and_is_shown_as_it_was_meant(
    action: str, args: dict[str, Any], metric: str, number: int
) -> None:
    setting = firmata_wiring.setting(WIRED, action, args)
    assert (setting.output.metric, setting.number) == (metric, number)
    wanted = {"unlock": True, "lock": False}.get(action, next(iter(args.values()), None))
    assert firmata_wiring.shown(setting.output, number) == pytest.approx(wanted, abs=0.3)


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("relay-on", {}),
        ("fan", {}),
        ("fan", {"level": 101}),
        ("fan", {"level": True}),
        ("fan", {"level": "50"}),
        ("fan", {"level": math.nan}),
        ("arm", {"angle": 9}),
        ("arm", {"angle": 171}),
    ],
)
def test_action_that_nothing_is_wired_for_is_refused(action: str, args: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        firmata_wiring.setting(WIRED, action, args)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"inputs": {"x": {"pin": "a0"}}}, "x.kind"),
        ({"inputs": {"x": {"pin": "a0", "kind": "digital"}}}, "x.pin"),
        ({"inputs": {"x": {"pin": "7", "kind": "analog"}}}, "x.pin"),
        ({"inputs": {"x": {"pin": "a0", "kind": "analog", "gain": 2}}}, "x.gain"),
        ({"inputs": {"X y": {"pin": "a0", "kind": "analog"}}}, "inputs.X y"),
        ({"inputs": {"x": 3}}, "inputs.x"),
        ({"inputs": {"x": {"of": "y", "kind": "above", "above": 1}}}, "x.of"),
        ({"inputs": {"x": {"of": "y", "kind": "above"}}}, "above is wanted"),
        ({"outputs": {"x": {"pin": "d7", "kind": "motor"}}}, "x.kind"),
        ({"outputs": {"x": {"pin": "a7", "kind": "switch"}}}, "x.pin"),
        ({"outputs": {"x": {"pin": "d7", "kind": "switch"}, "y": {"pin": "d7", "kind": "pwm"}}}, "pin 7"),
        ({"outputs": {"x": {"pin": "d7", "kind": "switch"}}, "inputs": {"x": {"pin": "a0", "kind": "analog"}}}, "'x'"),
        ({"inputs": {"x": {"pin": "a0", "kind": "rms"}}, "sampling_ms": 20}, "sampling_ms"),
        ({"sampling_ms": 5}, "sampling_ms"),
    ],
)
def test_wiring_that_cannot_be_right_names_its_entry(options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        firmata_wiring.wiring(Options(options))


@pytest.mark.parametrize(
    "make", [lambda: FirmataBridge("nowhere", {}), lambda: FirmataBridge("/dev/x", {"inputs": {"x": {}}})]
)
def test_bridge_refuses_what_it_cannot_use_before_it_opens_anything(make: Callable[[], FirmataBridge]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make()
