"""Which port is which, and what is said there."""

import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from agent.discovery_listen import QUESTIONS, Port, Probe, SerialPort, hear, listens, plain, probes
from agent.discovery_match import hint_of
from agent.discovery_usb import UsbPort, evidence_of, identities, system_ports
from contract.found import ClueKind
from device_profiles.profile import load, slugs

HINTS = tuple(hint_of(load(slug)) for slug in slugs())
PRUSA = UsbPort("/dev/ttyACM0", "2c99:0002", "CZPX2619", "1-1.2", product="Original Prusa i3 MK3")
CLONE = UsbPort("/dev/ttyUSB0", "1a86:7523", "", "1-1.3")
MARLIN = b"FIRMWARE_NAME:Marlin 2.1.2 PROTOCOL_VERSION:1.0\nok\n"
FIRMATA = b"\xf0\x79\x02\x05" + b"".join(bytes((each, 0)) for each in b"StandardFirmata.ino") + b"\xf7"


def test_identity_is_the_serial_number_else_the_path_of_hubs() -> None:
    told = identities([PRUSA, CLONE])
    assert (told[PRUSA], told[CLONE]) == ("CZPX2619", "1-1.3")


def test_serial_number_that_two_have_or_that_a_chip_comes_with_is_no_identity() -> None:
    twin = UsbPort("/dev/ttyACM1", PRUSA.usb, PRUSA.serial, "1-1.4")
    blank = UsbPort("/dev/ttyUSB1", "10c4:ea60", "0001", "1-1.1")
    assert list(identities([PRUSA, twin, blank]).values()) == ["1-1.2", "1-1.4", "1-1.1"]


def test_evidence_keeps_its_key_when_the_system_names_the_port_otherwise() -> None:
    moved = UsbPort("/dev/ttyACM7", PRUSA.usb, PRUSA.serial, "1-1.4")
    assert evidence_of(PRUSA, "CZPX2619").key == evidence_of(moved, "CZPX2619").key == "usb/2c99:0002/CZPX2619"


def test_path_is_the_name_that_udev_keeps_for_that_identity(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    folders = (tmp_path / "by-id", tmp_path / "by-path")
    for folder in folders:
        folder.mkdir()
        (folder / "name").symlink_to(device)
    port = UsbPort(str(device), "1a86:7523", "S1", "1-1.3")
    assert evidence_of(port, "S1", stable=folders).path == str(folders[0] / "name")
    assert evidence_of(port, "1-1.3", stable=folders).path == str(folders[1] / "name")
    assert evidence_of(port, "S1", stable=(tmp_path / "none", tmp_path / "none")).path == str(device)


def test_only_what_the_usb_id_admits_is_asked() -> None:
    assert {each.question for each in probes("2c99:0002", HINTS)} == {QUESTIONS["marlin"]}
    assert [each.question for each in probes("1a86:7523", HINTS)][-1] == QUESTIONS["firmata"], "texts come first"
    assert probes("0d28:0204", HINTS) == (), "a board that runs a pupil's program is asked nothing"
    assert not listens("0483:5740", HINTS), "what no profile knows is not opened"


class Told(Port):
    """A port that says its banner, then answers as it is told to."""

    def __init__(self, banner: bytes, answers: dict[bytes, bytes]) -> None:
        self.said, self.answers, self.asked, self.closed = banner, answers, [], False  # type: ignore[var-annotated]

    def set_baud(self, baud: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.asked.append(data)
        self.said += self.answers.get(data, b"")

    def read(self, timeout_s: float) -> bytes:
        piece, self.said = self.said[:7], self.said[7:]
        return piece

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def ticks() -> Iterator[float]:
    now = 0.0

    def count() -> Iterator[float]:
        nonlocal now
        while True:
            now += 0.1
            yield now

    return count()


def test_nothing_is_asked_of_what_says_who_it_is(ticks: Iterator[float]) -> None:
    port = Told(b"\r\nGrbl 1.1h ['$' for help]\r\n", {})
    heard = hear(lambda _: port, probes("1a86:7523", HINTS), lambda: next(ticks))
    assert [(each.kind, each.text) for each in heard] == [(ClueKind.BANNER, "Grbl 1.1h ['$' for help]")]
    assert port.asked == []
    assert port.closed


@pytest.mark.parametrize(("question", "answer", "part"), [
    ("marlin", MARLIN, "FIRMWARE_NAME:Marlin"), ("firmata", FIRMATA, "StandardFirmata.ino")
])  # fmt: skip
def test_what_keeps_silent_is_asked_until_it_answers(
    question: str, answer: bytes, part: str, ticks: Iterator[float]
) -> None:
    port = Told(b"", {QUESTIONS[question]: answer})
    heard = hear(lambda _: port, probes("1a86:7523", HINTS), lambda: next(ticks))
    assert [each.kind for each in heard] == [ClueKind.PROBE]
    assert part in heard[0].text
    assert port.asked[-1] == QUESTIONS[question]


def test_rubbish_of_a_wrong_speed_is_no_answer() -> None:
    assert plain(b"\xff\xf0\x79\x00") != ""
    assert plain(FIRMATA) == "StandardFirmata.ino"


def test_real_port_is_heard() -> None:
    far, near = pty.openpty()
    tty.setraw(near)

    def opened(baud: int) -> SerialPort:
        port = SerialPort(os.ttyname(near), baud)
        os.write(far, b"start\necho:Marlin 2.1.2\n")
        return port

    try:
        heard = hear(opened, [Probe(QUESTIONS["marlin"], 115_200)])
        assert [(each.kind, each.text) for each in heard] == [(ClueKind.BANNER, "start echo:Marlin 2.1.2")]
    finally:
        os.close(far)
        os.close(near)


def test_ports_are_listed_again_where_one_goes_away_while_it_is_asked_who_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pyserial then takes what it could not read for a number."""
    asked = 0

    def comports() -> list[ListPortInfo]:
        nonlocal asked
        asked += 1
        if asked < 3:
            int(None, 16)  # type: ignore[call-overload]
        return [ListPortInfo("/dev/ttyUSB0")]

    monkeypatch.setattr("serial.tools.list_ports.comports", comports)
    assert [each.device for each in system_ports()] == ["/dev/ttyUSB0"]
