"""What is put up in a lab: the labels of its machines, and the address of its board."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from controller.scheduling.views import ThingView
from controller.web.qr import qr_svg


@dataclass(frozen=True, slots=True)
class Label:
    """`address` is what the code leads to, as somebody would type it."""

    name: str
    place: str
    code: str
    address: str
    qr: Markup


@dataclass(frozen=True, slots=True)
class RoomEntry:
    id: int
    name: str
    current: bool


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """`made_ms` is when the board's address for screens was made, None if it has none; `address` is told once."""

    room_id: int
    made_ms: int | None
    address: str = ""


@dataclass(frozen=True, slots=True)
class LabelPage:
    """`only_here`: the addresses lead to the machine at which they are read, and to no other."""

    rooms: tuple[RoomEntry, ...]
    labels: tuple[Label, ...]
    board: BoardEntry | None
    only_here: bool


def label(thing: ThingView, base: str) -> Label:
    """`base` is our own address, with a slash at its end."""
    address = f"{base}c/{thing.code}"
    place = " · ".join(filter(None, (thing.room, thing.school)))
    return Label(thing.name, place, thing.code, address.partition("://")[2], qr_svg(address))


def rooms(things: Iterable[ThingView], chosen: int | None) -> Sequence[RoomEntry]:
    """Those in which something can be booked."""
    found = {each.room_id: f"{each.room} · {each.school}" for each in things if each.room_id is not None}
    return [RoomEntry(room_id, name, room_id == chosen) for room_id, name in found.items()]
