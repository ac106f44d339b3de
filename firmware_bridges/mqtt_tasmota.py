"""What a Tasmota says of itself in its own discovery, and where it then tells its values. Pure.

Sources: Tasmota documentation, MQTT (topics, answers to commands) and Commands (Power, State, Status, SetOption4,
SetOption19, SetOption26, SetOption59, TelePeriod): as it comes from the factory it tells `tele/.../STATE` and `SENSOR`
every 300 s, retained neither; a switched relay is told on `stat` alone, and so is what it is asked.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from firmware_bridges.mqtt_entity import (
    UNITS,
    Availability,
    Entity,
    Order,
    Source,
    Told,
    named,
    parsed,
    table,
    topic_of,
)
from firmware_bridges.mqtt_template import Template, template

DISCOVERY: Final = "tasmota/discovery"
_MEASURED: Final[Mapping[str, tuple[str, str]]] = {
    "Power": ("power", "W"), "Total": ("energy", "kWh"), "Voltage": ("voltage", "V"), "Current": ("current", "A"),
    "Temperature": ("temperature", "°C"), "Humidity": ("humidity", "%"), "CarbonDioxide": ("co2", "ppm"),
    "Illuminance": ("light", "lx"),
}  # fmt: skip
"""A value of a Tasmota -> its name and unit."""
_MOST_RELAYS: Final = 8
_RELAY: Final = 1
_PLACE: Final = "tasmota"
_TOKEN = re.compile(r"%(prefix|topic|hostname|id)%")


@dataclass(frozen=True, slots=True)
class Tasmota:
    """One Tasmota by its MAC, with what it told at `<MAC>/config` and `<MAC>/sensors`."""

    mac: str
    config: Mapping[str, Any]
    sensors: Mapping[str, Any]

    @classmethod
    def read(cls, mac: str, text: str, device: str) -> Self | None:
        """None if what is told at `<MAC>/config` is not of `device` (in lower case)."""
        config = parsed(text)
        if config is None or device not in {str(each).casefold() for each in (mac, config.get("dn"), config.get("t"))}:
            return None
        return cls(mac, config, {})

    @property
    def sensors_topic(self) -> str:
        """Where it tells what it measures; a broker sends it again to whoever begins to listen there."""
        return topic_of(f"{DISCOVERY}/{self.mac}/sensors")

    def measuring(self, text: str) -> Self:
        """With what it told at `<MAC>/sensors`."""
        return replace(self, sensors=table((parsed(text) or {}).get("sn")))

    def told(self, names: Mapping[str, str]) -> Told:
        """`names` maps `switch/POWER` or `ENERGY/Power` to a metric. Nothing if its topics make no sense."""
        prefixes = self.config.get("tp")
        prefixes = prefixes if isinstance(prefixes, list) and len(prefixes) == 3 else []
        command, stat, tele = ([self._topic(str(each)) for each in prefixes]) or ("", "", "")
        if not (command and stat and tele):
            return Told()
        switches, measures = list(self._switches(command, stat, tele, names)), self._measures(stat, tele, names)
        found = [each for each in measures if each]
        there = str(self.config.get("onln", "Online")), str(self.config.get("ofln", "Offline"))
        return Told(
            entities=(*switches, *found),
            availability=(Availability(f"{tele}/LWT", *there),),
            left_out=len(measures) - len(found) + sum(kind not in (0, _RELAY) for kind in self._relays),
            questions=(Order(f"{command}/STATE"), Order(f"{command}/STATUS", "10")),
        )

    @property
    def _relays(self) -> list[Any]:
        """What its relays are for: 0 for none, other numbers for lights and shutters."""
        told = self.config.get("rl")
        return told if isinstance(told, list) else []

    def _topic(self, prefix: str) -> str:
        """The beginning of its topics; empty if it has no name, or none that can be said."""
        name = str(self.config.get("t") or "")
        words = {"prefix": prefix, "topic": name, "hostname": str(self.config.get("hn", "")), "id": self.mac[-6:]}
        full = str(self.config.get("ft", "%prefix%/%topic%/"))
        return topic_of(_TOKEN.sub(lambda token: words[token[1]], full).rstrip("/")) if name else ""

    def _switches(self, command: str, stat: str, tele: str, names: Mapping[str, str]) -> Iterator[Entity]:
        relays = [number for number, kind in enumerate(self._relays, 1) if kind == _RELAY]
        for number in relays[:_MOST_RELAYS]:
            key = "POWER" if len(relays) == 1 else f"POWER{number}"
            pick = _power(number)
            sources = (
                Source(f"{tele}/STATE", pick),
                Source(f"{stat}/STATE", pick, whole=False),  # with SetOption4 1
                Source(f"{stat}/RESULT", pick, whole=False),
                *(Source(f"{stat}/{each}", pick, whole=False) for each in _keys(number)),
            )
            metric = names.get(f"switch/{key}", named("switch", key))
            yield Entity((_PLACE, key), metric, sources, None, command=f"{command}/{key}", switch=True)

    def _measures(self, stat: str, tele: str, names: Mapping[str, str]) -> list[Entity | None]:
        """One of each number that it measures; None for one that cannot be read here."""
        return [
            None if isinstance(value, list) else self._measure(str(group), str(key), stat, tele, names)
            for group, values in self.sensors.items()
            for key, value in table(values).items()
            if isinstance(value, int | float | list)
        ]

    def _measure(self, group: str, key: str, stat: str, tele: str, names: Mapping[str, str]) -> Entity | None:
        fahrenheit = key == "Temperature" and self.sensors.get("TempUnit", "C") != "C"
        told = None if fahrenheit else _MEASURED.get(key)
        here = template(f"{{{{ value_json['{group}']['{key}'] }}}}")
        asked = template(f"{{{{ value_json['StatusSNS']['{group}']['{key}'] }}}}")
        if told is None or here is None or asked is None:
            return None
        start, factor = UNITS[told[1]]
        metric = names.get(f"{group}/{key}", named(start, f"{group} {told[0]}"))
        sources = Source(f"{tele}/SENSOR", here), Source(f"{stat}/STATUS10", asked)
        return Entity((_PLACE, f"{group}/{key}"), metric, sources, factor)


def _keys(number: int) -> tuple[str, ...]:
    """What a relay is called: the first has two names (SetOption26)."""
    return ("POWER", "POWER1") if number == 1 else (f"POWER{number}",)


def _power(number: int) -> Template:
    """A relay's state in JSON, or alone."""
    picks = [pick for each in _keys(number) if (pick := template(f"{{{{ value_json.{each} }}}}"))]

    def read(payload: str) -> Any:
        if not payload.startswith("{"):
            return payload
        return next((found for pick in picks if (found := pick(payload)) is not None), None)

    return read
