"""What a device of a broker tells and takes: its values, where each is told, and how what is told is read. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from contract.model import Value
from firmware_bridges.mqtt_template import Template
from firmware_bridges.slug import slug

MAX_TOPIC: Final = 256
_LONGEST_TEXT: Final = 128
UNITS: Final[Mapping[str, tuple[str, float]]] = {
    "°C": ("temperature", 1.0), "%": ("percent", 1.0), "W": ("power", 1.0), "kW": ("power", 1000.0),
    "Wh": ("energy", 1.0), "kWh": ("energy", 1000.0), "V": ("voltage", 1.0), "mV": ("voltage", 0.001),
    "A": ("current", 1.0), "mA": ("current", 0.001), "ppm": ("ppm", 1.0), "lx": ("light", 1.0), "dBm": ("signal", 1.0),
}  # fmt: skip
"""A device's unit -> how the metric's name begins (which fixes our unit), and the factor to that unit."""


@dataclass(frozen=True, slots=True)
class Availability:
    """The topic on which a device says that it is there."""

    topic: str
    there: str = "online"
    gone: str = "offline"


@dataclass(frozen=True, slots=True)
class Order:
    """What is published to have a device do or tell something."""

    topic: str
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value is told. `whole`: every message there tells it, so that one without it makes it unknown."""

    topic: str
    template: Template
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Entity:
    """One value of a device: `metric` as it would be called, where it is told, and how what is told is read.

    `ident` tells it from the device's other ones, whatever they are called: where it was told, and as what.
    """

    ident: tuple[str, str]
    metric: str
    sources: tuple[Source, ...]
    factor: float | None = None
    on: str = "ON"
    off: str = "OFF"
    command: str = ""
    switch: bool = False
    text: bool = False

    def read(self, source: Source, payload: str) -> Value | None:
        """None for what is unknown or not told here. Raises ValueError, TypeError or OverflowError for what cannot be
        read."""
        found = source.template(payload)
        if found is None or found in ("unavailable", "unknown", "None", ""):
            return None
        if self.text:
            return "".join(letter for letter in str(found) if letter.isprintable())[:_LONGEST_TEXT]
        if self.factor is None:
            said = str(found)
            if said not in (self.on, self.off):
                raise ValueError(f"{said[:40]!r} is neither {self.on!r} nor {self.off!r}")
            return said == self.on
        number = float(found)
        if not abs(number) < 1e12:
            raise ValueError(f"{str(found)[:40]!r} is no number")
        return number * self.factor


@dataclass(frozen=True, slots=True)
class Ping:
    """A question that a device answers on `answered` after whatever it was told before."""

    question: Order
    answered: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a device told of itself at one place: its values, where it says that it is there, how many of its values
    cannot be read here, what it is asked for them, and what it is asked to know that it hears."""

    entities: tuple[Entity, ...] = ()
    availability: tuple[Availability, ...] = ()
    left_out: int = 0
    questions: tuple[Order, ...] = ()
    ping: Ping | None = None

    def within(self, room: int, places: int) -> Self:
        """With at most so many values, the others counted, and at most so many topics of availability."""
        entities = self.entities[: max(0, room)]
        left_out = self.left_out + len(self.entities) - len(entities)
        return replace(self, entities=entities, availability=self.availability[: max(0, places)], left_out=left_out)


def named(start: str, text: str) -> str:
    """The metric of a value: what is measured, and the device's own word for it."""
    return f"{start}-{slug(text)}"


def parsed(text: str) -> dict[str, Any] | None:
    """None for what is no object, or holds half of a letter: that can be no topic and no payload."""
    try:
        told = json.loads(text)
        json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def table(value: Any) -> Mapping[str, Any]:
    """Empty for what is none."""
    return value if isinstance(value, dict) else {}


def topic_of(value: Any, base: str = "") -> str:
    """`~` at either end stands for the base. Empty for what is no topic to hear or speak on."""
    text = value if isinstance(value, str) else ""
    text = base + text[1:] if text.startswith("~") else text
    text = text[:-1] + base if text.endswith("~") else text
    return "" if any(letter in text for letter in "+#\0") or len(text) > MAX_TOPIC else text
