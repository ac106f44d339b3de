"""What one device of a broker says of itself, and what its states mean. Topics and payloads in, values out. No I/O.

Sources: Home Assistant documentation, MQTT discovery; ESPHome documentation, MQTT client component; Tasmota
documentation, MQTT and Tasmota Discovery. mqtt_discovery.py and mqtt_tasmota.py read what they define.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from contract.model import Value
from firmware_bridges import mqtt_discovery
from firmware_bridges.mqtt_entity import MAX_TOPIC, Entity, Order, Ping, Source, Told
from firmware_bridges.mqtt_tasmota import DISCOVERY, Tasmota
from firmware_bridges.slug import numbered

MOST_ENTITIES: Final = 64
"""More values of one device are left out, and counted; it may tell of itself at so many places."""
MOST_AVAILABILITY: Final = 16
"""More topics on which a device says that it is there are not heard."""
MAX_PAYLOAD: Final = 65_536
MAX_STATE: Final = 8_192
_TASMOTA = "tasmota"


class DeviceCore:
    """One device of a broker, by its identifier, its node id or its name. `names` maps `component/object` to a metric.

    It is fed every message of `discovery` and `topics`, which grow as the device tells of itself, within the bounds
    above: whoever may speak on the broker can say what he likes. `prefix` may have several levels.
    """

    def __init__(self, device: str, prefix: str = "homeassistant", names: Mapping[str, str] | None = None) -> None:
        self._device = device.casefold()
        self._prefix = prefix
        self._names = names or {}
        self._told: dict[str, Told] = {}
        self._turned_away: dict[str, int] = {}
        self._tasmota: Tasmota | None = None
        self._metrics: dict[str, Entity] = {}
        self._heard_by: dict[str, list[tuple[Entity, Source]]] = {}
        self._topics: frozenset[str] = frozenset()
        self._said: dict[str, str] = {}
        self._values: dict[tuple[str, str], Value | None] = {}
        self._pings: tuple[Ping, ...] = ()
        self._answered: set[tuple[str, str] | str] = set()

    @property
    def discovery(self) -> tuple[str, ...]:
        """The topics on which devices tell of themselves, as filters."""
        return (f"{self._prefix}/+/+/config", f"{self._prefix}/+/+/+/config", f"{DISCOVERY}/+/config")

    @property
    def topics(self) -> frozenset[str]:
        """Where this device speaks."""
        return self._topics

    @property
    def questions(self) -> tuple[Order, ...]:
        """What has the device tell its values now, for one that does not have the broker keep them."""
        return tuple(each for told in self._told.values() for each in told.questions)

    @property
    def known(self) -> bool:
        """Whether the device has told of itself."""
        return bool(self._told)

    @property
    def left_out(self) -> int:
        """Values that cannot be read here: of another kind, with a template that is a program, or beyond the bounds."""
        return sum(told.left_out for told in self._told.values()) + sum(self._turned_away.values())

    @property
    def available(self) -> bool | None:
        """Whether the device says that it is there; None while it has said nothing. All that tell must agree."""
        told = {each for group in self._told.values() for each in group.availability}
        said = {
            self._said[each.topic] == each.there
            for each in told
            if self._said.get(each.topic) in (each.there, each.gone)
        }
        return (not told or None) if not said else all(said)

    def receive(self, topic: str, payload: bytes, *, kept: bool = False) -> None:
        """Take one message, whatever it is. A discovery message that cannot be read changes nothing.

        `kept`: the broker had kept it, so that the device may have said it long ago.
        """
        if len(payload) > MAX_PAYLOAD or len(topic) > MAX_TOPIC:
            return
        text = payload.decode("utf-8", "replace")
        ours = topic.startswith(f"{self._prefix}/")
        levels = topic.removeprefix(f"{self._prefix}/").split("/")
        if ours and levels[-1] == "config" and len(levels) in (3, 4):
            self._discovered(levels[:-1], text)
        elif topic.startswith(f"{DISCOVERY}/"):
            self._tasmota_told(topic.removeprefix(f"{DISCOVERY}/"), text)
        elif topic in self._topics and len(payload) <= MAX_STATE:
            self._said.pop(topic, None)
            self._said[topic] = text
            told = {each.ident for each, source in self._heard_by.get(topic, ()) if self._hear(each, source, text)}
            self._answered |= set() if kept else {*told, topic}

    def values(self) -> Mapping[str, Value | None]:
        """Every metric; None while nothing was told of it, or what was told cannot be read."""
        return {metric: self._values.get(entity.ident) for metric, entity in self._metrics.items()}

    def order(self, metric: str, *, on: bool) -> Order | None:
        """How the switch of that metric is told; None if there is no such switch."""
        entity = self._metrics.get(metric)
        if entity is None or not entity.switch:
            return None
        return Order(entity.command, entity.on if on else entity.off)

    def begin(self) -> tuple[Order, ...]:
        """A switch is told now: what is asked after it, so that `obeyed` knows. What was said before does not count."""
        self._answered.clear()
        return tuple(each.question for each in self._pings)

    def obeyed(self, metric: str, *, on: bool) -> bool:
        """Whether the switch is as it was told, by what the device said since `begin`: of the switch, or, if that
        was so already, that it hears."""
        entity = self._metrics.get(metric)
        if entity is None or self._values.get(entity.ident) is not on:
            return False
        return not self._answered.isdisjoint({entity.ident, *(each.answered for each in self._pings)})

    def switches(self) -> tuple[str, ...]:
        return tuple(metric for metric, entity in self._metrics.items() if entity.switch)

    def _hear(self, entity: Entity, source: Source, text: str) -> bool:
        """Whether the value was told."""
        try:
            value = entity.read(source, text)
        except (ValueError, TypeError, OverflowError):
            value = None
        if value is not None or source.whole:
            self._values[entity.ident] = value
        return value is not None

    def _discovered(self, levels: list[str], text: str) -> None:
        if not text:
            self._keep("/".join(levels), None)
        elif told := mqtt_discovery.read(levels, text, self._device, self._names):
            self._keep("/".join(levels), told)

    def _tasmota_told(self, place: str, text: str) -> None:
        """One Tasmota is the device: the first that has its name, until that one withdraws it."""
        mac, _, part = place.partition("/")
        ours = self._tasmota is not None and self._tasmota.mac == mac
        if part == "config" and not text and ours:
            self._tasmota = None
            self._keep(_TASMOTA, None)
        elif part == "config" and (ours or self._tasmota is None):
            found = Tasmota.read(mac, text, self._device)
            if found is not None:
                self._tasmota = replace(found, sensors=self._tasmota.sensors) if self._tasmota else found
                self._keep(_TASMOTA, self._tasmota.told(self._names))
        elif part == "sensors" and self._tasmota is not None and ours:
            self._tasmota = self._tasmota.measuring(text)
            self._keep(_TASMOTA, self._tasmota.told(self._names))

    def _keep(self, key: str, told: Told | None) -> None:
        """What is told at one place, as far as there is room; None for nothing any more."""
        others = {name: each for name, each in self._told.items() if name != key}
        self._turned_away.pop(key, None)
        if told is None:
            self._told = others
        elif len(others) < MOST_ENTITIES:
            room = MOST_ENTITIES - sum(len(each.entities) for each in others.values())
            places = MOST_AVAILABILITY - len({each for other in others.values() for each in other.availability})
            self._told = {**others, key: told.within(room, places)}
        elif len(self._turned_away) < MOST_ENTITIES:
            self._turned_away[key] = len(told.entities) + told.left_out
        self._arrange()

    def _arrange(self) -> None:
        """Name all values anew, switches first: in whatever order they were told, each is called the same."""
        entities = [each for told in self._told.values() for each in told.entities]
        self._metrics = {}
        for entity in sorted(entities, key=lambda each: (not each.switch, each.ident)):
            self._metrics[numbered(entity.metric, self._metrics)] = entity
        self._heard_by = defaultdict(list)
        for entity in entities:
            for source in entity.sources:
                self._heard_by[source.topic].append((entity, source))
        told_at = {each.topic for told in self._told.values() for each in told.availability}
        sensors = {self._tasmota.sensors_topic} if self._tasmota else set()
        self._pings = tuple({each.ping for each in self._told.values() if each.ping})
        answers = {each.answered for each in self._pings}
        self._topics = frozenset({*self._heard_by, *told_at, *sensors, *answers} - {""})
        self._hear_again(entities)

    def _hear_again(self, entities: list[Entity]) -> None:
        """What was said before, for whoever listens only now; what was said in part alone is not said twice."""
        self._said = {topic: text for topic, text in self._said.items() if topic in self._topics}
        in_parts = {each.ident for each in entities if not all(source.whole for source in each.sources)}
        kept = self._values
        self._values = {ident: value for ident, value in kept.items() if ident in in_parts}
        for topic, text in self._said.items():
            for entity, source in self._heard_by.get(topic, ()):
                if entity.ident not in in_parts or entity.ident not in kept:
                    self._hear(entity, source, text)
