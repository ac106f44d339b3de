"""Lines over time as an SVG file: a panel above the other, one legend each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.sax.saxutils import escape

Line: TypeAlias = Sequence[tuple[float, float]]
"""(minute, value), in order of time."""

WIDTH, HEIGHT = 860, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 150, 28, 26
_COLOURS = ("#1f5fa8", "#b3541e", "#2d7d46", "#8a3b8f", "#5b5b5b")
_DASHES = ("", "6 3", "2 2", "8 3 2 3", "1 3")


@dataclass(frozen=True, slots=True)
class Panel:
    """`title` names the unit. `mark`: a minute from which on something else is shown."""

    title: str
    lines: Mapping[str, Line]
    mark: float | None = None


def write(path: Path, panels: Sequence[Panel]) -> None:
    """One file with all panels."""
    height = HEIGHT * len(panels)
    drawn = "".join(_panel(panel, HEIGHT * at) for at, panel in enumerate(panels))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{drawn}</svg>\n',
        "utf-8",
    )


def _panel(panel: Panel, top: int) -> str:
    points = [point for line in panel.lines.values() for point in line]
    last = max((at for at, _ in points), default=1.0) or 1.0
    most = _round_up(max((value for _, value in points), default=1.0))
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(at: float, value: float) -> str:
        return f"{_LEFT + at / last * wide:.1f},{top + _TOP + (1 - value / most) * high:.1f}"

    parts = [f'<text x="{_LEFT}" y="{top + 16}" font-weight="bold">{escape(panel.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = top + _TOP + (1 - share) * high
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + wide}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:g}</text>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _LEFT + share * wide
        parts.append(f'<text x="{x:.1f}" y="{top + HEIGHT - 8}" text-anchor="middle">{last * share:.0f} min</text>')
    if panel.mark is not None:
        x = _LEFT + panel.mark / last * wide
        parts.append(f'<path d="M{x:.1f} {top + _TOP}v{high}" stroke="#999" stroke-dasharray="3 3"/>')
    for at, (name, line) in enumerate(panel.lines.items()):
        style = f'stroke="{_COLOURS[at]}" stroke-dasharray="{_DASHES[at]}"'
        drawn = " ".join(place(*point) for point in line)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke-width="1.5" {style}/>')
        y = top + _TOP + 8 + 18 * at
        parts.append(f'<path d="M{WIDTH - _RIGHT + 12} {y}h24" stroke-width="2" {style}/>')
        parts.append(f'<text x="{WIDTH - _RIGHT + 42}" y="{y + 4}">{escape(name)}</text>')
    return "".join(parts)


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    step = 1e-3
    while True:
        for factor in (1, 2, 5):
            if value <= factor * step:
                return factor * step
        step *= 10
