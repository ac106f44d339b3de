"""What reading a job's file brings: its figures, and why a line is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from device_profiles.gcode.preview import Preview

MOST_PROBLEMS: Final = 20
DETAILS: Final[Mapping[str, str]] = {
    "letters": "{count} letters, this machine takes {most}",
    "no-gcode": "{line} is no G-code for certain",
    "words": "{line} cannot be read for certain",
    "not-allowed": "{code} is not allowed on this machine",
    "one-nozzle": "{code}: this machine has one nozzle",
    "nozzle": "{code} asks for {wanted} °C, the nozzle may have {most} °C",
    "bed": "{code} asks for {wanted} °C, the bed may have {most} °C",
    "chamber": "{code} asks for {wanted} °C, the chamber may have {most} °C",
    "pushed": "{code} pushes {pushed} mm of filament at once",
    "power": "S{wanted} is asked for, the laser may have S{most}",
    "speed": "{wanted} mm/min is asked for, this machine may do {most} mm/min",
    "no-speed": "it moves before any speed was said",
    "constant-power": "M3 keeps the beam on while the machine stands, export the job with M4 (dynamic power)",
    "after-end": "there is a command after the end of the job",
    "nowhere": "it moves by so much before it has gone to any place",
    "place": "{code} goes to {axis}{at}, {axis} may be {least} to {most} mm",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line is refused. `code` is stable: too-hot, too-strong, outside, forbidden, unreadable,
    too-long.

    `detail` is a key of DETAILS and `given` what that speaks of, for who says it in another language than `text`.
    """

    line: int
    code: str
    text: str
    detail: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Review:
    """What a file asks for. At most MOST_PROBLEMS problems are listed.

    `estimate_s` is ours, of moves and pauses without heating up. `duration_s` is the slicer's own figure where `sliced`
    says so: it is told in a comment, and believed as far as ours bears it out. `filament_g` is reckoned from what is
    pushed. `layers` counts heights; `layer_mm` is 0 if they vary; `height_mm` is the highest place with plastic.
    `kind` is print, or cut for a laser cutter's, which has instead `power_percent`, the most of full power that it asks
    for, and `cut_mm`, the way with the beam on; or run for a kit's program, which has `lines` and the `modules` that it
    imports.
    `material`, `slicer` and `sliced_for` are what comments say, or empty.
    """

    kind: str = "print"
    commands: int = 0
    duration_s: float = 0.0
    estimate_s: float = 0.0
    sliced: bool = False
    filament_mm: float = 0.0
    filament_g: float = 0.0
    hottest_nozzle_c: float = 0.0
    hottest_bed_c: float = 0.0
    layers: int = 0
    layer_mm: float = 0.0
    height_mm: float = 0.0
    material: str = ""
    slicer: str = ""
    sliced_for: str = ""
    power_percent: float = 0.0
    cut_mm: float = 0.0
    lines: int = 0
    modules: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """A file read once: what it asks for, and how it looks."""

    review: Review
    preview: Preview


def problem(line: int, code: str, detail: str, /, **given: str | float) -> Problem:
    """A line that is refused, in words. Numbers of `given` are written as short as they can be."""
    said = {name: each if isinstance(each, str) else f"{each:g}" for name, each in given.items()}
    return Problem(line, code, DETAILS[detail].format(**said), detail, said)
