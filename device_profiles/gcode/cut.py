"""Read a job for a laser cutter with GRBL: is all of it within what the profile allows, how long does it take? Pure.

As for printers only what is known to be needed is let through, and only that is sent: canonical words, no comments, no
bytes that GRBL would take as a command at once (`!`, `~`, `?`). Places are work coordinates: whoever sets the machine
up puts their zero at the front left corner of the sheet, within the machine.
Source: gnea/grbl, grbl/gcode.c and doc/markdown/laser_mode.md; NIST RS274/NGC for the words.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from device_profiles.gcode.allowed import Limits
from device_profiles.gcode.arc import arc
from device_profiles.gcode.clock import Clock
from device_profiles.gcode.preview import Drawing
from device_profiles.gcode.problem import MOST_PROBLEMS, Inspection, Problem, Review, problem
from device_profiles.gcode.syntax import LINE, NUMBER

LONGEST: Final = 70
"""Letters of the longest command. GRBL's line buffer has 80 bytes with its end (protocol.h, LINE_BUFFER_SIZE)."""
_MOVES: Final = ("G0", "G1", "G2", "G3", "G4", "G17", "G20", "G21", "G40", "G49", "G54", "G80", "G90", "G91", "G94")
CODES: Final = frozenset((*_MOVES, "M2", "M3", "M4", "M5", "M8", "M9", "M30"))
"""What cutting programs write. No other coordinates and no way to change them (G10, G28, G53, G55 to G59, G92), no
probing (G38), no pause that only the machine's own button ends (M0, M1), no settings ($...)."""
_WORD = re.compile(rf"([A-Z]) *({NUMBER}) *", re.ASCII)
_REMARK = re.compile(r"\([^()]*\)")
_LETTERS: Final = frozenset("GMXYZIJRFSP")
_SLOWEST_MM_S: Final = 0.01
_LONGEST_S: Final = 7 * 86_400.0
_RAPID: Final = "G0"


@dataclass(frozen=True, slots=True)
class CutLimits:
    """What a job may ask for. Millimetres, mm/s; a range is (least, most). Power in units of S, as GRBL's $30 has it.

    `constant_power`: M3 is allowed, which keeps the beam on while the machine slows down or stands. `laser` False is a
    mill, whose spindle does that by nature.
    """

    x_mm: tuple[float, float]
    y_mm: tuple[float, float]
    z_mm: tuple[float, float]
    full_power_s: float
    most_power_s: float
    fastest_mm_s: float
    acceleration_mm_s2: float
    constant_power: bool = False
    laser: bool = True

    def bed(self) -> Limits:
        """For the drawing."""
        return Limits(0.0, 0.0, self.x_mm, self.y_mm, self.z_mm)


def limits(table: Mapping[str, Any]) -> CutLimits:
    """Read a profile's `[options.limits]`: the fields of CutLimits. Raises ValueError, naming the key."""
    given = dict(table)
    values: dict[str, Any] = {}
    for axis in ("x_mm", "y_mm", "z_mm"):
        pair = given.pop(axis, None)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) in (int, float) for each in pair):
            raise ValueError(f"limits.{axis}: not [least, most] in millimetres")
        values[axis] = (float(pair[0]), float(pair[1]))
    for key in ("full_power_s", "most_power_s", "fastest_mm_s", "acceleration_mm_s2"):
        value = given.pop(key, None)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise ValueError(f"limits.{key}: not a number above 0")
        values[key] = float(value)
    for key in ("constant_power", "laser"):
        if key in given:
            values[key] = given.pop(key)
            if type(values[key]) is not bool:
                raise ValueError(f"limits.{key}: neither true nor false")
    if given:
        raise ValueError(f"limits.{next(iter(given))}: nobody knows this key")
    return CutLimits(**values)


def command(line: str) -> str:
    """What of a line goes to the machine: capitals, no comment, no spaces. Empty if nothing does."""
    text = _REMARK.sub("", line.partition(";")[0]).strip().upper()
    return "" if text == "%" else "".join(text.split())


def commands(source: Iterable[str]) -> Iterator[str]:
    """The commands of a file, in order, as they go to the machine."""
    for line in source:
        if text := command(line):
            yield text


def review(source: Iterable[str], allowed: CutLimits) -> Review:
    """Read a whole file. Lines are counted from 1."""
    return _Reader(allowed, None).read_all(source)


def inspect(source: Iterable[str], allowed: CutLimits) -> Inspection:
    """Read a whole file, and draw what it cuts. The review is the same as that of `review`."""
    drawing = Drawing(allowed.bed())
    found = _Reader(allowed, drawing).read_all(source)
    return Inspection(found, drawing.preview())


class _Reader:
    """Where the tool is and what comes out of it, as GRBL would have it. Millimetres, mm/s."""

    def __init__(self, allowed: CutLimits, drawing: Drawing | None) -> None:
        self.allowed, self.drawing = allowed, drawing
        self.clock = Clock(allowed.acceleration_mm_s2)
        self.clock.jerk = 1.0  # GRBL's corners are sharper braked than Marlin's
        self.problems: list[Problem] = []
        self.at = (0.0, 0.0, 0.0)
        self.placed = False
        self.motion, self.mode = _RAPID, "M5"
        self.unit, self.relative = 1.0, False
        self.feed = self.power = self.hottest = self.cut_mm = 0.0
        self.commands = 0
        self.ended = False

    def read_all(self, source: Iterable[str]) -> Review:
        for number, line in enumerate(source, 1):
            text = command(line)
            if len(line) >= LINE or len(text) > LONGEST:
                self.note(number, "too-long", "letters", count=str(max(len(text), LONGEST + 1)), most=str(LONGEST))
                self.commands += 1
            elif text:
                self.commands += 1
                self.read(number, text)
        self.clock.finish()
        estimate = round(min(self.clock.elapsed_s, _LONGEST_S), 1)
        return Review(
            kind="cut",
            commands=self.commands,
            duration_s=estimate,
            estimate_s=estimate,
            power_percent=round(100 * self.hottest / self.allowed.full_power_s, 1),
            cut_mm=round(self.cut_mm, 1),
            problems=tuple(self.problems),
        )

    def note(self, line: int, code: str, detail: str, /, **given: str | float) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem(line, code, detail, **given))

    def read(self, number: int, text: str) -> None:
        pairs = _WORD.findall(text)
        letters = [letter for letter, _ in pairs]
        words = {letter: float(value) for letter, value in pairs if letter not in "GM"}
        whole = "".join(letter + value for letter, value in pairs) == text
        if not whole or not set(letters) <= _LETTERS or len(words) != sum(each not in "GM" for each in letters):
            self.note(number, "unreadable", "no-gcode", line=repr(text[:40]))
            return
        codes = [f"{letter}{float(value):g}" for letter, value in pairs if letter in "GM"]
        for code in codes:
            if code not in CODES:
                self.note(number, "forbidden", "not-allowed", code=code)
                return
        if self.ended:
            self.note(number, "forbidden", "after-end")
        self.settle(codes)
        self.hold_against(number, codes, words)
        if "G4" in codes:
            self.clock.wait(words.get("P", 0.0))
        elif words.keys() & set("XYZIJ"):
            self.go(number, words)

    def settle(self, codes: list[str]) -> None:
        """What lasts: units, coordinates, laser."""
        for code in codes:
            match code:
                case "G0" | "G1" | "G2" | "G3":
                    self.motion = code
                case "G20" | "G21":
                    self.unit = 25.4 if code == "G20" else 1.0
                case "G90" | "G91":
                    self.relative = code == "G91"
                case "M3" | "M4" | "M5":
                    self.mode = code
                case "M2" | "M30":
                    self.mode, self.ended = "M5", True

    def hold_against(self, number: int, codes: list[str], words: Mapping[str, float]) -> None:
        """Beam, speed and power."""
        allowed = self.allowed
        if "M3" in codes and allowed.laser and not allowed.constant_power:
            self.note(number, "forbidden", "constant-power")
        if "F" in words:
            self.feed = words["F"] * self.unit / 60
            if self.feed > allowed.fastest_mm_s + 1e-6 or self.feed <= 0:
                most = allowed.fastest_mm_s * 60
                self.note(number, "outside", "speed", wanted=words["F"] * self.unit, most=most)
        if "S" in words:
            self.power = words["S"]
            self.hottest = max(self.hottest, self.power)
            if not 0 <= self.power <= allowed.most_power_s:
                self.note(number, "too-strong", "power", wanted=self.power, most=allowed.most_power_s)

    def go(self, number: int, words: Mapping[str, float]) -> None:
        start, allowed = self.at, self.allowed
        if self.relative and not self.placed:
            self.note(number, "unreadable", "nowhere")
            return
        self.placed = self.placed or {"X", "Y"} <= words.keys()
        x, y, z = (
            words[axis] * self.unit + (at if self.relative else 0.0) if axis in words else at
            for axis, at in zip("XYZ", start, strict=True)
        )
        self.at = (x, y, z)
        speed = allowed.fastest_mm_s if self.motion == _RAPID else self.feed
        if speed <= 0:
            self.note(number, "unreadable", "no-speed")
            return
        points = [(x, y)]
        if self.motion in ("G2", "G3"):
            points = self.turn(number, words, start) or points
        burns = self.motion != _RAPID and self.mode != "M5" and self.power > 0
        before = start[:2]
        for point in points:
            self.inside(number, (*point, z))
            length = math.dist(before, point)
            self.clock.move((point[0] - before[0], point[1] - before[1], 0.0), 0.0, max(speed, _SLOWEST_MM_S))
            if burns:
                self.cut_mm += length
                if self.drawing:
                    self.drawing.move(before, point, 0.0, "")
            before = point
        if z != start[2]:
            self.clock.move((0.0, 0.0, z - start[2]), 0.0, max(speed, _SLOWEST_MM_S))

    def turn(
        self, number: int, words: Mapping[str, float], start: tuple[float, float, float]
    ) -> list[tuple[float, float]]:
        """Places along an arc, its ends last; empty if it is none."""
        unit = self.unit
        centre = start[0] + words.get("I", 0.0) * unit, start[1] + words.get("J", 0.0) * unit
        round_ = words["R"] * unit if "R" in words else centre
        way = arc(start[:2], self.at[:2], round_, clockwise=self.motion == "G2")
        if way is None or ("R" in words) == bool({"I", "J"} & words.keys()):
            self.note(number, "unreadable", "words", line=self.motion)
            return []
        for place in way.furthest(self.at[:2]):
            self.inside(number, (*place, self.at[2]))
        return [*way.points(), self.at[:2]]

    def inside(self, number: int, place: tuple[float, float, float]) -> None:
        allowed = self.allowed
        for axis, at, (least, most) in zip("XYZ", place, (allowed.x_mm, allowed.y_mm, allowed.z_mm), strict=True):
            if not least - 1e-6 <= at <= most + 1e-6:
                self.note(number, "outside", "place", code=self.motion, axis=axis, at=at, least=least, most=most)
                return
