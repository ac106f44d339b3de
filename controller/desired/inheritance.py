"""Where a setting may be wanted, and which of them counts for an agent: the nearest. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contract.model import ContractError, Value, check_name


class Level(StrEnum):
    """From far to near."""

    CLUSTER = "cluster"
    SCHOOL = "school"
    ROOM = "room"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Place:
    """Where settings are wanted: `school` names it at that level, `id` the row of a room or an agent."""

    level: Level
    school: str = ""
    id: int = 0

    def __str__(self) -> str:
        """As it stands in tables and addresses: cluster, school-binh-minh, room-12, agent-7."""
        name = {Level.CLUSTER: "", Level.SCHOOL: f"-{self.school}"}.get(self.level, f"-{self.id}")
        return f"{self.level}{name}"


WHOLE_CLUSTER = Place(Level.CLUSTER)


def place_of(text: str) -> Place:
    """The other way of `str`. Raises ContractError for what names no place."""
    level, _, name = text.partition("-")
    if text == Level.CLUSTER:
        return WHOLE_CLUSTER
    if level == Level.SCHOOL:
        check_name(name, "school")
        return Place(Level.SCHOOL, name)
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else 0
    if level in (Level.ROOM, Level.AGENT) and number and str(number) == name:
        return Place(Level(level), id=number)
    raise ContractError(f"{text[:80]!r} is no place for settings")


@dataclass(frozen=True, slots=True)
class Origin:
    """A value that counts, and where it is wanted."""

    value: Value
    place: Place


def effective(layers: Iterable[tuple[Place, Mapping[str, Value]]]) -> Mapping[str, Origin]:
    """What counts, by key. `layers` go from far to near; the nearest that says anything of a key wins."""
    found: dict[str, Origin] = {}
    for place, settings in layers:
        found |= {key: Origin(value, place) for key, value in settings.items()}
    return dict(sorted(found.items()))
