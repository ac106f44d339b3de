"""Firmata's framing: bytes in, whole and well-formed messages out. No I/O, no clock.

Source: the Firmata protocol 2.5, github.com/firmata/protocol. A message begins with a byte of 0x80 or more; what
follows is below it. System-exclusive messages (0xF0 ... 0xF7) have no fixed length.
"""

from dataclasses import dataclass
from typing import Final

ANALOG: Final = 0xE0
DIGITAL: Final = 0x90
VERSION: Final = 0xF9
SYSEX: Final = 0xF0
SYSEX_END: Final = 0xF7
MAX_SYSEX: Final = 2048
"""Bytes. The longest that boards send, the abilities of a Mega's 70 pins, has about 700."""
_COMMAND_BIT = 0x80
_SHORT = 3
"""Bytes of every message that is not system-exclusive."""


class FirmataCore:
    """Finds the messages in what a board sends. Keeps at most MAX_SYSEX bytes, whatever comes."""

    def __init__(self) -> None:
        self.garbage = 0
        """Bytes so far that were part of no message."""
        self._message = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes."""
        messages: list[bytes] = []
        for byte in data:
            self._take(byte, messages)
        return messages

    def _take(self, byte: int, messages: list[bytes]) -> None:
        message = self._message
        if not message:
            self._begin(byte)
        elif message[0] == SYSEX:
            if byte == SYSEX_END and len(message) > 1:
                messages.append(bytes(message) + bytes([byte]))
                message.clear()
            elif byte >= _COMMAND_BIT or len(message) >= MAX_SYSEX - 1:
                self._drop()
                self._begin(byte)
            else:
                message.append(byte)
        elif byte >= _COMMAND_BIT:
            self._drop()
            self._begin(byte)
        else:
            message.append(byte)
            if len(message) == _SHORT:
                messages.append(bytes(message))
                message.clear()

    def _begin(self, byte: int) -> None:
        if byte in (SYSEX, VERSION) or byte & 0xF0 in (ANALOG, DIGITAL):
            self._message.append(byte)
        else:
            self.garbage += 1

    def _drop(self) -> None:
        self.garbage += len(self._message)
        self._message.clear()


@dataclass(frozen=True, slots=True)
class PinState:
    """What the firmware says of a pin: its mode and the value it was last told."""

    pin: int
    mode: int
    value: int


def pin_state(data: tuple[int, ...]) -> PinState | None:
    """Read the answer to a pin-state query, least significant 7 bits first; None if it is none."""
    if not 3 <= len(data) <= 6:
        return None
    return PinState(data[0], data[1], sum([bits << 7 * place for place, bits in enumerate(data[2:])]))
