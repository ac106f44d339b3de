"""Plugs that switch and measure what is plugged into them: Tasmota and Shelly (Gen2 and later), over HTTP."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from contract.model import Value
from firmware_bridges import http_core as http
from firmware_bridges import smart_plug_core as core
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.dialogue import Dialogue
from firmware_bridges.links import parse_endpoint
from firmware_bridges.options import Options

PORT: Final = 80
REPLY_S: Final = 4.0
"""An ESP8266 that saves to its flash or looks for its access point answers seconds later."""
_MOST_W: Final = 20_000.0


class SmartPlugBridge:
    """One plug at `http://host[:port]`; what is behind it is judged by the watts it draws.

    Options: `maker` ("tasmota" or "shelly"), `channel` (from 0), `user`, `password`; in watts `energised_w` and
    `energised_off_w`, `working_w` and `working_off_w`: true from the first on until it falls to the second;
    `hold_s`: at work until it was below for so long; `reply_s`, `connect_s`.

    Actions: `switch-on`, `switch-off`; the plug itself has said that it is so when they return.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        where, self._host = _address(endpoint)
        given = Options(options)
        self._maker = _maker(given.text("maker", core.Maker.TASMOTA))
        self._channel = given.whole("channel", 0, 0, 15)
        self._user = given.text("user", "admin")
        self._password = given.text("password")
        self._draw = core.Draw(
            _threshold(given, "energised", 1.0, 0.5),
            _threshold(given, "working", 20.0, 15.0),
            given.number("hold_s", 0.0, 0, 3600),
        )
        self._dialogue: Dialogue[http.Event] = Dialogue(
            where,
            http.HttpCore,
            connect_s=given.number("connect_s", 3.0, 0.1, 60),
            reply_s=given.number("reply_s", REPLY_S, 0.05, 60),
            clock=clock,
        )
        given.done()
        self._clock = clock
        self._chance = chance
        self._challenge: http.Challenge | None = None
        self._proofs = 0
        self._opened = False
        self._identity: Mapping[str, Value | None] = {}

    def open(self) -> None:
        self.close()
        self._challenge = None
        self._dialogue.open()
        try:
            self._identity = self._told(core.Question.IDENTITY)
            self._opened = True
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        self._check_open()
        values: dict[str, Value | None] = dict(self._identity)
        for question in core.questions(self._maker):
            values |= self._told(question)
        watts = values.get("power")
        return {**values, **self._draw.judge(watts if isinstance(watts, float) else None, self._clock())}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:  # noqa: ARG002 - its actions have none
        self._check_open()
        if action not in ("switch-on", "switch-off"):
            raise Refused(f"a plug has no action {action!r}")
        on = action == "switch-on"
        self._call(core.switch(self._maker, self._channel, self._user, self._password, on=on))
        if self._told(core.questions(self._maker)[0])["on"] is not on:
            raise BadReply(f"said yes, and is not {'on' if on else 'off'}")

    def close(self) -> None:
        self._opened = False
        self._dialogue.close()

    def _check_open(self) -> None:
        if not self._opened:
            raise LinkLost("not open")

    def _told(self, question: core.Question) -> Mapping[str, Value | None]:
        told = self._call(core.ask(self._maker, question, self._channel, self._user, self._password))
        return core.values(self._maker, question, self._channel, told)

    def _call(self, call: core.Call) -> Mapping[str, Any]:
        response = self._exchange(call)
        if response.status == 401 and self._password:
            self._challenge, self._proofs = http.challenge(response), 0
            if self._challenge is not None:
                response = self._exchange(call)
        if response.status == 401:
            raise Refused("wrong user or password" if self._password else "the plug wants a password")
        if response.status == 404:
            raise BadReply(f"nothing at {call.target.partition('?')[0]}: is it a {self._maker}?")
        if response.status != 200:
            raise BadReply(f"HTTP status {response.status}")
        return core.answer(self._maker, response.body)

    def _exchange(self, call: core.Call) -> http.Response:
        headers: dict[str, str] = {}
        if self._challenge is not None:
            self._proofs += 1
            headers["Authorization"] = self._challenge.proof(
                (call.method, call.target), (self._user, self._password), self._chance(), self._proofs
            )
        try:
            return self._dialogue.ask(http.request(call.method, self._host, call.target, call.body, headers), _response)
        finally:
            self._dialogue.hang_up()


def _response(event: http.Event) -> http.Response:
    if isinstance(event, http.Noise):
        raise BadReply(f"{event.start!r}: {event.why}")
    return event


def _address(endpoint: str) -> tuple[str, str]:
    """The endpoint as TCP, and the host as HTTP names it. Raises ValueError."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise ValueError(f"{endpoint!r} is not http://host[:port]")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"tcp://{host}:{parts.port or PORT}"
    parse_endpoint(where)
    return where, host if parts.port is None else f"{host}:{parts.port}"


def _maker(name: str) -> core.Maker:
    try:
        return core.Maker(name)
    except ValueError:
        raise ValueError(f"maker: {name!r} is none of {', '.join(core.Maker)}") from None


def _threshold(given: Options, name: str, above: float, below: float) -> core.Threshold:
    on = given.number(f"{name}_w", above, 0, _MOST_W)
    off = given.number(f"{name}_off_w", min(below, on), 0, _MOST_W)
    if off > on:
        raise ValueError(f"{name}_off_w: {off:g} lies above {name}_w")
    return core.Threshold(on, off)
