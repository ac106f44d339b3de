"""Play a transcript of firmware_bridges.record to a core."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from firmware_bridges.record import Piece, Way, parse

TRANSCRIPTS = Path(__file__).parent / "transcripts"


class Core(Protocol):
    def receive(self, data: bytes, now_ms: int) -> object: ...

    def tick(self, now_ms: int) -> object: ...

    def to_send(self) -> bytes: ...


def pieces(name: str) -> list[Piece]:
    """The transcript `tests/transcripts/<name>.txt`."""
    return list(parse((TRANSCRIPTS / f"{name}.txt").read_text("utf-8").splitlines()))


def replay(transcript: list[Piece], core: Core, marks: Mapping[str, Callable[[], object]], chunk: int) -> bytes:
    """Give the core what the device said, `chunk` bytes at a time, and do at each mark what the host did.

    Returns all that the core sent; `said` gives what it should be.
    """
    sent = bytearray()
    for piece in transcript:
        if piece.way is Way.MARK:
            marks[piece.data.decode()]()
        elif piece.way is Way.TO_DEVICE:
            core.tick(piece.at_ms)
        else:
            for at in range(0, len(piece.data), chunk):
                core.receive(piece.data[at : at + chunk], piece.at_ms)
                core.tick(piece.at_ms)
                sent += core.to_send()
        sent += core.to_send()
    return bytes(sent)


def said(transcript: list[Piece], way: Way) -> bytes:
    return b"".join(piece.data for piece in transcript if piece.way is way)
