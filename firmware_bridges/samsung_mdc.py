"""Samsung displays and boards that speak Multiple Display Control, over TCP or a serial port."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from contract.model import Value
from firmware_bridges import samsung_mdc_core as core
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.dialogue import Dialogue
from firmware_bridges.links import Scheme, parse_stream
from firmware_bridges.options import Options

REPLY_S: Final = 3.0
CONFIRM_S: Final = 20.0
"""How long a display may take to show that it does what it was told; it restarts its network when it wakes."""
_ASK_AGAIN_S = 0.5


class SamsungMdcBridge:
    """One display at `tcp://host[:port]`, a serial port or `rfc2217://`.

    Options: `display`, its number (1 where only one is on the line); `inputs`, a table from hexadecimal code to name
    (`21 = "HDMI 1"`), which stands above the manual's; `baud`; in seconds `reply_s`, `connect_s`, `confirm_s`.

    Actions: `power-on`, `power-off`, `input` (`input`: a name), `set-volume` (`percent`), `mute` (`on`). All may be
    repeated without harm. A display that wants a PIN (its "secured protocol") is refused: switch that off in its menu.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(endpoint)
        where = f"{endpoint}:{core.PORT}" if parts.scheme == "tcp" and parts.hostname and not parts.port else endpoint
        if parse_stream(where).scheme is Scheme.UDP:
            raise ValueError(f"{endpoint!r} carries no stream")
        given = Options(options)
        self._display = given.whole("display", 1, 0, 253)
        self._inputs = _inputs(given.table("inputs"))
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 600)
        self._dialogue: Dialogue[core.Event] = Dialogue(
            where,
            core.MdcCore,
            baud=given.whole("baud", core.BAUD, 50, 4_000_000),
            connect_s=given.number("connect_s", 3.0, 0.1, 60),
            reply_s=given.number("reply_s", REPLY_S, 0.05, 60),
            clock=clock,
        )
        given.done()
        self._clock = clock
        self._pause = pause
        self._opened = False
        self._identity: dict[str, Value | None] = {}

    def open(self) -> None:
        self.close()
        self._dialogue.open()
        try:
            self._identity = {metric: self._told(code, core.words) for code, metric in core.IDENTITY}
            self._opened = True
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        self._check_open()
        values = dict(self._identity)
        for code, read in core.STATE:
            values |= self._told(code, read) or {}
        number = values.get("input")
        if isinstance(number, int):
            values["input"] = self._inputs.get(number, f"0x{number:02x}")
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._check_open()
        match action:
            case "power-on":
                self._set(core.Code.POWER, 1, "power", core.Power.ON.value)
            case "power-off":
                self._set(core.Code.POWER, 0, "power", core.Power.OFF.value)
            case "input":
                number = self._number(args.get("input"))
                self._set(core.Code.INPUT, number, "input", self._inputs[number])
            case "set-volume":
                percent = args.get("percent")
                if type(percent) is not int or not 0 <= percent <= 100:
                    raise Refused("set-volume wants percent: a whole number from 0 to 100")
                self._set(core.Code.VOLUME, percent, "volume", percent)
            case "mute":
                on = args.get("on")
                if not isinstance(on, bool):
                    raise Refused("mute wants on: true or false")
                self._set(core.Code.MUTE, int(on), "sound-muted", on)
            case _:
                raise Refused(f"a display has no action {action!r}")

    def close(self) -> None:
        self._opened = False
        self._dialogue.close()

    def _check_open(self) -> None:
        if not self._opened:
            raise LinkLost("not open")

    def _told(self, code: core.Code, read: Callable[[bytes], Any]) -> Any:
        """None if the display refuses to tell."""
        reply = self._exchange(code)
        if not reply.accepted:
            return None
        try:
            return read(reply.data)
        except BadReply:
            self._dialogue.hang_up()
            raise

    def _exchange(self, code: core.Code, data: bytes = b"") -> core.Reply:
        def read(event: core.Event) -> core.Reply | None:
            match event:
                case core.Secured():
                    raise Refused("the display wants a PIN: switch its secured protocol off")
                case core.Noise(start, why):
                    raise BadReply(f"{start!r}: {why}")
                case core.Reply(command, _, _):
                    return event if command == code else None

        return self._dialogue.ask(core.request(code, self._display, data), read)

    def _set(self, code: core.Code, value: int, metric: str, reached: Value) -> None:
        """Send a setting and wait until the display itself says that it is so."""
        reply = self._exchange(code, bytes([value]))
        if not reply.accepted:
            raise Refused(f"the display does not take {metric} {reached} now")
        deadline = self._clock() + self._confirm_s
        while not self._is(metric, reached):
            if self._clock() >= deadline:
                raise BadReply(f"said yes, and {metric} was not {reached} in {self._confirm_s:g} s")
            self._pause(_ASK_AGAIN_S)

    def _is(self, metric: str, reached: Value) -> bool:
        """Whether it is so; a display that wakes up may not answer for some seconds."""
        try:
            return self.poll().get(metric) == reached
        except LinkLost:
            if metric != "power":
                raise
            return False

    def _number(self, wanted: Value | None) -> int:
        text = str(wanted or "").strip().casefold()
        for number, name in self._inputs.items():
            if text in (name.casefold(), f"0x{number:02x}"):
                return number
        raise Refused(f"no input {text[:40]!r}; there are {', '.join(self._inputs.values())}")


def _inputs(given: Mapping[str, Any]) -> Mapping[int, str]:
    """Raises ValueError for a code that is none."""
    try:
        own = {int(str(code), 16): str(name) for code, name in given.items()}
    except ValueError:
        raise ValueError(f"inputs: {min(given, key=str)!r} is no hexadecimal code") from None
    if not all(0 <= number <= 255 for number in own):
        raise ValueError("inputs: a code is one byte")
    return {**core.INPUTS, **own}
