"""Frames of the live stream, encoded once and shared by all who listen in the same scope. No I/O, no clock.

A channel keeps its last frames. A listener that fell behind them is given a snapshot instead, so that no listener
ever makes the server keep more.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from contract.model import Value

KEPT = 16
"""Frames a channel keeps: 4 s at 4 Hz."""
BEAT_MS = 2_000
"""A channel with nothing to tell says so after this long."""
RETRY = b"retry: 2000\n\n"
"""First words of a stream: how soon a browser that lost it tries again."""

_encoder = msgspec.json.Encoder()


def row(device_id: int, state: str, value: Value | None, heard_ms: int) -> bytes:
    """One device of a snapshot or delta."""
    return _encoder.encode([device_id, state, value, heard_ms or None])


def devices(event: str, at_ms: int, rows: Iterable[bytes], broker: bool | None, storing: bool | None = None) -> bytes:
    """A `snapshot` or `delta`. `broker` (it is reached) and `storing` (what comes is written) are None: no change."""
    told = _said(b"broker", broker) + _said(b"storing", storing)
    return b'event: %b\ndata: {"at":%d,%b"devices":[%b]}\n\n' % (event.encode(), at_ms, told, b",".join(rows))


def _said(name: bytes, state: bool | None) -> bytes:
    return b"" if state is None else b'"%b":%b,' % (name, b"true" if state else b"false")


def beat(at_ms: int) -> bytes:
    return b'event: beat\ndata: {"at":%d}\n\n' % at_ms


def device(
    device_id: int, state: str, heard_ms: int, values: dict[str, tuple[int, Value | None, str]], turn: int = 0
) -> bytes:
    """All values of one device: metric -> [when, value, quality]. `turn` grows with its commands and jobs."""
    told = {"id": device_id, "state": state, "heard": heard_ms or None, "values": values, "turn": turn}
    return b"event: device\ndata: %b\n\n" % _encoder.encode(told)


@dataclass(frozen=True, slots=True)
class Frame:
    number: int
    data: bytes


class Channel:
    """Numbered frames. Written by one thread; `since` may be called from any."""

    def __init__(self, now_ms: int) -> None:
        self._recent: tuple[Frame, ...] = ()
        self.number = 0
        self.last_ms = now_ms

    def publish(self, data: bytes, now_ms: int) -> None:
        self._recent = (*self._recent[-KEPT + 1 :], Frame(self.number + 1, data))
        self.number += 1
        self.last_ms = now_ms

    def since(self, number: int) -> tuple[int, bytes] | None:
        """What came after frame `number`, and the number reached; None if that is no longer all here."""
        recent = self._recent
        if not recent or recent[-1].number <= number:
            return number, b""
        if recent[0].number > number + 1:
            return None
        return recent[-1].number, b"".join(frame.data for frame in recent if frame.number > number)
