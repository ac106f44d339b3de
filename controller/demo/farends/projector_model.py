"""A projector as it answers, warms up, cools down and fails. Pure: the time is passed in, in seconds.

Source: PJLink Specifications 2.00 (JBMIA, 2017); where they leave a choice, it answers as the recorded emulator does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"%(?P<pjclass>[12])(?P<body>[A-Z0-9]{4}) (?P<parameter>.*)")
UNDEFINED, OUT_OF_RANGE, UNAVAILABLE, FAILURE = "ERR1", "ERR2", "ERR3", "ERR4"
OFF, ON, COOLING, WARMING = "0", "1", "2", "3"
PARTS = ("fan", "lamp", "temperature", "cover", "filter", "other")


@dataclass(slots=True)
class Settings:
    """What a projector is; may be changed while it runs. Seconds and hours."""

    pjclass: int = 2
    warm_up_s: float = 30.0
    cool_down_s: float = 60.0
    name: str = "Phòng 206"
    manufacturer: str = "FABFLEET"
    model: str = "PJ-206"
    information: str = ""
    serial: str = "FF000206"
    software: str = "1.00"
    resolution: str = "1920x1080"
    lamp_hours: float = 1200.0
    lamp_ages: float = 1.0
    """Lamp hours that one hour of light costs."""
    filter_hours: int = 300
    lamp_model: str = ""
    filter_model: str = "FL-206"
    mac: str = "02:00:00:00:02:06"
    inputs: dict[str, str] = field(default_factory=lambda: {"11": "VGA", "31": "HDMI 1", "32": "HDMI 2", "51": "LAN"})


class Projector:
    """Answers one line at a time; `now` never goes back."""

    def __init__(self, settings: Settings, now: float) -> None:
        self.settings = settings
        self.errors = dict.fromkeys(PARTS, 0)
        self.trouble: dict[str, str] = {}
        """Command body (or `*` for all) -> the error it is answered with."""
        self.stuck = False
        """Says OK to every setting and does nothing."""
        self.input = "31"
        self.picture_muted = self.sound_muted = self.frozen = False
        self._power = OFF
        self._until = now
        self._lit_since: float | None = None
        self._told: tuple[str, str, str] = (OFF, self.input, "000000")
        self._told = self._state(now)

    def power(self, now: float) -> str:
        """The state at `now`, as the standard's digit."""
        if self._power == WARMING and now >= self._until:
            self._power, self._lit_since = ON, self._until
        if self._power == COOLING and now >= self._until:
            self._power = OFF
        return self._power

    def lamp_hours(self, now: float) -> float:
        burning_s = now - self._lit_since if self._lit_since is not None else 0.0
        return self.settings.lamp_hours + burning_s / 3600 * self.settings.lamp_ages

    def switch(self, on: bool, now: float) -> None:
        state = self.power(now)
        if on and state in (OFF, COOLING):
            self._power, self._until = WARMING, now + self.settings.warm_up_s
        elif not on and state in (ON, WARMING):
            self.settings.lamp_hours, self._lit_since = self.lamp_hours(now), None
            self._power, self._until = COOLING, now + self.settings.cool_down_s
            self.picture_muted = self.sound_muted = self.frozen = False

    def notices(self, now: float) -> list[str]:
        """What has changed since this was last asked, as class 2 tells it."""
        before, after = self._told, self._state(now)
        self._told = after
        changed = zip(("POWR", "INPT", "ERST"), before, after, strict=True)
        return [f"%2{body}={new}" for body, old, new in changed if new != old]

    def answer(self, line: str, now: float) -> str:
        match = _LINE.fullmatch(line)
        if match is None:
            return f"{line[:6]}={UNDEFINED}" if line.startswith("%") else "PJLINK ERR1"
        pjclass, body = int(match["pjclass"]), match["body"]
        return f"%{pjclass}{body}={self._value(pjclass, body, match['parameter'], now)}"

    def _value(self, pjclass: int, body: str, parameter: str, now: float) -> str:
        trouble = self.trouble.get(body) or self.trouble.get("*")
        if trouble:
            return trouble
        ask = self._ASK.get((pjclass, body))
        if ask is None or pjclass > self.settings.pjclass:
            return UNDEFINED
        if parameter == "?":
            return ask(self, now)
        if body == "INNM" and parameter.startswith("?"):
            return self.settings.inputs.get(parameter[1:], OUT_OF_RANGE)
        if self.stuck:
            return "OK"
        tell = self._TELL.get(body)
        return tell(self, parameter, now) if tell else OUT_OF_RANGE

    def _state(self, now: float) -> tuple[str, str, str]:
        return self.power(now), self.input, "".join(str(level) for level in self.errors.values())

    def _ask_lamp(self, now: float) -> str:
        return f"{int(self.lamp_hours(now))} {int(self.power(now) == ON)}"

    def _when_on(self, value: str, now: float) -> str:
        return value if self.power(now) == ON else UNAVAILABLE

    def _ask_mute(self, _now: float) -> str:
        return {(True, True): "31", (True, False): "11", (False, True): "21"}.get(
            (self.picture_muted, self.sound_muted), "30"
        )

    def _tell_power(self, parameter: str, now: float) -> str:
        if parameter not in (OFF, ON):
            return OUT_OF_RANGE
        self.switch(parameter == ON, now)
        return "OK"

    def _tell_input(self, parameter: str, now: float) -> str:
        if self.power(now) != ON:
            return UNAVAILABLE
        if parameter not in self.settings.inputs:
            return OUT_OF_RANGE
        self.input = parameter
        return "OK"

    def _tell_mute(self, parameter: str, now: float) -> str:
        if self.power(now) != ON:
            return UNAVAILABLE
        if not re.fullmatch("[123][01]", parameter):
            return OUT_OF_RANGE
        on = parameter[1] == "1"
        if parameter[0] in "13":
            self.picture_muted = on
        if parameter[0] in "23":
            self.sound_muted = on
        return "OK"

    def _tell_freeze(self, parameter: str, now: float) -> str:
        if parameter not in ("0", "1"):
            return OUT_OF_RANGE
        if self.power(now) != ON:
            return UNAVAILABLE
        self.frozen = parameter == "1"
        return "OK"

    _ASK: Mapping[tuple[int, str], Callable[["Projector", float], str]] = {
        (1, "CLSS"): lambda self, _now: str(self.settings.pjclass),
        (1, "POWR"): lambda self, now: self.power(now),
        (1, "ERST"): lambda self, now: self._state(now)[2],
        (1, "LAMP"): _ask_lamp,
        (1, "INST"): lambda self, _now: " ".join(self.settings.inputs),
        (1, "INPT"): lambda self, now: self._when_on(self.input, now),
        (1, "AVMT"): _ask_mute,
        (1, "NAME"): lambda self, _now: self.settings.name,
        (1, "INF1"): lambda self, _now: self.settings.manufacturer,
        (1, "INF2"): lambda self, _now: self.settings.model,
        (1, "INFO"): lambda self, _now: self.settings.information,
        (2, "INST"): lambda self, _now: " ".join(self.settings.inputs),
        (2, "INPT"): lambda self, now: self._when_on(self.input, now),
        (2, "INNM"): lambda _self, _now: OUT_OF_RANGE,
        (2, "SNUM"): lambda self, _now: self.settings.serial,
        (2, "SVER"): lambda self, _now: self.settings.software,
        (2, "IRES"): lambda self, now: self._when_on(self.settings.resolution, now),
        (2, "RRES"): lambda self, _now: self.settings.resolution,
        (2, "FILT"): lambda self, _now: str(self.settings.filter_hours),
        (2, "RLMP"): lambda self, _now: self.settings.lamp_model,
        (2, "RFIL"): lambda self, _now: self.settings.filter_model,
        (2, "FREZ"): lambda self, _now: str(int(self.frozen)),
    }
    _TELL: Mapping[str, Callable[["Projector", str, float], str]] = {
        "POWR": _tell_power,
        "INPT": _tell_input,
        "AVMT": _tell_mute,
        "FREZ": _tell_freeze,
    }
