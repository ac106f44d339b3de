"""A printer's micro-controller as a Klipper host sees it, on a pty: a clock, two heaters with their sensors, no motors.

    python -m hil.farends.klipper_mcu LINK

It tells `ready` on stdout, and is told on stdin:

    state               tell the temperatures in degrees Celsius and what the heaters get, 0 to 1
    sensor PIN break    as if the wire of a sensor broke
    sensor PIN mend

It ends when its stdin closes.
"""

import json
import math
import os
import select
import sys
import time
import tty
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from hil.farends.klipper_wire import Block, Blocks, Message, Parameter, block, read_number

HZ = 20_000_000
HEATERS = {"nozzle": (1, 2), "bed": (3, 4)}
"""By name: the pin of the heater and of its sensor; printer.cfg says the same."""
EMERGENCY, OUT_OF_RANGE = 1, 2
COMMANDS = (
    "identify offset=%u count=%c",
    "get_config",
    "get_clock",
    "get_uptime",
    "allocate_oids count=%c",
    "finalize_config crc=%u",
    "emergency_stop",
    "clear_shutdown",
    "reset",
    "config_reset",
    "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
    "update_digital_out oid=%c value=%c",
    "queue_digital_out oid=%c clock=%u on_ticks=%u",
    "set_digital_out_pwm_cycle oid=%c cycle_ticks=%u",
    "set_digital_out pin=%u value=%c",
    "config_analog_in oid=%c pin=%u",
    (
        "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u"
        " min_value=%hu max_value=%hu range_check_count=%c"
    ),
    "config_trsync oid=%c",
    "trsync_start oid=%c report_clock=%u report_ticks=%u expire_reason=%c",
    "trsync_set_timeout oid=%c clock=%u",
    "trsync_trigger oid=%c reason=%c",
    "debug_nop",
)
RESPONSES = (
    "identify_response offset=%u data=%.*s",
    "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
    "clock clock=%u",
    "uptime high=%u clock=%u",
    "analog_in_state oid=%c next_clock=%u value=%hu",
    "stats count=%u sum=%u sumsq=%u",
    "shutdown clock=%u static_string_id=%hu",
    "trsync_state oid=%c can_trigger=%c trigger_reason=%c clock=%u",
)


def _numbered() -> dict[str, int]:
    """Numbers of messages; the first two are fixed by the protocol."""
    fixed = {RESPONSES[0]: 0, COMMANDS[0]: 1}
    others = [text for text in (*COMMANDS, *RESPONSES) if text not in fixed]
    return fixed | {text: at for at, text in enumerate(others, 2)}


NUMBERS = _numbered()
ASKED = {NUMBERS[text]: Message(NUMBERS[text], text) for text in COMMANDS}
TOLD = {message.name: message for message in (Message(NUMBERS[text], text) for text in RESPONSES)}
DICTIONARY = zlib.compress(
    json.dumps(
        {
            "app": "Klipper",
            "version": "fabfleet-1",
            "build_versions": "",
            "commands": {text: NUMBERS[text] for text in COMMANDS},
            "responses": {text: NUMBERS[text] for text in RESPONSES},
            "output": {},
            "enumerations": {
                "pin": {"P0": [0, 16]},
                "static_string_id": {"Emergency stop command": EMERGENCY, "ADC out of range": OUT_OF_RANGE},
            },
            "config": {"CLOCK_FREQ": HZ, "MCU": "fabfleet", "STATS_SUMSQ_BASE": 256, "ADC_MAX": 4095, "PWM_MAX": 255},
        }
    ).encode()
)


@dataclass(slots=True)
class Heater:
    """`power` is 0 to 1; it warms by 40 degrees a second at most, so that tests need not wait."""

    celsius: float = 25.0
    power: float = 0.0
    broken: bool = False

    def pass_time(self, seconds: float) -> None:
        self.celsius += seconds * (self.power * 40.0 - (self.celsius - 25.0) * 0.1)

    def reading(self) -> int:
        """Of twelve bits: a thermistor (100 kilohms at 25 degrees, B = 4092) with 4.7 kilohms above it."""
        if self.broken:
            return 4095
        ohms = 100_000 * math.exp(4092 * (1 / (self.celsius + 273.15) - 1 / 298.15))
        return round(4095 * ohms / (ohms + 4700))


@dataclass(slots=True)
class Sampling:
    """How often a sensor is read and what is still believed; `times` readings make one value."""

    heater: Heater
    rest_s: float
    due_s: float
    times: int
    least: int
    most: int


@dataclass(slots=True)
class Config:
    """What the host finds when it asks."""

    is_config: int = 0
    crc: int = 0
    is_shutdown: int = 0


@dataclass(slots=True)
class Wiring:
    """What the host has made of the pins, by its own numbers for them."""

    heaters: dict[int, Heater] = field(default_factory=dict)
    sensors: dict[int, Heater] = field(default_factory=dict)
    cycles: dict[int, int] = field(default_factory=dict)
    sampled: dict[int, Sampling] = field(default_factory=dict)


class Mcu:
    """The micro-controller. `receive` and `tick` give the bytes that it says; time is in seconds since it started."""

    def __init__(self) -> None:
        self.heaters = {name: Heater() for name in HEATERS}
        self._blocks = Blocks()
        self._next = 0
        self._config = Config()
        self._wiring = Wiring()
        self._now_s = 0.0
        self._stats_s = 5.0
        self._out = b""

    def receive(self, data: bytes, now_s: float) -> bytes:
        self.tick(now_s)
        for each in self._blocks.receive(data):
            self._take(each)
        return self._said()

    def tick(self, now_s: float) -> bytes:
        for heater in self.heaters.values():
            heater.pass_time(now_s - self._now_s)
        self._now_s = now_s
        for oid, each in list(self._wiring.sampled.items()):
            if now_s >= each.due_s and not self._config.is_shutdown:
                self._sample(oid, each)
        if now_s >= self._stats_s:
            self._stats_s = now_s + 5.0
            self._say("stats", count=100, sum=1000, sumsq=1000)
        return self._said()

    def _said(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def _say(self, name: str, **given: Parameter) -> None:
        self._out += block(self._next, TOLD[name].encode(given))

    def _clock(self, later_s: float = 0.0) -> int:
        return int((self._now_s + later_s) * HZ) & 0xFFFF_FFFF

    def _sample(self, oid: int, each: Sampling) -> None:
        each.due_s = self._now_s + each.rest_s
        value = each.heater.reading() * each.times
        if not each.least <= value <= each.most:
            self._shut_down(OUT_OF_RANGE)
        self._say("analog_in_state", oid=oid, next_clock=self._clock(each.rest_s), value=value)

    def _shut_down(self, why: int) -> None:
        self._config.is_shutdown = 1
        for heater in self.heaters.values():
            heater.power = 0.0
        self._say("shutdown", clock=self._clock(), static_string_id=why)

    def _take(self, each: Block | None) -> None:
        """A block that is damaged or not the next is answered with the one that is wanted."""
        if each is None or each.sequence != self._next & 0x0F:
            self._out += block(self._next)
            return
        self._next += 1
        self._out += block(self._next)
        at = 0
        while at < len(each.content):
            number, at = read_number(each.content, at)
            message = ASKED[number]
            given, at = message.decode(each.content, at)
            self._obey(message.name, given)

    def _obey(self, name: str, given: dict[str, int]) -> None:
        config = self._config
        match name:
            case "identify":
                start = given["offset"]
                self._say("identify_response", offset=start, data=DICTIONARY[start : start + given["count"]])
            case "get_config":
                told = {"is_config": config.is_config, "crc": config.crc, "is_shutdown": config.is_shutdown}
                self._say("config", **told, move_count=500)
            case "get_clock":
                self._say("clock", clock=self._clock())
            case "get_uptime":
                self._say("uptime", high=int(self._now_s * HZ) >> 32, clock=self._clock())
            case "finalize_config":
                config.is_config, config.crc = 1, given["crc"]
            case "emergency_stop":
                self._shut_down(EMERGENCY)
            case "clear_shutdown":
                config.is_shutdown = 0
            case "reset" | "config_reset":
                self._config, self._wiring = Config(), Wiring()
            case "trsync_trigger":
                self._say("trsync_state", oid=given["oid"], can_trigger=0, trigger_reason=given["reason"], clock=0)
            case _:
                self._wire(name, given)

    def _wire(self, name: str, given: dict[str, int]) -> None:
        wiring, oid = self._wiring, given.get("oid", 0)
        match name:
            case "config_digital_out":
                self._connect(wiring.heaters, oid, given["pin"], 0)
            case "config_analog_in":
                self._connect(wiring.sensors, oid, given["pin"], 1)
            case "set_digital_out_pwm_cycle":
                wiring.cycles[oid] = given["cycle_ticks"]
            case "queue_digital_out" if oid in wiring.heaters:
                wiring.heaters[oid].power = given["on_ticks"] / wiring.cycles.get(oid, 1)
            case "update_digital_out" if oid in wiring.heaters:
                wiring.heaters[oid].power = float(given["value"])
            case "query_analog_in" if oid in wiring.sensors:
                wiring.sampled[oid] = Sampling(
                    wiring.sensors[oid],
                    given["rest_ticks"] / HZ,
                    self._now_s + 0.1,
                    given["sample_count"],
                    given["min_value"],
                    given["max_value"],
                )

    def _connect(self, places: dict[int, Heater], oid: int, pin: int, part: int) -> None:
        for name, pins in HEATERS.items():
            if pins[part] == pin:
                places[oid] = self.heaters[name]


def told(mcu: Mcu, line: str) -> str:
    """The answer to a line from stdin."""
    match line.split():
        case ["state"]:
            return "state " + json.dumps(
                {name: each.celsius for name, each in mcu.heaters.items()}
                | {f"{name}_power": each.power for name, each in mcu.heaters.items()}
            )
        case ["sensor", name, how]:
            mcu.heaters[name].broken = how == "break"
            return f"did {line}"
        case _:
            return f"unknown {line}"


def main() -> None:
    link = Path(sys.argv[1])
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    link.unlink(missing_ok=True)
    link.symlink_to(os.ttyname(theirs))
    print("ready", flush=True)
    mcu, began_s, text = Mcu(), time.monotonic(), b""
    while True:
        ready, _, _ = select.select([ours, sys.stdin.fileno()], [], [], 0.05)
        now_s = time.monotonic() - began_s
        said = mcu.receive(os.read(ours, 4096), now_s) if ours in ready else mcu.tick(now_s)
        if said:
            os.write(ours, said)
        if sys.stdin.fileno() in ready:
            piece = os.read(sys.stdin.fileno(), 4096)
            if not piece:
                return
            *lines, text = (text + piece).split(b"\n")
            for line in lines:
                print(told(mcu, line.decode()), flush=True)


if __name__ == "__main__":
    main()
