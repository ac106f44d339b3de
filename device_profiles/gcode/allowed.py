"""What a profile lets a printer's jobs ask for. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_MOVES: Final = ("G0", "G1", "G2", "G3", "G4", "G10", "G11", "G12", "G17", "G20", "G21", "G27", "G28", "G29", "G34")
_PLACES: Final = ("G80", "G90", "G91", "G92", "M82", "M83")
_HEAT: Final = ("M104", "M105", "M106", "M107", "M109", "M140", "M141", "M190", "M191")
_SPEED: Final = ("M201", "M203", "M204", "M205", "M220", "M221", "M900")
_MOTORS: Final = ("M17", "M18", "M80", "M84", "M400", "M401", "M402", "M413", "M420")
_PEOPLE: Final = ("M0", "M1", "M31", "M73", "M75", "M76", "M77", "M150", "M240", "M300", "M355", "M600", "M601")
_QUESTIONS: Final = ("M114", "M115", "M119", "M862")
_FILAMENT: Final = ("M701", "M702")
CODES: Final = frozenset((*_MOVES, *_PLACES, *_HEAT, *_SPEED, *_MOTORS, *_PEOPLE, *_QUESTIONS, *_FILAMENT, "T0"))
"""What slicers write, and nothing that outlives the job or hides from this reading.

So no settings and limits of the machine (M92, M211, M301, M500, M851, M907...), no files and macros in the printer
(M23, M32, M98, M810...), nothing that cuts or confuses the conversation (M28, M110, M118, M155, M575...), no pins
(M42), no calibration that heats by itself (G26, G76, M303), no preset temperatures (M145), no other coordinates or
planes (G18, G53 to G59), and nothing that anybody has yet to think of.
"""
_CODE = re.compile(r"[GMT]\d{1,4}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may ask for. Degrees Celsius and millimetres; a range is (least, most). 0 °C means: no such heater.

    `codes` are the commands that it may use. `exactly` are commands that are let through word for word, whatever they
    are: what this machine's own slicer writes.
    """

    nozzle_c: float
    bed_c: float
    x_mm: tuple[float, float]
    y_mm: tuple[float, float]
    z_mm: tuple[float, float]
    chamber_c: float = 0.0
    codes: frozenset[str] = CODES
    exactly: frozenset[str] = frozenset()
    filament_mm: float = 1.75
    density_g_cm3: float = 1.24
    acceleration_mm_s2: float = 500.0
    fastest_mm_s: float = 200.0


def limits(table: Mapping[str, Any]) -> Limits:
    """Read a profile's `[options.limits]`: the fields of Limits, and instead of `codes` and `exactly` two lists.

    `forbidden` takes codes away. `also` adds: a code alone, or a command word for word. Raises ValueError, naming the
    key.
    """
    given = dict(table)
    values: dict[str, Any] = {}
    for axis in ("x_mm", "y_mm", "z_mm"):
        pair = given.pop(axis, None)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) in (int, float) for each in pair):
            raise ValueError(f"limits.{axis}: not [least, most] in millimetres")
        values[axis] = (float(pair[0]), float(pair[1]))
    also, forbidden = _texts(given, "also"), _texts(given, "forbidden")
    added = frozenset(each for each in also if _CODE.fullmatch(each))
    values["codes"] = (CODES | added) - forbidden
    values["exactly"] = also - added
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


def _texts(given: dict[str, Any], key: str) -> frozenset[str]:
    texts = given.pop(key, [])
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ValueError(f"limits.{key}: not a list of codes")
    return frozenset(each.upper() for each in texts)
