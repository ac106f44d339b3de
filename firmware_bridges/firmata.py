"""Arduino boards that run StandardFirmata, on pyfirmata2's board and pins.

pyfirmata2 2.5.1 opens its own port, spins for 5 s, reads in a thread of its own, blocks inside half a message, takes a
silent port for a board, and keeps its handlers in a class attribute, so that one board's data arrives at another. So
its board is given a link and whole messages here, and nothing of that is used.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import pyfirmata2
from pyfirmata2 import pyfirmata2 as protocol

from contract.model import Value
from firmware_bridges import firmata_wiring as wiring
from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.firmata_core import FirmataCore, PinState, pin_state
from firmware_bridges.links import open_link, parse_stream
from firmware_bridges.options import Options

BAUD: Final = 57_600
BOOT_S: Final = 8.0
"""A board that restarts when its port is opened answers after 2 to 5 s."""
REPLY_S: Final = 2.0
MAX_SAMPLES: Final = 4096
"""Kept of each analog input between two polls: 78 s at 19 ms."""
_PROBE_S = 0.5
_MODES = {wiring.OutputKind.SWITCH: protocol.OUTPUT, wiring.OutputKind.PWM: protocol.PWM}
_NUMBERED_BY_CHANNEL = 16
"""Pulse widths and servos go by messages with 4 bits for the pin."""


class FirmataBridge:
    """One board at a serial port or `rfc2217://`. What is wired to it: see firmata_wiring.

    Metrics: those of the wiring, and `firmware` and `firmata` (versions). Outputs are read back from the board at each
    poll. An analog input keeps its value where a poll comes sooner than samples do, for `reply_s` at most. Opening
    changes no output; a board that restarted by itself is a lost link.

    Other options: `baud`, `boot_s`, `reply_s`.
    """

    def __init__(
        self, endpoint: str, options: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        given = Options(options)
        self._baud = given.whole("baud", BAUD, 50, 4_000_000)
        parse_stream(endpoint, self._baud)
        self._boot_s = given.number("boot_s", BOOT_S, 0.1, 300)
        self._reply_s = given.number("reply_s", REPLY_S, 0.1, 60)
        self._wiring = wiring.wiring(given)
        given.done()
        self._clock = clock
        self._link: Link | None = None
        self._core = FirmataCore()
        self._board = _Board(_Outgoing())
        self._passed: dict[str, bool] = {}
        self._measured: dict[str, tuple[float, Value | None]] = {}
        """When each analog input was measured, and what it was."""

    def open(self) -> None:
        self.close()
        self._core = FirmataCore()
        self._passed.clear()
        self._measured.clear()
        try:
            self._link = open_link(self._endpoint, baud=self._baud)
            self._board = _Board(_Outgoing())
            self._meet()
            self._set_up()
        except BridgeError:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        self._check_open()
        for output in self._wiring.outputs:
            self._board.ask_pin(output.pin)
        self._in_step()
        values: dict[str, Value | None] = {
            "firmware": self._board.firmware,
            "firmata": ".".join(str(number) for number in self._board.firmware_version),
        }
        for wired in self._wiring.inputs:
            values[wired.metric] = self._measure(wired)
        for threshold in self._wiring.thresholds:
            beyond = wiring.passed(threshold, values[threshold.of], before=self._passed.get(threshold.metric, False))
            values[threshold.metric] = beyond
            if beyond is not None:
                self._passed[threshold.metric] = beyond
        for output in self._wiring.outputs:
            values[output.metric] = self._shown(output)
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._check_open()
        wanted = wiring.setting(self._wiring, action, args)
        self._tell(wanted)
        self._board.ask_pin(wanted.output.pin)
        self._in_step()
        state = self._board.states.get(wanted.output.pin)
        if state is None or state.value != wanted.number:
            raise BadReply(f"pin {wanted.output.pin} was told {wanted.number} and says {state}")

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _meet(self) -> None:
        """Wait for a board that starts, then learn what its pins can do: that answer is also where both are in step."""
        garbage, deadline = self._core.garbage, self._clock() + self._boot_s
        while not self._board.answers:
            self._board.send_sysex(protocol.REPORT_FIRMWARE, [])
            probe_until = min(self._clock() + _PROBE_S, deadline)
            self._pump(lambda: self._board.answers > 0, probe_until)
            if self._clock() >= deadline:
                self._give_up("no Firmata answers here", self._boot_s, garbage)
        self._board.send_sysex(protocol.CAPABILITY_QUERY, [])
        garbage, deadline = self._core.garbage, self._clock() + self._reply_s
        if not self._pump(lambda: self._board.known, deadline):
            self._give_up("does not say what its pins can do", self._reply_s, garbage)
        self._board.answers = self._board.starts = 0

    def _set_up(self) -> None:
        board = self._board
        self._check_pins()
        board.setSamplingInterval(self._wiring.sampling_ms)
        for output in self._wiring.outputs:
            board.ask_pin(output.pin)
        digital = [each.pin for each in self._wiring.inputs if each.kind is wiring.InputKind.DIGITAL]
        for pin in digital:
            board.forget_level(pin)
        self._in_step()
        for output in self._wiring.outputs:
            board.remember(output.pin)
        for wired in self._wiring.inputs:
            if wired.kind is wiring.InputKind.DIGITAL:
                board.listen_digital(wired.pin)
            else:
                board.listen_analog(wired.pin)
        self._in_step()

    def _check_pins(self) -> None:
        board = self._board
        for wired in self._wiring.inputs:
            pins = board.digital if wired.kind is wiring.InputKind.DIGITAL else board.analog
            if not board.usable(pins, wired.pin):
                raise Refused(f"{wired.metric}: this board has no such pin ({wired.pin})")
        for output in self._wiring.outputs:
            if not board.usable(board.digital, output.pin):
                raise Refused(f"{output.metric}: this board has no such pin ({output.pin})")
            able = output.kind is wiring.OutputKind.SWITCH or output.pin < _NUMBERED_BY_CHANNEL
            if output.kind is wiring.OutputKind.PWM:
                able = able and board.digital[output.pin].PWM_CAPABLE
            if not able:
                raise Refused(f"{output.metric}: pin {output.pin} of this board cannot do {output.kind}")

    def _tell(self, wanted: wiring.Setting) -> None:
        pin = self._board.digital[wanted.output.pin]
        if wanted.output.kind is wiring.OutputKind.SERVO:
            if pin.mode == protocol.SERVO:
                pin.write(wanted.number)
            else:
                self._board.servo_config(wanted.output.pin, angle=wanted.number)
            return
        mode = _MODES[wanted.output.kind]
        if pin.mode != mode:
            pin.mode = mode
        pin.write(wanted.number / 255 if mode == protocol.PWM else wanted.number)

    def _measure(self, wired: wiring.Input) -> Value | None:
        if wired.kind is wiring.InputKind.DIGITAL:
            return self._board.levels.get(wired.pin, False) is not wired.invert
        samples = self._board.samples[wired.pin]
        if len(samples) < (wiring.RMS_SAMPLES if wired.kind is wiring.InputKind.RMS else 1):
            return self._kept(wired.metric)
        value = wiring.measured(wired, tuple(samples), self._wiring.aref)
        samples.clear()
        self._measured[wired.metric] = self._clock(), value
        return value

    def _kept(self, metric: str) -> Value | None:
        at, value = self._measured.get(metric, (-math.inf, None))
        return value if self._clock() - at <= self._reply_s else None

    def _shown(self, output: wiring.Output) -> Value | None:
        state = self._board.states.get(output.pin)
        if state is None or state.mode != _mode(output):
            return None
        return wiring.shown(output, state.value)

    def _in_step(self) -> None:
        """Ask for the firmware's name and wait for it: then all that was sent before is done and told."""
        self._board.send_sysex(protocol.REPORT_FIRMWARE, [])
        garbage, wanted = self._core.garbage, self._board.answers + 1
        if not self._pump(lambda: self._board.answers >= wanted, self._clock() + self._reply_s):
            self._give_up("no answer", self._reply_s, garbage)
        if self._board.starts:
            raise LinkLost(f"{self._endpoint}: the board restarted")

    def _check_open(self) -> Link:
        if self._link is None:
            raise LinkLost(f"{self._endpoint}: not open")
        return self._link

    def _pump(self, done: Callable[[], bool], deadline: float) -> bool:
        """Send what is to be sent, and hear the board until `done` or the deadline."""
        link = self._check_open()
        link.write(self._board.sp.take())
        while not done():
            left_s = deadline - self._clock()
            if left_s <= 0:
                return False
            for message in self._core.receive(link.read(left_s)):
                if not self._board.hear(message):
                    self._core.garbage += len(message)
        return True

    def _give_up(self, what: str, after_s: float, garbage_before: int) -> NoReturn:
        garbage = self._core.garbage - garbage_before
        if garbage:
            raise BadReply(
                f"{self._endpoint}: {what} (asked for {after_s:g} s), but {garbage} bytes that are not Firmata"
            )
        raise LinkLost(f"{self._endpoint}: {what} (asked for {after_s:g} s)")


def _mode(output: wiring.Output) -> int:
    mode: int = _MODES.get(output.kind, protocol.SERVO)
    return mode


class _Outgoing:
    """Stands where pyfirmata2 wants a port: collects what it writes, and gives it one message to read."""

    def __init__(self) -> None:
        self._out = bytearray()
        self.incoming = bytearray()

    def write(self, data: bytes) -> None:
        self._out += data

    def read(self) -> bytes:
        return bytes([self.incoming.pop(0)])

    def take(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data


class _Board(pyfirmata2.Board):  # type: ignore[misc]  # pyfirmata2 has no types
    """pyfirmata2's board without its port, its thread and its waits."""

    def __init__(self, port: _Outgoing) -> None:
        # The base constructor is not called: it opens a port and spins. Its class attributes become this board's own.
        self._command_handlers: dict[int, Callable[..., None]] = {}
        self.sp = port
        self.samplerThread = None
        self.name = ""
        self.firmware = ""
        self.firmware_version: tuple[int, ...] = ()
        self.analog: list[Any] = []
        self.digital: list[Any] = []
        self.digital_ports: list[Any] = []
        self.answers = 0
        """How often the firmware was named."""
        self.starts = 0
        """How often the board told its version, which it does unasked when it starts."""
        self.known = False
        self.states: dict[int, PinState] = {}
        self.levels: dict[int, bool] = {}
        self.samples: dict[int, deque[float]] = {}
        self.add_cmd_handler(protocol.CAPABILITY_RESPONSE, self._handle_report_capability_response)
        self.add_cmd_handler(protocol.PIN_STATE_RESPONSE, self._handle_pin_state)
        self._set_default_handlers()

    def __del__(self) -> None:
        """Nothing: the bridge owns the link, and a board that is let go of is told nothing."""

    def hear(self, message: bytes) -> bool:
        """Take one whole message; False if it makes no sense."""
        self.sp.incoming[:] = message
        try:
            self.iterate()
        except (IndexError, KeyError, TypeError, ValueError):
            return False
        finally:
            self.sp.incoming.clear()
        return True

    def usable(self, pins: list[Any], number: int) -> bool:
        return number < len(pins) and pins[number].mode != protocol.UNAVAILABLE

    def ask_pin(self, number: int) -> None:
        self.states.pop(number, None)
        self.send_sysex(protocol.PIN_STATE_QUERY, [number])

    def remember(self, number: int) -> None:
        """Let pyfirmata2 know a pin's state, or its next write to the port would switch the pin off."""
        state, pin = self.states.get(number), self.digital[number]
        if state is not None:
            pin._mode = state.mode  # noqa: SLF001 - setting `mode` would send it
            pin.value = state.value if state.mode == protocol.OUTPUT else None

    def forget_level(self, number: int) -> None:
        """Make the firmware report the level anew, which it only does on change: analog mode takes a digital pin out of
        its inputs without touching it electrically."""
        self.digital[number]._mode = protocol.INPUT  # noqa: SLF001 - as above
        self.digital[number].enable_reporting()
        self.sp.write(bytes([protocol.SET_PIN_MODE, number, protocol.ANALOG]))

    def listen_digital(self, number: int) -> None:
        self.levels[number] = False
        pin = self.digital[number]
        pin.mode = protocol.INPUT
        pin.register_callback(lambda level: self.levels.__setitem__(number, bool(level)))

    def listen_analog(self, number: int) -> None:
        samples = self.samples.setdefault(number, deque(maxlen=MAX_SAMPLES))
        pin = self.analog[number]
        pin.register_callback(samples.append)
        pin.enable_reporting()

    def _handle_report_firmware(self, *data: int) -> None:
        super()._handle_report_firmware(*data)
        self.answers += 1

    def _handle_report_version(self, major: int, minor: int) -> None:
        super()._handle_report_version(major, minor)
        self.starts += 1

    def _handle_report_capability_response(self, *data: int) -> None:
        if self.known:  # once more, unasked: it would take the pins away under whoever uses them
            return
        super()._handle_report_capability_response(*data)
        self.setup_layout(self._layout)
        self.known = True

    def _handle_pin_state(self, *data: int) -> None:
        state = pin_state(data)
        if state is not None:
            self.states[state.pin] = state
