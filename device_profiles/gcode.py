"""Check G-code for a printer against what its profile allows, and estimate its time and material. Pure.

A guard against mistakes: a file that was sliced for another machine, or edited by hand. `review` reads it once, line by
line, and says which lines ask for more than the machine may do.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST: Final = 96
"""Bytes of the longest command that Marlin takes (MAX_CMD_SIZE)."""
MOST_PROBLEMS: Final = 20
_OF_THE_LINK: Final = ("M110", "M149", "M575")
"""Line numbers, units of temperature, speed of the port: these would cut the conversation."""
_OF_THE_CARD: Final = ("M23", "M24", "M26", "M28", "M29", "M30", "M32", "M34", "M98", "M820", "M928")
"""Files and macros in the printer itself: nobody has checked what is in them."""
_OF_THE_MACHINE: Final = (
    *("M42", "M81", "M92", "M211", "M301", "M302", "M303", "M304", "M306", "M500", "M502", "M665", "M666"),
    *("M906", "M907", "M908", "M909", "M910", "M997", "M999"),
)
"""The machine's own limits and settings, which outlive the job."""
FORBIDDEN: Final = frozenset(
    (*_OF_THE_LINK, *_OF_THE_CARD, *_OF_THE_MACHINE, *(f"M{macro}" for macro in range(810, 820)))
)
_COMMAND = re.compile(r"\s*(?:N\s*\d+\s+)?([A-Z])\s*(\d+)(?:\.\d+)?\s*(.*)", re.IGNORECASE)
_WORD = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*", re.IGNORECASE)
_PLAIN = re.compile(r"(?:[A-Z] *[-+]?(?:\d+\.?\d*|\.\d+) *)*")
"""What nearly every line is: read in one go."""
_FLAG = re.compile(r"[A-Z]\s*", re.IGNORECASE)
_HEATS: Final = {"M104": "nozzle", "M109": "nozzle", "M140": "bed", "M190": "bed", "M141": "chamber", "M191": "chamber"}
_AXES: Final = ("X", "Y", "Z")
_JERK_MM_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may ask for. Degrees Celsius and millimetres; a range is (least, most). 0 °C means: no such heater."""

    nozzle_c: float
    bed_c: float
    x_mm: tuple[float, float]
    y_mm: tuple[float, float]
    z_mm: tuple[float, float]
    chamber_c: float = 0.0
    forbidden: frozenset[str] = FORBIDDEN
    filament_mm: float = 1.75
    density_g_cm3: float = 1.24
    acceleration_mm_s2: float = 500.0
    fastest_mm_s: float = 200.0


def limits(table: Mapping[str, Any]) -> Limits:
    """Read a profile's `[options.limits]`. Raises ValueError, naming the key."""
    given = dict(table)
    values: dict[str, Any] = {}
    for axis in ("x_mm", "y_mm", "z_mm"):
        pair = given.pop(axis, None)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) in (int, float) for each in pair):
            raise ValueError(f"limits.{axis}: not [least, most] in millimetres")
        values[axis] = (float(pair[0]), float(pair[1]))
    more = given.pop("forbidden", [])
    if not isinstance(more, list) or not all(isinstance(each, str) for each in more):
        raise ValueError("limits.forbidden: not a list of codes")
    values["forbidden"] = FORBIDDEN | {each.upper() for each in more}
    for key in ("nozzle_c", "bed_c", "chamber_c", "filament_mm", "density_g_cm3", "acceleration_mm_s2", "fastest_mm_s"):
        if key in given:
            value = given.pop(key)
            if type(value) not in (int, float) or value < 0:
                raise ValueError(f"limits.{key}: not a number")
            values[key] = float(value)
    if given:
        raise ValueError(f"limits.{next(iter(given))}: nobody knows this key")
    if missing := {"nozzle_c", "bed_c"} - values.keys():
        raise ValueError(f"limits.{min(missing)}: missing")
    return Limits(**values)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line is refused. `code` is stable: too-hot, outside, forbidden, unreadable, too-long."""

    line: int
    code: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Review:
    """What a file asks for. `duration_s` is the slicer's own figure where `sliced` says so, else our estimate.

    The estimate counts moves and pauses, not heating up. At most MOST_PROBLEMS problems are listed.
    """

    commands: int = 0
    duration_s: float = 0.0
    sliced: bool = False
    filament_mm: float = 0.0
    filament_g: float = 0.0
    hottest_nozzle_c: float = 0.0
    hottest_bed_c: float = 0.0
    problems: tuple[Problem, ...] = ()


def command(line: str) -> str:
    """What of a line goes to the printer: no comment, no line number, no checksum. Empty if nothing does."""
    text = line.partition(";")[0].strip()
    if text[:1] in "Nn" and (found := re.match(r"[Nn]\s*\d+\s*", text)):
        text = text[found.end() :].partition("*")[0].rstrip()
    return text


def commands(lines: Iterable[str]) -> Iterator[str]:
    """The commands of a file, in order, as they go to the printer."""
    for line in lines:
        if text := command(line):
            yield text


def review(lines: Iterable[str], allowed: Limits) -> Review:
    """Read a whole file. Lines are counted from 1."""
    reader = _Reader(allowed)
    for number, line in enumerate(lines, 1):
        reader.read(number, line)
    return reader.review()


@dataclass(slots=True)
class _Machine:
    """Where the tool is, as Marlin's parser would have it. Millimetres, millimetres per second."""

    at: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZE", 0.0))
    shift: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZE", 0.0))
    unit: float = 1.0
    relative: bool = False
    relative_e: bool = False
    feed: float = 25.0


class _Reader:
    def __init__(self, allowed: Limits) -> None:
        self.allowed = allowed
        self.machine = _Machine()
        self.clock = _Clock(allowed.acceleration_mm_s2)
        self.problems: list[Problem] = []
        self.commands = 0
        self.pushed = self.most_pushed = 0.0
        self.hottest = {"nozzle": 0.0, "bed": 0.0, "chamber": 0.0}
        self.told_s = 0.0

    def review(self) -> Review:
        self.clock.finish()
        volume_mm3 = math.pi / 4 * self.allowed.filament_mm**2 * self.most_pushed
        return Review(
            commands=self.commands,
            duration_s=round(self.told_s or self.clock.elapsed_s, 1),
            sliced=bool(self.told_s),
            filament_mm=round(self.most_pushed, 1),
            filament_g=round(volume_mm3 / 1000 * self.allowed.density_g_cm3, 2),
            hottest_nozzle_c=self.hottest["nozzle"],
            hottest_bed_c=self.hottest["bed"],
            problems=tuple(self.problems),
        )

    def problem(self, line: int, code: str, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(line, code, text))

    def read(self, number: int, line: str) -> None:
        if not self.told_s and ";" in line:
            self.told_s = told_duration_s(line)
        text = command(line)
        if not text:
            return
        self.commands += 1
        if len(text) > LONGEST:
            self.problem(number, "too-long", f"{len(text)} letters, a printer takes {LONGEST}")
            return
        found = _COMMAND.fullmatch(text)
        if not found:
            self.problem(number, "unreadable", f"{text[:40]!r} is no G-code")
            return
        code = f"{found[1].upper()}{int(found[2])}"
        if code in self.allowed.forbidden:
            self.problem(number, "forbidden", f"{code} is not allowed on this machine")
        elif code in _HEATS or code in _RULES:
            words = _words(found[3])
            if words is None:
                self.problem(number, "unreadable", f"{text[:40]!r} cannot be read for certain")
            elif code in _HEATS:
                self.heat(number, code, words)
            else:
                _RULES[code](self, number, code, words)
        elif code[0] == "T" and code != "T0":
            self.problem(number, "forbidden", f"{code}: this machine has one nozzle")

    def heat(self, number: int, code: str, words: Mapping[str, float]) -> None:
        heater = _HEATS[code]
        wanted = max(words.get("S", 0.0), words.get("R", 0.0), words.get("B", 0.0))
        self.hottest[heater] = max(self.hottest[heater], wanted)
        most = {"nozzle": self.allowed.nozzle_c, "bed": self.allowed.bed_c, "chamber": self.allowed.chamber_c}[heater]
        if wanted > most or not words.keys() <= set("SRTIBFP"):
            self.problem(number, "too-hot", f"{code} asks for {wanted:g} °C, the {heater} may have {most:g} °C")

    def preset(self, number: int, code: str, words: Mapping[str, float]) -> None:
        """M145 stores temperatures that a later command heats to."""
        for letter, heater, most in (("H", "nozzle", self.allowed.nozzle_c), ("B", "bed", self.allowed.bed_c)):
            if words.get(letter, 0.0) > most:
                self.problem(
                    number, "too-hot", f"{code} asks for {words[letter]:g} °C, the {heater} may have {most:g} °C"
                )

    def mode(self, _number: int, code: str, _words: Mapping[str, float]) -> None:
        machine = self.machine
        if code in ("G90", "G91"):
            machine.relative = machine.relative_e = code == "G91"
        elif code in ("M82", "M83"):
            machine.relative_e = code == "M83"
        else:
            machine.unit = 25.4 if code == "G20" else 1.0

    def home(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        for axis in [axis for axis in _AXES if axis in words] or _AXES:
            self.machine.at[axis] = self.machine.shift[axis] = 0.0

    def set_position(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        machine = self.machine
        for axis in [axis for axis in "XYZE" if axis in words] or "XYZE":
            machine.shift[axis] = machine.at[axis] - words.get(axis, 0.0) * machine.unit

    def acceleration(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        given = words.get("P") or words.get("S") or 0.0
        if given > 0:
            self.clock.acceleration = min(given, 20_000.0)

    def wait(self, _number: int, _code: str, words: Mapping[str, float]) -> None:
        self.clock.wait(min(words.get("P", 0.0) / 1000 or words.get("S", 0.0), 86_400.0))

    def move(self, number: int, code: str, words: Mapping[str, float]) -> None:
        machine = self.machine
        start = dict(machine.at)
        for axis in "XYZE":
            if axis in words:
                relative = machine.relative_e if axis == "E" else machine.relative
                origin = machine.at[axis] if relative else machine.shift[axis]
                machine.at[axis] = origin + words[axis] * machine.unit
        if words.get("F", 0.0) > 0:
            machine.feed = words["F"] * machine.unit / 60
        arc = _arc(start, machine.at, words, machine.unit, clockwise=code == "G2") if code in ("G2", "G3") else ()
        for point in (*arc, machine.at):
            if not self.inside(number, code, point):
                break
        pushed = machine.at["E"] - start["E"]
        self.pushed += pushed
        self.most_pushed = max(self.most_pushed, self.pushed)
        speed = min(machine.feed, self.allowed.fastest_mm_s)
        before = start
        for point in (*arc, machine.at):
            steps = [point[axis] - before[axis] for axis in _AXES]
            self.clock.move((steps[0], steps[1], steps[2]), 0.0 if arc else pushed, speed)
            before = point

    def inside(self, number: int, code: str, point: Mapping[str, float]) -> bool:
        for axis, (least, most) in zip(_AXES, (self.allowed.x_mm, self.allowed.y_mm, self.allowed.z_mm), strict=True):
            if not least <= point[axis] <= most:
                where = f"{axis}{point[axis]:g}"
                self.problem(number, "outside", f"{code} goes to {where}, {axis} may be {least:g} to {most:g} mm")
                return False
        return True


_RULES: Final = {
    **dict.fromkeys(("G0", "G1", "G2", "G3"), _Reader.move),
    **dict.fromkeys(("G20", "G21", "G90", "G91", "M82", "M83"), _Reader.mode),
    "G4": _Reader.wait,
    "G28": _Reader.home,
    "G92": _Reader.set_position,
    "M145": _Reader.preset,
    "M204": _Reader.acceleration,
}


@dataclass(frozen=True, slots=True)
class _Move:
    length: float
    speed: float
    entry: float
    way: tuple[float, float, float]


class _Clock:
    """Adds up moves as trapezoids of speed; at a corner the speed falls so that no axis jumps by more than the jerk."""

    def __init__(self, acceleration: float) -> None:
        self.acceleration = max(acceleration, 1.0)
        self.elapsed_s = 0.0
        self._last: _Move | None = None

    def move(self, steps: tuple[float, float, float], pushed: float, speed: float) -> None:
        length = math.hypot(*steps) or abs(pushed)
        if length < 1e-6 or speed <= 0:
            return
        way = (steps[0] / length, steps[1] / length, steps[2] / length)
        last = self._last
        entry = 0.0
        if last:
            turn = max(abs(a * last.speed - b * speed) for a, b in zip(last.way, way, strict=True))
            entry = min(last.speed, speed) * min(1.0, _JERK_MM_S / turn if turn else 1.0)
            self._close(last, entry)
        self._last = _Move(length, speed, entry, way)

    def wait(self, seconds: float) -> None:
        self.finish()
        self.elapsed_s += seconds

    def finish(self) -> None:
        if self._last:
            self._close(self._last, 0.0)
            self._last = None

    def _close(self, move: _Move, leave: float) -> None:
        peak = min(move.speed, math.sqrt(self.acceleration * move.length + (move.entry**2 + leave**2) / 2))
        if peak <= max(move.entry, leave):
            self.elapsed_s += move.length / max((move.entry + leave) / 2, 0.1)
            return
        ramps = (2 * peak**2 - move.entry**2 - leave**2) / (2 * self.acceleration)
        self.elapsed_s += (2 * peak - move.entry - leave) / self.acceleration + (move.length - ramps) / peak


def _words(text: str) -> dict[str, float] | None:
    """Letters and numbers; a letter alone counts 0. None for a letter twice, or for anything else."""
    if _PLAIN.fullmatch(text):
        pairs = _WORD.findall(text)
        words = {letter: float(number) for letter, number in pairs}
        return words if len(words) == len(pairs) else None
    words = {}
    at = 0
    while at < len(text):
        found = _WORD.match(text, at) or _FLAG.match(text, at)
        if not found or found[0][0].upper() in words:
            return None
        words[found[0][0].upper()] = float(found[2]) if found.re is _WORD else 0.0
        at = found.end()
    return words


def _arc(
    start: Mapping[str, float], end: Mapping[str, float], words: Mapping[str, float], unit: float, *, clockwise: bool
) -> tuple[dict[str, float], ...]:
    """Points on an arc of the XY plane, 5 degrees or less apart, without its ends. Empty if it is none."""
    centre = _centre(start, end, words, unit, clockwise=clockwise)
    if centre is None:
        return ()
    x, y = centre
    radius = math.hypot(start["X"] - x, start["Y"] - y)
    first = math.atan2(start["Y"] - y, start["X"] - x)
    sweep = (math.atan2(end["Y"] - y, end["X"] - x) - first) % (2 * math.pi) or 2 * math.pi
    if clockwise:
        sweep -= 2 * math.pi if sweep < 2 * math.pi else 4 * math.pi
    count = max(1, math.ceil(abs(sweep) / math.radians(5)))
    return tuple(
        {
            "X": x + radius * math.cos(first + sweep * part / count),
            "Y": y + radius * math.sin(first + sweep * part / count),
            "Z": start["Z"] + (end["Z"] - start["Z"]) * part / count,
        }
        for part in range(1, count)
    )


def _centre(
    start: Mapping[str, float], end: Mapping[str, float], words: Mapping[str, float], unit: float, *, clockwise: bool
) -> tuple[float, float] | None:
    if "R" not in words:
        if not {"I", "J"} & words.keys():
            return None
        return start["X"] + words.get("I", 0.0) * unit, start["Y"] + words.get("J", 0.0) * unit
    radius = words["R"] * unit
    across, up = end["X"] - start["X"], end["Y"] - start["Y"]
    chord = math.hypot(across, up)
    if chord == 0 or abs(radius) < chord / 2:
        return None
    height = math.sqrt(radius**2 - (chord / 2) ** 2) * (1 if (radius > 0) != clockwise else -1)
    return (start["X"] + end["X"]) / 2 - up / chord * height, (start["Y"] + end["Y"]) / 2 + across / chord * height


_TOLD = re.compile(
    r";\s*(?:TIME:\s*(?P<seconds>\d{1,7})\b|.*?printing time \(normal mode\)\s*=\s*(?P<words>[\ddhms ]+))"
)
_PART = re.compile(r"(\d{1,5})\s*([dhms])")


def told_duration_s(line: str) -> float:
    """What a slicer's comment says of the print time in seconds, 0 if it says nothing. Source: Cura, PrusaSlicer."""
    found = _TOLD.match(line.strip())
    if not found:
        return 0.0
    if found["seconds"]:
        return float(found["seconds"])
    factor = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
    return float(sum(int(number) * factor[unit] for number, unit in _PART.findall(found["words"])))
