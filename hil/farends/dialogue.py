"""Recorded conversations by line: who said what, and when.

A transcript begins with `#` lines that say what was recorded and how. Then one line a line: seconds since the
connection was made, `>` (to the device) or `<` (from it), and the text, whose line end is not written.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    at_s: float
    from_device: bool
    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    header: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def about(self) -> dict[str, str]:
        """The header's `key: value` lines."""
        return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in self.header)}

    def write(self, path: Path) -> None:
        rows = [f"# {line}" for line in self.header]
        rows += [f"{line.at_s:.3f} {'<' if line.from_device else '>'} {line.text}" for line in self.lines]
        path.write_text("\n".join(rows) + "\n", "utf-8")


def load(path: Path) -> Dialogue:
    header, lines = [], []
    for row in path.read_text("utf-8").splitlines():
        if row.startswith("#"):
            header.append(row[1:].strip())
        elif row:
            at, way, text = row.split(" ", 2)
            lines.append(Line(float(at), way == "<", text))
    return Dialogue(tuple(header), tuple(lines))
