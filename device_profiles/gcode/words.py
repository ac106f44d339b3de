"""What slicers say about a file in its comments: words for people, never taken for what the file does. Pure.

Forms as written by Cura 4 and 5, PrusaSlicer, SuperSlicer and OrcaSlicer.
"""

import re
from typing import Final

_LONGEST: Final = 40
_SLICER = re.compile(
    r"generated (?:by|with) (Cura|PrusaSlicer|SuperSlicer|OrcaSlicer|Slic3r|BambuStudio)"
    r"(?:_SteamEngine)?(?: Prusa Edition)?[ _]?([\w.]{0,16})",
    re.IGNORECASE | re.ASCII,
)
_TOLD = re.compile(
    r"(?:TIME:\s*(?P<seconds>\d{1,7})$|estimated printing time \(normal mode\)\s*=\s*(?P<words>[\ddhms ]+))"
)
_PART = re.compile(r"(\d{1,5})\s*([dhms])", re.ASCII)
_MATERIAL = re.compile(r"filament_type\s*=\s*\"?([A-Z][\w+-]{1,15})", re.IGNORECASE | re.ASCII)
_PRINTER = re.compile(r"(?:printer_model\s*=|TARGET_MACHINE\.NAME:)\s*(.+)")
_FACTORS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_LAYERS: Final = ("LAYER:", "LAYER_CHANGE", "CHANGE_LAYER", "AFTER_LAYER_CHANGE")
_OUTSIDE: Final = ("wall-outer", "external perimeter", "overhang perimeter", "outer wall", "overhang wall")
_INSIDE: Final = ("wall-inner", "inner wall", "perimeter", "infill", "fill", "skin", "surface", "bridge", "ironing")
_AROUND: Final = ("skirt", "brim", "support", "raft", "prime", "wipe", "custom")


class Words:
    """What the comments say so far. `kind` is of the plastic that comes next: wall, around (what is torn off), inside.

    It is empty until a comment tells. `layer` counts the comments that begin a layer.
    """

    __slots__ = ("duration_s", "kind", "layer", "material", "sliced_for", "slicer")

    def __init__(self) -> None:
        self.slicer = self.sliced_for = self.material = self.kind = ""
        self.duration_s = 0.0
        self.layer = 0

    def read(self, comment: str) -> None:
        """A line that is a comment, without its semicolon."""
        text = comment.strip()
        if text.startswith(("TYPE:", "FEATURE:")):
            self.kind = kind_of(text.partition(":")[2])
        elif text.startswith(_LAYERS):
            self.layer += text != "AFTER_LAYER_CHANGE"
        elif not self.slicer and (found := _SLICER.search(text)):
            self.slicer = f"{found[1]} {found[2]}".strip()
        elif not self.material and (found := _MATERIAL.match(text)):
            self.material = found[1].upper()
        elif not self.sliced_for and (found := _PRINTER.match(text)):
            self.sliced_for = "".join(each for each in found[1] if each.isprintable()).strip(' "')[:_LONGEST]
        elif not self.duration_s:
            self.duration_s = told_duration_s(text)


def kind_of(type_name: str) -> str:
    """What is told of the plastic that comes next, in one of our words."""
    name = type_name.strip().lower()
    if name in _OUTSIDE:
        return "wall"
    if name.startswith(_AROUND):
        return "around"
    return "inside" if any(each in name for each in _INSIDE) else ""


def told_duration_s(text: str) -> float:
    """What a slicer's comment says of the print time in seconds, 0 if it says nothing."""
    found = _TOLD.match(text)
    if not found:
        return 0.0
    if found["seconds"]:
        return float(found["seconds"])
    return float(sum(int(number) * _FACTORS[unit] for number, unit in _PART.findall(found["words"])))
