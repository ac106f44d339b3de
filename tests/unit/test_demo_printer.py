"""The demo's printer speaks as Marlin does: its answers, its order, its patience, its faults. Without processes."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.demo.farends.faults import Fault
from controller.demo.farends.heater import BED, NOZZLE, ROOM_C, Heater
from controller.demo.farends.motion import BLOCKS, Motion
from controller.demo.farends.printer_model import BANNER, Printer, Settings
from firmware_bridges.marlin_lines import encode
from firmware_bridges.marlin_replies import Capability, Firmware, Ok, parse
from firmware_bridges.record import Way
from tests.replay import pieces

CHUNKS = (1, 7, 4096)


class Host:
    """Talks to a printer, its bytes cut into chunks, and keeps what it heard."""

    def __init__(self, printer: Printer, chunk: int = 4096) -> None:
        self.printer = printer
        self.now = 0.0
        self._chunk = chunk
        self.heard: list[str] = printer.tick(0.0).decode().splitlines()

    def say(self, *lines: str | bytes) -> list[str]:
        """The lines that come back at once."""
        data = b"".join(line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines)
        answer = b"".join(self.printer.receive(chunk, self.now) for chunk in _chunks(data, self._chunk))
        return self._hear(answer)

    def wait(self, seconds: float) -> list[str]:
        """The lines that come meanwhile; the printer wakes when it wants to."""
        until, answer = self.now + seconds, b""
        while self.now < until:
            self.now = min(until, self.now + self.printer.due(self.now))
            answer += self.printer.tick(self.now)
        return self._hear(answer)

    def give(self, fault: Fault) -> list[str]:
        return self._hear(self.printer.switch(fault, self.now))

    def _hear(self, answer: bytes) -> list[str]:
        lines = answer.decode("latin-1").splitlines()
        self.heard += lines
        return lines


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture(params=CHUNKS)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(Printer(Settings(speed=10.0), 0.0), request.param)


def hot(host: Host) -> None:
    host.say("M109 S200")
    host.wait(30.0)
    assert host.heard[-1] == "ok"


def test_printer_boots_with_the_banner_of_its_firmware(host: Host) -> None:
    assert host.heard == BANNER.splitlines()
    assert host.heard[0] == "start"


@pytest.mark.parametrize("chunk", CHUNKS)
def test_recorded_conversation_of_another_printer_is_answered_line_by_line_as_it_was(chunk: int) -> None:
    """Every line of the host gets its one ok, M115 its identity, M105 its temperatures; until the job is cancelled."""
    host, recorded, ours = Host(Printer(Settings(speed=1000.0), 0.0), chunk), list[str](), list[str]()
    for piece in pieces("marlin/cancelled"):
        host.now = piece.at_ms / 1000
        if b"M108" in piece.data:
            break
        if piece.way is Way.FROM_DEVICE:
            recorded += _kinds(piece.data)
        elif piece.way is Way.TO_DEVICE:
            ours += _kinds("\n".join(host.say(piece.data)).encode())
    ours += _kinds("\n".join(host.wait(1.0)).encode())
    assert len(recorded) > 40
    assert ours == recorded


def _kinds(said: bytes) -> list[str]:
    """What kinds of answers these are, without remarks and without what differs between models."""
    replies = [reply for line in said.splitlines() for reply in parse(line)]
    return [type(reply).__name__ for reply in replies if isinstance(reply, Ok | Firmware)]


def test_printer_names_its_firmware_and_what_it_can_do(host: Host) -> None:
    replies = [reply for line in host.say("M115") for reply in parse(line.encode())]
    assert isinstance(replies[0], Firmware)
    assert (replies[0].name[:6], replies[0].machine) == ("Marlin", "Ender-3")
    assert {Capability("AUTOREPORT_TEMP", True), Capability("EMERGENCY_PARSER", True)} <= set(replies)
    assert isinstance(replies[-1], Ok)


def test_numbered_lines_are_taken_in_order_and_each_answered_once(host: Host) -> None:
    assert host.say(encode(0, "M110 N0"), encode(1, "M105"), encode(2, "M107")) == [
        "ok",
        "ok T:26.00 /0.00 B:26.00 /0.00 @:0 B@:0",
        "ok",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"N1 M105*37\n", "checksum mismatch, Last Line: 0"),
        (b"N1 M105\n", "No Checksum with line number, Last Line: 0"),
        (encode(3, "M105"), "Line Number is not Last Line Number+1, Last Line: 0"),
    ],
)
def test_line_that_is_not_the_next_or_came_spoiled_is_asked_for_again(host: Host, line: bytes, why: str) -> None:
    assert host.say(line) == [f"Error:{why}", "Resend: 1", "ok"]
    assert host.say(encode(1, "M107")) == ["ok"]


def test_m110_sets_the_number_whatever_it_was(host: Host) -> None:
    assert host.say(encode(7, "M110 N7"), encode(8, "M107")) == ["ok", "ok"]


def test_unknown_command_is_told_and_taken(host: Host) -> None:
    assert host.say("M9999 S1", "hello") == [
        'echo:Unknown command: "M9999 S1"',
        "ok",
        'echo:Unknown command: "hello"',
        "ok",
    ]


def test_wait_for_heat_tells_temperatures_each_second_and_is_answered_when_it_is_hot(host: Host) -> None:
    assert host.say("M109 S200", "M105") == []
    told = host.wait(30.0)
    assert all(line.endswith("W:?") for line in told[:-2])
    assert told[-2] == "ok"
    assert told[-1].startswith("ok T:200.00 /200.00")
    assert 8 <= len(told) - 2 <= 14  # two minutes at ten times the speed


def test_temperatures_come_of_themselves_when_they_are_asked_to(host: Host) -> None:
    assert host.say("M155 S2") == ["ok"]
    assert [line.split()[0] for line in host.wait(9.0)] == ["T:26.00"] * 4
    host.say("M155 S0")
    assert host.wait(9.0) == []


def test_moves_are_taken_until_the_buffer_is_full_and_made_one_after_the_other(host: Host) -> None:
    lines = [f"G1 X{10 * number} F600" for number in range(1, BLOCKS + 3)]  # a second each, a tenth in the demo
    assert host.say(*lines) == ["ok"] * BLOCKS
    assert host.wait(0.15) == ["ok"]
    assert host.wait(0.1) == ["ok"]


def test_m400_is_answered_when_the_machine_stands_with_signs_of_life_until_then(host: Host) -> None:
    host.say("G1 X200 F240", "M400")  # 50 s, 5 s in the demo
    assert host.wait(4.9) == ["echo:busy: processing"] * 2
    assert host.wait(0.2) == ["ok"]


def test_position_follows_moves_modes_and_what_it_is_set_to(host: Host) -> None:
    host.say("G28", "M83", "G1 X10 Y5 E1 F6000", "G91", "G1 X2 Z0.5", "G90", "G92 Y0", "G1 Y3", "M400")
    host.wait(10.0)
    assert host.say("M114") == ["X:12.00 Y:3.00 Z:0.50 E:1.00 Count X:0 Y:0 Z:0", "ok"]


def test_cold_nozzle_pushes_no_filament(host: Host) -> None:
    assert host.say("G1 X5 E2 F6000") == ["echo: cold extrusion prevented", "ok"]


def test_m108_ends_a_wait_for_heat_at_once(host: Host) -> None:
    host.say("M109 S200")
    assert host.wait(0.5) == []
    assert host.say("M108") == ["ok", "ok"]


def test_m112_halts_until_somebody_switches_it_off_and_on(host: Host) -> None:
    host.say("M104 S200")
    assert host.say("M112") == ["Error:Printer halted. kill() called!"]
    assert host.say("M105") == []
    assert host.give(Fault.NONE) == BANNER.splitlines()
    assert host.say("M105")[0].startswith("ok T:26.00 /0.00")


def test_thermal_runaway_halts_with_its_heater_and_restarts_when_it_is_put_right(host: Host) -> None:
    hot(host)
    assert host.give(Fault.THERMAL_RUNAWAY) == [
        "Error:Thermal Runaway, system stopped! Heater_ID: E0",
        "Error:Printer halted. kill() called!",
    ]
    assert host.say("M105") == host.wait(5.0) == []
    assert host.give(Fault.NONE)[0] == "start"
    assert float(host.say("M105")[0].split()[1][2:]) > 100.0, "heat outlives the firmware"


def test_frozen_printer_says_and_does_nothing_and_goes_on_afterwards(host: Host) -> None:
    host.say("M155 S1", "G1 X200 F2400", "M400")  # half a second in the demo
    host.give(Fault.FROZEN)
    assert host.wait(5.0) == host.say("M105") == []
    assert host.give(Fault.NONE) == [" T:26.00 /0.00 B:26.00 /0.00 @:0 B@:0", "echo:busy: processing"]
    assert host.wait(0.6) == ["ok"]


def test_garbage_is_no_text_and_keeps_its_lines(host: Host) -> None:
    host.give(Fault.GARBAGE)
    (said,) = host.say("M107")
    assert [type(reply).__name__ for reply in parse(said.encode("latin-1"))] == ["Garbage"]


def test_noise_spoils_every_fourth_numbered_line(host: Host) -> None:
    host.give(Fault.NOISE)
    assert host.say(*(encode(number, "M107") for number in range(1, 4))) == ["ok"] * 3
    assert host.say(encode(4, "M107")) == ["Error:checksum mismatch, Last Line: 3", "Resend: 4", "ok"]
    assert host.say(encode(4, "M107")) == ["ok"]


def test_filament_that_ends_waits_for_a_person_and_goes_on_with_a_new_spool(host: Host) -> None:
    hot(host)
    host.give(Fault.FILAMENT_OUT)
    assert host.say("G0 X5", "G1 X10 E1 F6000", "G1 X20 E2", "M400") == [
        "ok",
        "ok",
        "//action:paused filament_runout 0",
    ]
    assert host.wait(5.0) == ["echo:busy: paused for user"] * 2
    assert host.give(Fault.NONE)[:2] == ["//action:resumed", "ok"]
    assert host.wait(5.0) == ["ok"]


def test_pulled_cable_restarts_the_board_when_it_is_put_back(host: Host) -> None:
    host.say("M104 S200")
    host.give(Fault.UNPLUGGED)
    assert host.give(Fault.NONE)[0] == "start"
    assert "/0.00" in host.say("M105")[0]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from(
                [b"M105\n", b"N1 M105*36\n", b"G4 P-5\n", b"M155 S-1\n", b"G2 X1 I0\n", b"M112\n", b"M600\n"]
            ),
            st.sampled_from(list(Fault)),
        ),
        max_size=30,
    ),
    st.floats(0.0, 500.0),
)
@settings(max_examples=200)
def test_nothing_upsets_the_printer_nor_keeps_it_awake(turns: list[bytes | Fault], wait_s: float) -> None:
    host = Host(Printer(Settings(speed=10.0), 0.0))
    for turn in turns:
        if isinstance(turn, Fault):
            host.give(turn)
        else:
            host.say(turn)
        host.now += wait_s
        host.printer.tick(host.now)
        assert 0.001 <= host.printer.due(host.now) <= 1.0
    wakes = 0
    until = host.now + 20.0
    while host.now < until:
        host.now += host.printer.due(host.now)
        host.printer.tick(host.now)
        wakes += 1
    assert wakes < 200


def test_heater_reaches_its_target_holds_it_and_cools_to_the_room() -> None:
    heater = Heater(NOZZLE)
    heater.target = 200.0
    needs_s = heater.left_s()
    assert 60.0 < needs_s < 180.0
    heater.advance(needs_s * 0.9)
    assert heater.actual < 200.0
    heater.advance(needs_s * 0.2)
    assert heater.actual == 200.0
    heater.advance(1000.0)
    assert heater.actual == 200.0
    heater.target = 0.0
    heater.advance(10_000.0)
    assert heater.actual == pytest.approx(ROOM_C)


def test_heater_that_cannot_get_so_hot_never_does() -> None:
    heater = Heater(BED)
    heater.target = 500.0
    assert heater.left_s() == float("inf")
    heater.advance(100_000.0)
    assert heater.actual <= BED.most_c


def test_arc_takes_as_long_as_its_way() -> None:
    straight, arc = Motion(), Motion()
    straight.move("G1", {"X": 62.83, "F": 600.0})
    arc.move("G2", {"X": 0.0, "Y": 0.0, "I": 10.0, "J": 0.0, "F": 600.0})
    assert arc.left_s() == pytest.approx(straight.left_s(), rel=0.01)
