"""Read a printer's G-code: is all of it within what the profile allows, what does it need, how does it look? Pure.

A guard against mistakes, and against somebody who is sly: a file sliced for another machine, or edited by hand. The
controller reads a file when it comes (`inspect`), the printer's bridge once more before it prints (`review`). Lines
come from `lines`, what is sent from `commands`, so that both sides read and send the same.

Only what Marlin certainly reads as we do is let through (syntax), and only commands that jobs need (allowed).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from device_profiles.gcode.allowed import Limits
from device_profiles.gcode.arc import arc
from device_profiles.gcode.clock import Clock
from device_profiles.gcode.preview import Drawing
from device_profiles.gcode.problem import MOST_PROBLEMS, Inspection, Problem, Review, problem
from device_profiles.gcode.syntax import (
    LINE,
    LONGEST,
    NUMBER,
    checks_the_printer,
    code_of,
    command,
    words_of,
)
from device_profiles.gcode.words import Words

_Place: TypeAlias = tuple[float, float, float]
_Words: TypeAlias = tuple[float | None, float | None, float | None, float | None]
_USUAL = re.compile(
    rf"(G[01])(?: F({NUMBER}))?(?: X({NUMBER}))?(?: Y({NUMBER}))?(?: Z({NUMBER}))?(?: E({NUMBER}))?(?: F({NUMBER}))?"
    r" *(?:;.*)?\n?",
    re.ASCII,
).fullmatch
"""What nearly every line is: read in one go. What it lets through, command, code_of and words_of read just so."""
_NEVER = re.compile(r"(?!)").fullmatch
_HEATS: Final = {"M104": "nozzle", "M109": "nozzle", "M140": "bed", "M190": "bed", "M141": "chamber", "M191": "chamber"}
_MOVE_WORDS: Final = frozenset("XYZEF")
_ARC_WORDS: Final = _MOVE_WORDS | frozenset("IJR")
_DENSITIES: Final = {
    "PLA": 1.24,
    "PETG": 1.27,
    "PET": 1.27,
    "ABS": 1.04,
    "ASA": 1.07,
    "TPU": 1.21,
    "PC": 1.2,
    "PA": 1.14,
}
"""g/cm3, as the slicers' own materials have them."""
_FASTEST_ACCELERATION: Final = 20_000.0
_SLOWEST_MM_S: Final = 0.01
_LONGEST_S: Final = 30 * 86_400.0
_MOST_PUSHED_MM: Final = 10_000.0
"""Filament in one move. Firmware refuses much less."""
_MOST_TOO_LITTLE, _MOST_TOO_MUCH, _ALWAYS_S = 0.6, 3.0, 600.0
"""How far a slicer's figure may be off ours: as a factor, and in seconds."""
_SAME_MM: Final = 0.01
_LAYER_MM: Final = 0.05
_SPIRAL_MM: Final = 1.0
"""A layer that a comment began may rise so far, as the spiral of a vase does."""


def review(source: Iterable[str], allowed: Limits) -> Review:
    """Read a whole file. Lines are counted from 1."""
    reader = _Reader(allowed, None)
    reader.read_all(source)
    return reader.review()


def inspect(source: Iterable[str], allowed: Limits) -> Inspection:
    """Read a whole file, and draw it. The review is the same as that of `review`."""
    drawing = Drawing(allowed)
    reader = _Reader(allowed, drawing)
    reader.read_all(source)
    return Inspection(reader.review(), drawing.preview())


@dataclass(slots=True)
class _Heights:
    """The heights at which layers begin."""

    layers: int = 0
    top: float = 0.0
    step: float = 0.0
    even: bool = True

    def begin(self, z: float) -> None:
        if self.layers and z <= self.top + _SAME_MM:
            return
        if self.layers == 1:
            self.step = z - self.top
        elif self.layers and abs(z - self.top - self.step) > _SAME_MM:
            self.even = False
        self.layers += 1
        self.top = z


class _Reader:
    """Where the tool is, as every Marlin would have it, and what it did. Millimetres, millimetres per second."""

    __slots__ = (
        *(
            "allowed",
            "clock",
            "commands",
            "drawing",
            "fastest",
            "speed",
            "heights",
            "high",
            "hottest",
            "laid_layer",
            "laid_z",
        ),
        *("layer_z", "most_pushed", "problems", "pushed", "relative", "relative_e", "shift", "unit", "words"),
        *("at", "box", "e"),
    )

    def __init__(self, allowed: Limits, drawing: Drawing | None) -> None:
        self.allowed, self.drawing = allowed, drawing
        self.box = (*allowed.x_mm, *allowed.y_mm, *allowed.z_mm)
        self.fastest = max(allowed.fastest_mm_s, 1.0)
        self.clock, self.words, self.heights = Clock(allowed.acceleration_mm_s2), Words(), _Heights()
        self.problems: list[Problem] = []
        self.commands = self.laid_layer = 0
        self.pushed = self.most_pushed = 0.0
        self.hottest = {"nozzle": 0.0, "bed": 0.0, "chamber": 0.0}
        self.at: _Place = (0.0, 0.0, 0.0)
        self.e = 0.0
        self.shift = {"X": 0.0, "Y": 0.0, "Z": 0.0, "E": 0.0}
        self.unit, self.speed = 1.0, 25.0
        self.relative = self.relative_e = False
        self.laid_z = self.layer_z = self.high = 0.0

    def review(self) -> Review:
        self.clock.finish()
        estimate, told, words = min(self.clock.elapsed_s, _LONGEST_S), self.words.duration_s, self.words
        sliced = _MOST_TOO_LITTLE * estimate <= told <= _MOST_TOO_MUCH * estimate + _ALWAYS_S and told > 0
        volume_mm3 = math.pi / 4 * self.allowed.filament_mm**2 * self.most_pushed
        density = _DENSITIES.get(words.material, self.allowed.density_g_cm3)
        heights = self.heights
        return Review(
            commands=self.commands,
            duration_s=round(told if sliced else estimate, 1),
            estimate_s=round(estimate, 1),
            sliced=sliced,
            filament_mm=round(self.most_pushed, 1),
            filament_g=round(volume_mm3 / 1000 * density, 2),
            hottest_nozzle_c=self.hottest["nozzle"],
            hottest_bed_c=self.hottest["bed"],
            layers=heights.layers,
            layer_mm=round(heights.step, 3) if heights.even else 0.0,
            height_mm=round(self.high, 3),
            material=words.material,
            slicer=words.slicer,
            sliced_for=words.sliced_for,
            problems=tuple(self.problems),
        )

    def problem(self, line: int, code: str, detail: str, /, **given: str | float) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem(line, code, detail, **given))

    def read_all(self, source: Iterable[str]) -> None:
        usual = _USUAL if {"G0", "G1"} <= self.allowed.codes else _NEVER
        for number, line in enumerate(source, 1):
            found = usual(line) if len(line) <= LONGEST else None
            if not found:
                if line:
                    self.read_any(number, line)
                continue
            code, soon, x, y, z, e, late = found.groups()
            if soon and late:
                self.read_any(number, line)
                continue
            self.commands += 1
            rate = soon or late
            place = (
                float(x) if x else None,
                float(y) if y else None,
                float(z) if z else None,
                float(e) if e else None,
            )
            self.go(number, code, place, float(rate) if rate else 0.0)

    def read_any(self, number: int, line: str) -> None:
        text = command(line)
        if not text:
            self.read_comment(number, line)
            return
        self.commands += 1
        if len(text) > LONGEST:
            self.problem(number, "too-long", "letters", count=str(len(text)), most=str(LONGEST))
            return
        if text in self.allowed.exactly:
            return
        found = code_of(text)
        if not found:
            self.problem(number, "unreadable", "no-gcode", line=repr(text[:40]))
            return
        code, subcode, rest = found
        if code not in self.allowed.codes:
            self.problem(number, "forbidden", "not-allowed", code=code)
            return
        if checks_the_printer(text):
            return
        words = words_of(rest)
        if subcode or words is None or (code in _RULES and None in words.values() and code != "G28"):
            self.problem(number, "unreadable", "words", line=repr(text[:40]))
        elif code in _RULES:
            _RULES[code](self, number, code, {letter: value or 0.0 for letter, value in words.items()})

    def read_comment(self, number: int, line: str) -> None:
        before, mark, comment = line.partition(";")
        if mark and not before.strip():
            self.words.read(comment)
        elif not mark and len(line) >= LINE:
            self.problem(number, "too-long", "letters", count=str(len(line)), most=str(LONGEST))

    def unreadable(self, number: int, code: str) -> None:
        self.problem(number, "unreadable", "words", line=code)

    def heat(self, number: int, code: str, words: Mapping[str, float]) -> None:
        if not words.keys() <= set("SRT") or min(words.values(), default=0.0) < 0:
            self.unreadable(number, code)
        if words.get("T", 0.0):
            self.problem(number, "forbidden", "one-nozzle", code=code)
        heater = _HEATS[code]
        wanted = max(words.get("S", 0.0), words.get("R", 0.0))
        self.hottest[heater] = max(self.hottest[heater], wanted)
        most = {"nozzle": self.allowed.nozzle_c, "bed": self.allowed.bed_c, "chamber": self.allowed.chamber_c}[heater]
        if wanted > most:
            self.problem(number, "too-hot", heater, code=code, wanted=wanted, most=most)

    def mode(self, _number: int, code: str, _words: Mapping[str, float]) -> None:
        if code in ("G90", "G91"):
            self.relative = self.relative_e = code == "G91"
        elif code in ("M82", "M83"):
            self.relative_e = code == "M83"
        else:
            self.unit = 25.4 if code == "G20" else 1.0

    def home(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        axes = [axis for axis in "XYZ" if axis in words] or "XYZ"
        x, y, z = (0.0 if axis in axes else at for axis, at in zip("XYZ", self.at, strict=True))
        self.at = (x, y, z)
        self.shift.update(dict.fromkeys(axes, 0.0))

    def set_position(self, number: int, code: str, words: Mapping[str, float]) -> None:
        if not words or not words.keys() <= set("XYZE"):
            self.unreadable(number, code)
            return
        for axis, at in zip("XYZE", (*self.at, self.e), strict=True):
            if axis in words:
                self.shift[axis] = at - words[axis] * self.unit

    def accelerate(self, _number: int, code: str, words: Mapping[str, float]) -> None:
        """M204 sets the acceleration, M201 what it may be at most."""
        given = words.get("X", 0.0) if code == "M201" else words.get("P") or words.get("S") or 0.0
        if given > 0:
            most = min(max(given, 1.0), _FASTEST_ACCELERATION)
            self.clock.acceleration = min(self.clock.acceleration, most) if code == "M201" else most

    def jerk(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        if words.get("X", 0.0) > 0:
            self.clock.jerk = max(words["X"], _SLOWEST_MM_S)

    def wait(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        self.clock.wait(words.get("P", 0.0) / 1000 + words.get("S", 0.0))

    def move(self, number: int, code: str, words: Mapping[str, float]) -> None:
        if not words.keys() <= _MOVE_WORDS:
            self.unreadable(number, code)
            return
        self.go(number, code, (words.get("X"), words.get("Y"), words.get("Z"), words.get("E")), words.get("F", 0.0))

    def go(self, number: int, code: str, words: _Words, rate: float) -> None:
        """Straight, by words in the file's units."""
        x, y, z, e = words
        unit, shift = self.unit, self.shift
        from_x, from_y, from_z = to_x, to_y, to_z = self.at
        pushed = 0.0
        if x is not None:
            to_x = x * unit + (from_x if self.relative else shift["X"])
        if y is not None:
            to_y = y * unit + (from_y if self.relative else shift["Y"])
        if z is not None:
            to_z = z * unit + (from_z if self.relative else shift["Z"])
        if e is not None:
            pushed = e * unit - (0.0 if self.relative_e else self.e - shift["E"])
        if rate > 0:
            self.feed(rate * unit)
        self.step(number, code, (to_x, to_y, to_z), pushed)

    def feed(self, mm_min: float) -> None:
        self.speed = min(max(mm_min / 60, _SLOWEST_MM_S), self.fastest)

    def step(self, number: int, code: str, to: _Place, pushed: float) -> None:
        """Straight to a place, in millimetres of the machine."""
        at, self.at = self.at, to
        x, y, z = to[0] - at[0], to[1] - at[1], to[2] - at[2]
        self.clock.move((x, y, z), pushed, self.speed)
        inside = self.inside(number, code, to)
        if pushed and self.push(number, code, pushed) and inside and (x or y):
            self.lay(at, to)

    def push(self, number: int, code: str, pushed: float) -> bool:
        """Whether plastic comes of it."""
        self.e += pushed
        if abs(pushed) > _MOST_PUSHED_MM:
            self.problem(number, "outside", "pushed", code=code, pushed=pushed)
            return False
        self.pushed += pushed
        self.most_pushed = max(self.most_pushed, self.pushed)
        return pushed > 0

    def inside(self, number: int, code: str, place: _Place) -> bool:
        x, y, z = place
        least_x, most_x, least_y, most_y, least_z, most_z = self.box
        if least_x <= x <= most_x and least_y <= y <= most_y and least_z <= z <= most_z:
            return True
        allowed = self.allowed
        for axis, at, (least, most) in zip("XYZ", place, (allowed.x_mm, allowed.y_mm, allowed.z_mm), strict=True):
            if not least <= at <= most:
                self.problem(number, "outside", "place", code=code, axis=axis, at=at, least=least, most=most)
                break
        return False

    def lay(self, start: _Place, end: _Place) -> None:
        """Plastic between two places."""
        words, z = self.words, end[2]
        if z != self.laid_z or words.layer != self.laid_layer:
            self.rise(z)
        if self.drawing and words.kind != "inside":
            self.drawing.move(start[:2], end[:2], self.layer_z, words.kind)

    def rise(self, z: float) -> None:
        """Plastic at another height, or the first one after a comment that begins a layer."""
        layer = self.words.layer
        if layer and not self.laid_layer:  # what came before cleans the nozzle
            self.heights, self.high = _Heights(), 0.0
            if self.drawing:
                self.drawing.begin()
        apart = _SPIRAL_MM if layer else _LAYER_MM
        if not self.heights.layers or layer != self.laid_layer or abs(z - self.layer_z) > apart:
            self.layer_z = z
            self.heights.begin(z)
        self.laid_z, self.laid_layer, self.high = z, layer, max(self.high, z)

    def turn(self, number: int, code: str, words: Mapping[str, float]) -> None:
        """G2, clockwise, and G3: round a centre I, J from here, or at a radius R."""
        unit, start = self.unit, self.at
        x, y, z = (
            words[axis] * unit + (at if self.relative else self.shift[axis]) if axis in words else at
            for axis, at in zip("XYZ", start, strict=True)
        )
        centre = start[0] + words.get("I", 0.0) * unit, start[1] + words.get("J", 0.0) * unit
        radius = words["R"] * unit if "R" in words else None
        way = arc(start[:2], (x, y), centre if radius is None else radius, clockwise=code == "G2")
        if way is None or not words.keys() <= _ARC_WORDS or (radius is None) != bool({"I", "J"} & words.keys()):
            self.unreadable(number, code)
            return
        if words.get("F", 0.0) > 0:
            self.feed(words["F"] * unit)
        self.at = (x, y, z)
        far = ((*place, z) for place in ((x, y), *way.furthest((x, y))))
        inside = all(self.inside(number, code, place) for place in far)
        self.clock.curve(math.hypot(way.length, z - start[2]), way.tangents(), self.speed)
        pushed = words["E"] * unit - (0.0 if self.relative_e else self.e - self.shift["E"]) if "E" in words else 0.0
        if pushed and self.push(number, code, pushed) and inside:
            for place in (*way.points(), (x, y)):
                self.lay(start, (*place, z))
                start = (*place, z)


_RULES: Final = {
    **dict.fromkeys(("G0", "G1"), _Reader.move),
    **dict.fromkeys(("G2", "G3"), _Reader.turn),
    **dict.fromkeys(("G20", "G21", "G90", "G91", "M82", "M83"), _Reader.mode),
    **dict.fromkeys(_HEATS, _Reader.heat),
    "G4": _Reader.wait,
    "G28": _Reader.home,
    "G92": _Reader.set_position,
    **dict.fromkeys(("M201", "M204"), _Reader.accelerate),
    "M205": _Reader.jerk,
}
