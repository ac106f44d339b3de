"""Transcripts of tests/transcripts, with what their header says: see firmware_bridges.record for the rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_bridges.record import Piece, Way, parse


@dataclass(frozen=True, slots=True)
class Transcript:
    """`about` has the header's `key: value` lines."""

    about: Mapping[str, str]
    pieces: tuple[Piece, ...]

    @property
    def heard(self) -> bytes:
        """All that the device said."""
        return b"".join(piece.data for piece in self.pieces if piece.way is Way.FROM_DEVICE)


def load(path: Path) -> Transcript:
    rows = path.read_text("utf-8").splitlines()
    header = [row[1:].partition(":") for row in rows if row.startswith("#")]
    return Transcript({key.strip(): value.strip() for key, _, value in header}, tuple(parse(rows)))


def header(about: Mapping[str, object]) -> str:
    return "".join(f"# {key}: {value}\n" for key, value in about.items())
