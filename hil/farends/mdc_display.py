"""A Samsung display by the public Multiple Display Control manual, and as python-samsung-mdc understands it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_ID = 1
_SINGLE = {0x11: "power", 0x12: "volume", 0x13: "muted", 0x14: "input"}
_TEXTS = {0x0B: "serial", 0x0E: "software", 0x8A: "model"}


@dataclass(slots=True)
class MdcDisplay:
    """Every value is a number as text, but for the three texts. In standby only power and status are answered."""

    state: dict[str, str] = field(
        default_factory=lambda: {
            "power": "0", "volume": "20", "muted": "0", "input": "33", "temperature": "41",
            "lamp": "0", "hot": "0", "fan": "0",
            "serial": "0H0H0H0H000001", "software": "T-HKMLAKUC-1024.1", "model": "QB65C",
        }
    )  # fmt: skip
    stuck: bool = False
    came: dict[int, bytes] = field(default_factory=dict)

    def receive(self, caller: int, data: bytes) -> bytes:
        kept = self.came.get(caller, b"") + data
        answer = b""
        while len(kept) >= 5 and len(kept) >= 5 + kept[3]:
            frame, kept = kept[: 5 + kept[3]], kept[5 + kept[3] :]
            if frame[0] == 0xAA and sum(frame[1:-1]) & 0xFF == frame[-1] and frame[2] == _ID:
                answer += self._answer(frame[1], frame[4:-1])
        self.came[caller] = kept
        return answer

    def _answer(self, command: int, data: bytes) -> bytes:
        told = self._told(command, data)
        body = b"N" + bytes([command, 1]) if told is None else b"A" + bytes([command]) + told
        frame = bytes([0xFF, _ID, len(body)]) + body
        return b"\xaa" + frame + bytes([sum(frame) & 0xFF])

    def _told(self, command: int, data: bytes) -> bytes | None:
        number = {name: int(value) for name, value in self.state.items() if value.isdecimal()}
        if command == 0x00 and not data:
            return bytes([number["power"], number["volume"], number["muted"], number["input"], 1, 0, 0])
        if command == 0x0D and not data:
            return bytes([number["lamp"], number["hot"], 2, 0, number["temperature"], number["fan"]])
        if command in _TEXTS and not data:
            return self.state[_TEXTS[command]].encode()
        if command not in _SINGLE or (command != 0x11 and data and not number["power"]):
            return None
        name = _SINGLE[command]
        if data and (name != "volume" or data[0] <= 100):
            if not self.stuck:
                self.state[name] = str(data[0])
            return data
        return None if data else bytes([number[name]])


KINDS: Mapping[str, Callable[[], MdcDisplay]] = {"samsung": MdcDisplay}
"""By the name that the equipment is started with."""
