import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.marlin_replies import (
    Action,
    Busy,
    Capability,
    Failed,
    Firmware,
    Garbage,
    Heater,
    Ok,
    Remark,
    Reply,
    Resend,
    Started,
    Temperatures,
    Trouble,
    Unknown,
    parse,
)

BOTH = Temperatures(Heater(201.3, 200.0), Heater(60.0, 60.0))
CASES: list[tuple[str, list[Reply]]] = [
    ("ok", [Ok()]),
    ("ok N12 P15 B3", [Ok(12)]),
    ("ok T:201.3 /200.0 B:60.0 /60.0 @:64 B@:0", [Ok(), BOTH]),
    (" T:201.30 /200.00 B:60.00 /60.00 T0:201.30 /200.00 @:0 B@:0", [BOTH]),
    ("T:178.2 E:0 W:?", [Temperatures(Heater(178.2))]),
    ("B:41.05", [Temperatures(bed=Heater(41.05))]),
    ("T:-14.9 /0.0", [Temperatures(Heater(-14.9, 0.0))]),
    ("Resend: 105", [Resend(105)]),
    ("Resend:105", [Resend(105)]),
    ("rs N105", [Resend(105)]),
    ("echo:busy: processing", [Busy()]),
    ("echo:busy: paused for user", [Busy(user=True)]),
    ("start", [Started()]),
    ("Cap:AUTOREPORT_TEMP:1", [Capability("AUTOREPORT_TEMP", present=True)]),
    ("Cap:EEPROM:0", [Capability("EEPROM", present=False)]),
    (
        "FIRMWARE_NAME:Marlin 1.1.9 (Github) SOURCE_CODE_URL:https://x/Marlin MACHINE_TYPE:Ender-3 UUID:cede2a2f",
        [Firmware("Marlin 1.1.9 (Github)", "Ender-3", "cede2a2f")],
    ),
    ("//action:pause", [Action("pause")]),
    ("// action:cancel", [Action("cancel")]),
    ("Error:Printer halted. kill() called!", [Failed(Trouble.HALTED, "Error:Printer halted. kill() called!")]),
    (
        "Error:Thermal Runaway, system stopped! Heater_ID: 0",
        [Failed(Trouble.THERMAL, "Error:Thermal Runaway, system stopped! Heater_ID: 0")],
    ),
    ("Error:MAXTEMP triggered!", [Failed(Trouble.THERMAL, "Error:MAXTEMP triggered!")]),
    ('echo:Unknown command: "M876"', [Unknown('echo:Unknown command: "M876"')]),
    ("Error:checksum mismatch, Last Line: 104", [Remark("Error:checksum mismatch, Last Line: 104")]),
    ("okay, then", [Remark("okay, then")]),
    ("echo:SD card ok", [Remark("echo:SD card ok")]),
    ("wait", [Remark("wait")]),
    ("\x80", [Garbage()]),
]


@pytest.mark.parametrize(("line", "replies"), CASES)
def test_line_says(line: str, replies: list[Reply]) -> None:
    assert parse(line.encode("latin-1")) == replies


@given(st.binary(max_size=200))
def test_any_line_can_be_read(line: bytes) -> None:
    assert parse(line)
