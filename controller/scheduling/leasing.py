"""Which leases bookings ask for, and how what is granted comes to be that. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

HORIZON_MS: Final = 72 * 3_600_000
"""A booking has its leases so long before it begins: for so long a machine honours bookings with the network down."""
MOST_LEASES: Final = 900
"""Of one agent, those that begin first: a book must fit into one message."""
Key: TypeAlias = tuple[str, int]
"""A booking and a device."""


@dataclass(frozen=True, slots=True)
class Need:
    """A booking wants `device_id` for `holder`, from setting up to the end of cleaning. As a lease, else."""

    booking_id: str
    device_id: int
    holder: str
    from_ms: int
    until_ms: int
    hazard: int = 0
    supervised: bool = False

    @property
    def key(self) -> Key:
        return self.booking_id, self.device_id

    @property
    def span_ms(self) -> range:
        return range(self.from_ms, self.until_ms)


@dataclass(frozen=True, slots=True)
class Given:
    """A lease that stands, by its `name`, and the need that it serves."""

    name: str
    need: Need


@dataclass(frozen=True, slots=True)
class Changes:
    """`begin` are new leases, `end` the names of those to take back; `amend` stay what they are, for somebody else."""

    begin: tuple[Need, ...] = ()
    amend: tuple[Given, ...] = ()
    end: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.begin or self.amend or self.end)


def changes(needs: Iterable[Need], given: Iterable[Given], most: int = MOST_LEASES) -> Changes:
    """What makes it one lease a need, for the `most` that begin first.

    A booking that was moved gets another lease. Whose it is and whether somebody stands by may change in mid-use, so
    that changes in place.
    """
    nearest = sorted(needs, key=lambda need: (need.from_ms, need.key))[:most]
    open_needs = {need.key: need for need in nearest}
    amend: list[Given] = []
    end: list[str] = []
    for each in given:
        need = open_needs.get(each.need.key)
        if need is None or need.span_ms != each.need.span_ms:
            end.append(each.name)
            continue
        del open_needs[need.key]
        if need != each.need:
            amend.append(Given(each.name, need))
    return Changes(tuple(open_needs.values()), tuple(amend), tuple(end))
