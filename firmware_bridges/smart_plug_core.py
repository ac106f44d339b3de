"""What metering plugs say, and what the power they measure says of the machine behind them. No I/O, no clock.

Sources: Tasmota documentation, Commands (Power, Status 2, 8 and 11; the body of `/cm?cmnd=`) and Web requests;
Shelly API documentation, Gen2+: RPC protocol, Switch (Switch.GetStatus, Switch.Set), Shelly.GetDeviceInfo.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode

from contract.model import Value
from firmware_bridges.base import BadReply, Refused

_LONGEST_TEXT: Final = 64


class Maker(StrEnum):
    TASMOTA = "tasmota"
    SHELLY = "shelly"


class Question(StrEnum):
    """What a plug is asked."""

    IDENTITY = "identity"
    SWITCH = "switch"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request."""

    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Threshold:
    """True from `above` watts on until it falls to `below`."""

    above: float
    below: float

    def holds(self, before: bool, watts: float) -> bool:
        return watts > self.below if before else watts >= self.above


class Draw:
    """Whether a machine has power and whether it works, by the watts it draws.

    A machine that works in strokes (a heater, a laser between two lines) counts as at work until it has been below
    for `hold_s`.
    """

    def __init__(self, energised: Threshold, working: Threshold, hold_s: float) -> None:
        self._energised = energised
        self._working = working
        self._hold_s = hold_s
        self._values = {"energised": False, "working": False}
        self._last_work_s = -math.inf

    def judge(self, watts: float | None, now_s: float) -> Mapping[str, bool | None]:
        """`energised` and `working`; None for both while the draw is unknown."""
        if watts is None:
            return dict.fromkeys(self._values)
        works = self._working.holds(self._values["working"], watts)
        if works:
            self._last_work_s = now_s
        held = self._values["working"] and now_s - self._last_work_s < self._hold_s
        self._values = {"energised": self._energised.holds(self._values["energised"], watts), "working": works or held}
        return dict(self._values)


def ask(maker: Maker, question: Question, channel: int, user: str, password: str) -> Call:
    """The request for a question. `channel` counts from 0."""
    if maker is Maker.TASMOTA:
        number = {Question.IDENTITY: "2", Question.SWITCH: "11", Question.METER: "8"}[question]
        return _tasmota(f"Status {number}", user, password)
    if question is Question.IDENTITY:
        return _shelly("Shelly.GetDeviceInfo", {})
    return _shelly("Switch.GetStatus", {"id": channel})


def switch(maker: Maker, channel: int, user: str, password: str, *, on: bool) -> Call:
    if maker is Maker.TASMOTA:
        return _tasmota(f"Power{channel + 1 if channel else ''} {'ON' if on else 'OFF'}", user, password)
    return _shelly("Switch.Set", {"id": channel, "on": on})


def questions(maker: Maker) -> tuple[Question, ...]:
    """What is asked at every poll: a Shelly tells all at once."""
    return (Question.SWITCH, Question.METER) if maker is Maker.TASMOTA else (Question.METER,)


def answer(maker: Maker, body: bytes) -> Mapping[str, Any]:
    """The object that is told. Raises BadReply for none, Refused where the plug says that it will not."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise BadReply(f"{body[:40]!r} is no JSON") from None
    if not isinstance(told, dict):
        raise BadReply(f"{body[:40]!r} is no object")
    if maker is Maker.TASMOTA:
        if told.get("Command") == "Unknown":
            raise Refused("the plug does not know this command")
        if "WARNING" in told:
            raise Refused("wrong user or password")
        return told
    if isinstance(told.get("error"), dict):
        raise Refused(f"the plug says {_text(told['error'].get('message', told['error'].get('code')))}")
    return _object(told, "result")


def values(maker: Maker, question: Question, channel: int, told: Mapping[str, Any]) -> Mapping[str, Value | None]:
    """The metrics in an answer: `on`, `power` (W), `energy` (W.h), `voltage`, `current`, `temperature`, `firmware`.

    Raises BadReply.
    """
    if maker is Maker.SHELLY:
        return _shelly_values(question, told)
    match question:
        case Question.IDENTITY:
            return {"firmware": _text(_object(told, "StatusFWR").get("Version"))}
        case Question.SWITCH:
            return {"on": _tasmota_on(_object(told, "StatusSTS"), channel)}
        case Question.METER:
            energy = _object(_object(told, "StatusSNS"), "ENERGY")
            kwh = _number(energy, "Total", channel)
            return {
                "power": _number(energy, "Power", channel),
                "energy": None if kwh is None else kwh * 1000,
                "voltage": _number(energy, "Voltage", channel),
                "current": _number(energy, "Current", channel),
            }


def _tasmota(command: str, user: str, password: str) -> Call:
    asked = {"user": user, "password": password} if password else {}
    return Call("GET", f"/cm?{urlencode({**asked, 'cmnd': command}, quote_via=quote)}")


def _shelly(method: str, params: Mapping[str, Any]) -> Call:
    return Call("POST", "/rpc", json.dumps({"id": 1, "method": method, "params": params}).encode())


def _tasmota_on(told: Mapping[str, Any], channel: int) -> bool:
    """A plug with one relay says POWER, one with several POWER1, POWER2 and so on."""
    state = told.get(f"POWER{channel + 1}", told.get("POWER") if channel == 0 else None)
    if state not in ("ON", "OFF"):
        raise BadReply(f"{state!r} is no state of a relay")
    return bool(state == "ON")


def _shelly_values(question: Question, told: Mapping[str, Any]) -> Mapping[str, Value | None]:
    if question is Question.IDENTITY:
        return {"firmware": _text(told.get("ver"))}
    if not isinstance(told.get("output"), bool):
        raise BadReply(f"{told.get('output')!r} is no state of a switch")
    return {
        "on": told["output"],
        "power": _number(told, "apower"),
        "energy": _number(told.get("aenergy") or {}, "total"),
        "voltage": _number(told, "voltage"),
        "current": _number(told, "current"),
        "temperature": _number(told.get("temperature") or {}, "tC"),
    }


def _object(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    if not isinstance(found, dict):
        raise BadReply(f"nothing is told of {name}")
    return found


def _number(told: Any, name: str, channel: int = 0) -> float | None:
    """None if it is not told. Where there are several channels it is a list. Raises BadReply."""
    found = told.get(name) if isinstance(told, dict) else told
    if isinstance(found, list) and channel < len(found):
        found = found[channel]
    if found is None:
        return None
    if type(found) not in (int, float) or not abs(found) < 1e12:
        raise BadReply(f"{str(found)[:40]!r} is no number for {name}")
    return float(found)


def _text(found: Any) -> str:
    return "".join(letter for letter in str(found) if letter.isprintable())[:_LONGEST_TEXT]
