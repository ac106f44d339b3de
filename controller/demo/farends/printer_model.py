"""A 3D printer with Marlin firmware, as a host meets it on its port. Pure: bytes and times in, bytes out.

    answer = printer.receive(data, now)      answer = printer.tick(now)      wait(printer.due(now))

Its words are those of Marlin 2.1 (marlinfw.org: host software, M105, M115, M155; language and queue of its source).
Times are seconds of a clock that never goes back.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from controller.demo.farends.faults import Fault
from controller.demo.farends.heater import BED, NOZZLE, ROOM_C, Heater
from controller.demo.farends.marlin_input import Command, Input, Refused
from controller.demo.farends.motion import Motion

BANNER: Final = (
    "start\n"
    "Marlin 2.1.2.4\n"
    "echo: Last Updated: 2024-06-01 | Author: (fabfleet demo)\n"
    "echo: Free Memory: 3812  PlannerBufferBytes: 1232\n"
)
IDENTITY: Final = (
    "FIRMWARE_NAME:Marlin 2.1.2.4 (fabfleet demo) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin "
    "PROTOCOL_VERSION:1.0 MACHINE_TYPE:Ender-3 EXTRUDER_COUNT:1 UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff\n"
    "Cap:SERIAL_XON_XOFF:0\nCap:EEPROM:0\nCap:AUTOREPORT_POS:0\nCap:AUTOREPORT_TEMP:1\nCap:PROGRESS:0\n"
    "Cap:EMERGENCY_PARSER:1\nCap:HOST_ACTION_COMMANDS:1\nCap:PROMPT_SUPPORT:0\n"
)
_QUEUED: Final = 4
"""Commands that are read ahead (BUFSIZE)."""
_RECEIVED: Final = 40
"""Lines that it can keep before it reads them; more are lost."""
_ALIVE_S: Final = 2.0
"""How often it says that it is at work on a long command (HOST_KEEPALIVE_INTERVAL)."""
_HEATING_S: Final = 1.0
_LONGEST_NAP_S: Final = 1.0
_COLD_C: Final = 170.0
"""Colder than this it does not push filament (EXTRUDE_MINTEMP)."""
_SPOILED_EACH: Final = 4
_QUIET: Final = frozenset(
    (
        *("T0", "M17", "M18", "M73", "M75", "M76", "M77", "M84", "M106", "M107", "M108", "M112", "M117", "M118"),
        *("M145", "M201", "M203", "M204", "M205", "M220", "M221", "M413", "M420"),
    )
)
"""Commands that it takes and that change nothing a host could see."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`speed`: how many seconds of motion and heat pass in one second."""

    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class _Hold:
    """What it waits for before it goes on. `left_s` is in seconds of the machine; `ends` is said at the end."""

    over: Callable[[], bool]
    left_s: Callable[[], float]
    heating: bool = False
    user: bool = False
    ends: str = "ok\n"


_Answer: TypeAlias = "str | _Hold"
"""What stands behind `ok`, or what it waits for until it says so."""


class Printer:
    """One printer with its firmware. Heat outlives a restart of the firmware."""

    def __init__(self, settings: Settings, now: float) -> None:
        self.nozzle = Heater(NOZZLE)
        self.bed = Heater(BED)
        self._halted = False
        self._settings = settings
        self._fault = Fault.NONE
        self._now = now
        self._spoiling = 0
        self._out: list[str] = []
        self._boot()

    def receive(self, data: bytes, now: float) -> bytes:
        """Hear `data`; what it says."""
        self._pass(now)
        if self._fault is Fault.FROZEN or self._halted:
            return b""
        for line in self._input.feed(data):
            self._emergency(line)
            if len(self._lines) < _RECEIVED:
                self._lines.append(self._spoiled(line))
        self._run()
        return self._said()

    def tick(self, now: float) -> bytes:
        """Let time pass; what it says."""
        self._pass(now)
        if self._fault is Fault.FROZEN:
            return b""
        if not self._halted:
            self._run()
            self._report()
        return self._said()

    def due(self, now: float) -> float:
        """Seconds from `now` until it may have something to say of itself."""
        if self._fault is Fault.FROZEN or self._halted:
            return _LONGEST_NAP_S
        naps = [_LONGEST_NAP_S]
        if self._hold:
            naps += [self._alive_at - now, self._now - now + self._hold.left_s() / self._settings.speed]
        if self._report_s:
            naps.append(self._report_at - now)
        return max(0.001, min(naps))

    def switch(self, fault: Fault, now: float) -> bytes:
        """Have a fault from now on, or be put right by somebody: switched off and on, or told to go on."""
        self._pass(now)
        before, self._fault = self._fault, fault
        if fault is Fault.THERMAL_RUNAWAY and not self._halted:
            self._halt("Error:Thermal Runaway, system stopped! Heater_ID: E0\n")
        elif before is Fault.UNPLUGGED or (fault is Fault.NONE and self._halted):
            self._boot()
        elif fault is Fault.NONE:
            self._go_on()
        return b"" if fault is Fault.FROZEN else self.tick(now)

    def _boot(self) -> None:
        self._halted = False
        self.nozzle.target = self.bed.target = 0.0
        self._input = Input()
        self._motion = Motion()
        self._lines: deque[bytes] = deque()
        self._queue: deque[Command] = deque()
        self._hold: _Hold | None = None
        self._confirmed = False
        self._report_s = 0.0
        self._report_at = self._alive_at = self._now
        self._out.append(BANNER)

    def _halt(self, why: str = "") -> None:
        self._halted = True
        self.nozzle.target = self.bed.target = 0.0
        self._hold = None
        self._motion = Motion()
        self._lines.clear()
        self._queue.clear()
        self._out.append(f"{why}Error:Printer halted. kill() called!\n")

    def _pass(self, now: float) -> None:
        """Heat flows always; motion stops where the firmware does."""
        seconds = (now - self._now) * self._settings.speed
        self._now = now
        self.nozzle.advance(seconds)
        self.bed.advance(seconds)
        if self._fault is not Fault.FROZEN:
            self._motion.advance(seconds)

    def _said(self) -> bytes:
        said = "".join(self._out).encode()
        self._out.clear()
        if self._fault is Fault.GARBAGE:
            return bytes(byte if byte == 0x0A else byte | 0xC0 for byte in said)
        return said

    def _spoiled(self, line: bytes) -> bytes:
        """Every fourth numbered line with one bit turned, while there is noise."""
        if self._fault is not Fault.NOISE or not line.lstrip().startswith(b"N") or b"M110" in line:
            return line
        self._spoiling += 1
        return line if self._spoiling % _SPOILED_EACH else line[:-1] + bytes([line[-1] ^ 1])

    def _emergency(self, line: bytes) -> None:
        """What acts as soon as it comes, whatever waits before it (EMERGENCY_PARSER)."""
        text = line.split(b" ", 1)[-1] if line.startswith(b"N") else line
        if text.startswith(b"M108"):
            self._go_on()
        elif text.startswith(b"M112"):
            self._halt()

    def _go_on(self) -> None:
        """End a wait for heat or for a person."""
        if self._hold and (self._hold.user or self._hold.heating):
            self._confirmed = True

    def _run(self) -> None:
        """Carry out what can be carried out now."""
        while not self._halted:
            if self._hold:
                if not (self._confirmed or self._hold.over()):
                    return
                self._out.append(self._hold.ends)
                self._hold = None
            self._read()
            if not self._queue:
                return
            self._carry_out(self._queue.popleft())

    def _read(self) -> None:
        while self._lines and len(self._queue) < _QUEUED:
            try:
                self._queue.append(self._input.read(self._lines.popleft()))
            except Refused as error:
                last = self._input.last
                self._out.append(f"Error:{error}, Last Line: {last}\nResend: {last + 1}\nok\n")

    def _carry_out(self, command: Command) -> None:
        act = self._ACTS.get(command.code)
        if act is None and command.code not in _QUIET:
            self._out.append(f'echo:Unknown command: "{command.text}"\n')
        answer = act(self, command) if act else ""
        if isinstance(answer, str):
            self._out.append(f"ok{answer}\n")
        else:
            self._wait(answer)

    def _wait(self, hold: _Hold) -> None:
        self._hold, self._confirmed = hold, False
        self._alive_at = self._now + (_HEATING_S if hold.heating else _ALIVE_S)

    def _report(self) -> None:
        """Temperatures in their turn, and signs of life during a long command."""
        if self._report_s and self._now >= self._report_at:
            self._report_at = self._now + self._report_s
            self._out.append(f"{self._temperatures()}\n")
        if self._hold and self._now >= self._alive_at:
            self._alive_at = self._now + (_HEATING_S if self._hold.heating else _ALIVE_S)
            busy = f"echo:busy: {'paused for user' if self._hold.user else 'processing'}\n"
            self._out.append(f"{self._temperatures()} W:?\n" if self._hold.heating else busy)

    def _temperatures(self) -> str:
        nozzle, bed = self.nozzle, self.bed
        return (
            f" T:{nozzle.actual:.2f} /{nozzle.target:.2f} B:{bed.actual:.2f} /{bed.target:.2f}"
            f" @:{nozzle.power} B@:{bed.power}"
        )

    def _stood(self) -> _Hold:
        return _Hold(lambda: self._motion.standing, self._motion.left_s)

    def _for_user(self, ends: str) -> _Hold:
        return _Hold(lambda: False, lambda: math.inf, user=True, ends=ends)

    def _move(self, command: Command) -> _Answer:
        warm = self.nozzle.actual >= _COLD_C
        if "E" in command.words and not warm:
            self._out.append("echo: cold extrusion prevented\n")
        pushed = self._motion.move(command.code, command.words, extrude=warm)
        if pushed > 0 and self._fault is Fault.FILAMENT_OUT:
            self._out.append("ok\n//action:paused filament_runout 0\n")
            return self._for_user("//action:resumed\n")
        return _Hold(lambda: not self._motion.crowded, self._motion.room_s) if self._motion.crowded else ""

    def _dwell(self, command: Command) -> _Answer:
        self._motion.wait(max(command.words.get("P", 0.0) / 1000 or command.words.get("S", 0.0), 0.0))
        return self._stood()

    def _home(self, command: Command) -> _Answer:
        self._motion.home(command.words)
        return self._stood()

    def _mode(self, command: Command) -> _Answer:
        self._motion.mode(command.code)
        return ""

    def _set_position(self, command: Command) -> _Answer:
        self._motion.set_position(command.words)
        return ""

    def _finish_moves(self, _command: Command) -> _Answer:
        return self._stood()

    def _heat(self, command: Command) -> _Answer:
        heater = self.nozzle if command.code in ("M104", "M109") else self.bed
        words = command.words
        heater.target = words.get("R", words.get("S", heater.target))
        if command.code in ("M104", "M140"):
            return ""
        cools = "R" in words and heater.target > ROOM_C
        return _Hold(
            lambda: heater.actual == heater.target or (not cools and heater.actual > heater.target),
            heater.left_s,
            heating=True,
        )

    def _ask_temperatures(self, _command: Command) -> _Answer:
        return self._temperatures()

    def _ask_identity(self, _command: Command) -> _Answer:
        self._out.append(IDENTITY)
        return ""

    def _ask_position(self, _command: Command) -> _Answer:
        at = self._motion.at
        self._out.append(" ".join(f"{axis}:{at[axis]:.2f}" for axis in "XYZE") + " Count X:0 Y:0 Z:0\n")
        return ""

    def _report_often(self, command: Command) -> _Answer:
        self._report_s = min(max(command.words.get("S", 0.0), 0.0), 60.0)
        self._report_at = self._now + self._report_s
        return ""

    def _number(self, command: Command) -> _Answer:
        self._input.last = int(command.words.get("N", self._input.last))
        return ""

    def _change_filament(self, _command: Command) -> _Answer:
        self._out.append("//action:paused\n")
        return self._for_user("//action:resumed\nok\n")

    def _stop_for_user(self, _command: Command) -> _Answer:
        return self._for_user("ok\n")

    _ACTS: ClassVar[Mapping[str, Callable[["Printer", Command], _Answer]]] = {
        **dict.fromkeys(("G0", "G1", "G2", "G3"), _move),
        **dict.fromkeys(("G20", "G21", "G90", "G91", "M82", "M83"), _mode),
        **dict.fromkeys(("M104", "M109", "M140", "M190"), _heat),
        **dict.fromkeys(("M0", "M1"), _stop_for_user),
        "G4": _dwell,
        "G28": _home,
        "G92": _set_position,
        "M105": _ask_temperatures,
        "M110": _number,
        "M114": _ask_position,
        "M115": _ask_identity,
        "M155": _report_often,
        "M400": _finish_moves,
        "M600": _change_filament,
    }
