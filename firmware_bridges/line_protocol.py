"""Displays and projectors with a command set of lines or fixed frames, which their profile tells whole."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from contract.model import Value
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.dialogue import Dialogue
from firmware_bridges.line_dialect import Asked, Confirm, dialect
from firmware_bridges.line_frames import FrameCore, Noise, Said
from firmware_bridges.links import parse_stream
from firmware_bridges.options import Options

BAUD: Final = 9600
"""What most displays are set to, 8 bits, no parity, 1 stop bit."""
REPLY_S: Final = 2.0
CONFIRM_S: Final = 10.0
"""How long a device may take to show that it does what it was told."""
_ASK_AGAIN_S = 0.5
_T = TypeVar("_T")


class LineProtocolBridge:
    """One device on a serial port, `tcp://host:port` or `rfc2217://host:port`.

    Options: the command set (see line_dialect), `baud`, and in seconds `reply_s`, `connect_s`, `confirm_s` and
    `rest_s`, which passes after each answer before the next request (some displays lose what comes sooner).

    What the device refuses to tell is unknown until the next poll. All that is sent may be repeated without harm, so
    a request that meets a closed connection is sent once more on a new one.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parse_stream(endpoint)
        given = Options(options)
        baud = given.whole("baud", BAUD, 50, 4_000_000)
        reply_s = given.number("reply_s", REPLY_S, 0.05, 60)
        connect_s = given.number("connect_s", 3.0, 0.1, 60)
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 600)
        self._rest_s = given.number("rest_s", 0.0, 0, 10)
        self._dialect = dialect(given)
        given.done()
        self._clock = clock
        self._pause = pause
        framing = self._dialect.framing
        self._dialogue: Dialogue[Said] = Dialogue(
            endpoint, lambda: FrameCore(framing), baud=baud, connect_s=connect_s, reply_s=reply_s, clock=clock
        )
        self._identity: dict[str, Value | None] = {}
        self._opened = False

    def open(self) -> None:
        self.close()
        self._dialogue.open()
        try:
            self._identity = self._read(lambda each: each.once)
            self._opened = True
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        if not self._opened:
            raise LinkLost("not open")
        values = self._identity | self._read(lambda each: not each.once)
        for each in self._dialect.derived:
            value = values.get(each.of)
            values[each.metric] = None if value is None else value in each.values
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        if not self._opened:
            raise LinkLost("not open")
        order = self._dialect.orders.get(action)
        if order is None:
            raise Refused(f"this device has no action {action!r}")
        request = self._dialect.framing.encode(order.text(args))
        reply = order.reply
        if reply is None:
            self._dialogue.tell(request)
        else:
            self._ask(request, lambda line: True if reply.fullmatch(line) else None)
        if order.confirm:
            self._wait_for(order.confirm, order.reached(order.confirm, args))

    def close(self) -> None:
        self._opened = False
        self._dialogue.close()

    def _read(self, wanted: Callable[[Asked], bool]) -> dict[str, Value | None]:
        """Each request once; every metric it answers."""
        values: dict[str, Value | None] = {}
        told: dict[str, str | None] = {}
        for each in filter(wanted, self._dialect.asked):
            if each.when and values.get(each.when[0]) not in each.when[1]:
                values[each.metric] = None
                continue
            values[each.metric] = self._value(each, told)
        return values

    def _value(self, each: Asked, told: dict[str, str | None]) -> Value | None:
        if each.ask not in told:
            told[each.ask] = self._line(each)
        line = told[each.ask]
        if line is None:
            return None
        match = each.reply.fullmatch(line)
        if match is None:
            raise BadReply(f"{line[:40]!r} does not tell {each.metric}")
        return each.read(match[1] or "")

    def _line(self, each: Asked) -> str | None:
        """The answer to what is asked; None if the device refuses it."""
        try:
            return self._ask(
                self._dialect.framing.encode(each.ask), lambda line: line if each.reply.fullmatch(line) else None
            )
        except Refused:
            return None

    def _ask(self, request: bytes, answer: Callable[[str], _T | None]) -> _T:
        def read(said: Said) -> _T | None:
            if isinstance(said, Noise):
                raise BadReply(f"{said.start!r}: {said.why}")
            found = answer(said.text)
            if found is None:
                self._dialect.check(said.text)
            return found

        try:
            return self._dialogue.ask(request, read)
        finally:
            if self._rest_s:
                self._pause(self._rest_s)

    def _wait_for(self, confirm: Confirm, wanted: tuple[Value, ...]) -> None:
        deadline = self._clock() + self._confirm_s
        while self.poll().get(confirm.metric) not in wanted:
            if self._clock() >= deadline:
                raise BadReply(f"said yes, and {confirm.metric} was not as told in {self._confirm_s:g} s")
            self._pause(_ASK_AGAIN_S)
