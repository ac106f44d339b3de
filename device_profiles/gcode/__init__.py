"""G-code: read, held against what a profile allows, measured, drawn. Pure. Of printers `reader`, of lasers `cut`."""

from device_profiles.gcode.allowed import CODES, Limits, limits
from device_profiles.gcode.preview import Preview
from device_profiles.gcode.problem import DETAILS, MOST_PROBLEMS, Inspection, Problem, Review
from device_profiles.gcode.reader import inspect, review
from device_profiles.gcode.syntax import LONGEST, command, commands, lines

__all__ = [
    "CODES",
    "DETAILS",
    "LONGEST",
    "MOST_PROBLEMS",
    "Inspection",
    "Limits",
    "Preview",
    "Problem",
    "Review",
    "command",
    "commands",
    "inspect",
    "limits",
    "lines",
    "review",
]
