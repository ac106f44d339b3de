"""What the pages of fleet, room and a teacher's start show, as plain values. Templates see nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from contract.model import Value
from controller.alerts.rules import OF_THE_AGENT, DeviceState, Reason
from controller.fleet.live import LiveFleet, Selection
from controller.fleet.picture import Attention, DeviceView, RoomRow
from controller.scope import Scope
from controller.web import reason_words
from controller.web.formats import shown
from controller.web.i18n import Language, number
from controller.web.typography import tidy
from device_profiles.profile import Words

HEALTHY = (DeviceState.IN_USE, DeviceState.OK)
COUNTED = (DeviceState.FAULT, DeviceState.OFFLINE, DeviceState.WARNING)
"""What the head of a school counts."""


@dataclass(frozen=True, slots=True)
class TileView:
    """One device on a page. `why` says in words what is the matter, empty if nothing is."""

    id: int
    name: str
    state: str
    healthy: bool
    value: str
    unit: str
    agent: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class RoomGroup:
    """`id` is None for devices in no room. `cut_off` devices lost contact together with their agent."""

    id: int | None
    name: str
    tiles: tuple[TileView, ...]
    cut_off: int


@dataclass(frozen=True, slots=True)
class SchoolGroup:
    id: str
    name: str
    devices: int
    exceptions: tuple[tuple[str, int], ...]
    rooms: tuple[RoomGroup, ...]


@dataclass(frozen=True, slots=True)
class AttentionEntry:
    """One cause. `key` names it in the page, so that the focus stays on it when the list is renewed."""

    key: str
    state: str
    title: str
    where: str
    why: str
    since_ms: int
    href: str


@dataclass(frozen=True, slots=True)
class FleetPage:
    totals: str
    counts: tuple[tuple[str, int], ...]
    schools: tuple[SchoolGroup, ...]
    attention: tuple[AttentionEntry, ...]


@dataclass(frozen=True, slots=True)
class CutOff:
    """An agent without contact, and how many devices of the room went with it."""

    name: str
    devices: int


@dataclass(frozen=True, slots=True)
class RoomPage:
    id: int
    name: str
    school_name: str
    crumbs: tuple[tuple[str, str], ...]
    devices: int
    exceptions: tuple[tuple[str, int], ...]
    cut_off: tuple[CutOff, ...]
    troubled: tuple[TileView, ...]
    healthy: tuple[tuple[str, tuple[TileView, ...]], ...]

    @property
    def fine(self) -> bool:
        """Whether any device runs well."""
        return any(devices for _, devices in self.healthy)


@dataclass(frozen=True, slots=True)
class RoomEntry:
    id: int
    name: str
    devices: int
    worst: str
    summary: str


@dataclass(frozen=True, slots=True)
class MyPage:
    school_name: str
    rooms: tuple[RoomEntry, ...]
    next: str


STATE_WORDS = {
    DeviceState.FAULT: lambda language: language.t("Fault"),
    DeviceState.OFFLINE: lambda language: language.t("Offline"),
    DeviceState.WARNING: lambda language: language.t("Warning"),
    DeviceState.MAINTENANCE: lambda language: language.t("Maintenance"),
    DeviceState.PLANNED_OFF: lambda language: language.t("Off as planned"),
    DeviceState.IN_USE: lambda language: language.t("In use"),
    DeviceState.OK: lambda language: language.t("OK"),
}


def state_word(state: str, language: Language) -> str:
    """The glossary's word for a state."""
    return str(STATE_WORDS[DeviceState(state)](language))


def words(label: Words, language: Language) -> str:
    """A label of a profile or rule in the page's language."""
    return tidy(label.vi) if language.code == "vi" else label.en


def reason_text(reason: Reason, language: Language) -> str:
    """Why, in one line; what the agent added stands behind, in the reader's language where the words are ours."""
    text = words(reason.label, language)
    return f"{text}: {reason_words.said(reason.detail, language) or reason.detail}" if reason.detail else text


def value_text(value: Value | None, unit: str, language: Language) -> str:
    return str(shown(value, unit, language))


def tile_view(device: DeviceView, language: Language) -> TileView:
    return TileView(
        id=device.id,
        name=tidy(device.name),
        state=device.state.value,
        healthy=device.state in HEALTHY,
        value=value_text(device.value, device.unit, language),
        unit=device.unit,
        agent=device.agent_id,
        why="; ".join(reason_text(reason, language) for reason in device.reasons),
    )


def count_states(devices: Iterable[DeviceView], states: Sequence[DeviceState]) -> tuple[tuple[str, int], ...]:
    """How many devices are in each of `states`, those with none left out."""
    found = [device.state for device in devices]
    return tuple((state.value, found.count(state)) for state in states if state in found)


def cut_off(devices: Iterable[DeviceView]) -> list[CutOff]:
    """Agents that lost contact with more than one device: one cause, said once."""
    lost = [device for device in devices if device.reasons and device.reasons[0].code in OF_THE_AGENT]
    lost.sort(key=lambda device: (device.agent, device.agent_id))
    groups = [(agent, len(list(group))) for agent, group in groupby(lost, key=lambda device: device.agent)]
    return [CutOff(agent, count) for agent, count in groups if count > 1]


def fleet_page(live: LiveFleet, scope: Scope, language: Language) -> FleetPage:
    devices = live.devices(scope)
    schools = tuple(_school(list(group), language) for _, group in groupby(devices, key=lambda each: each.school_id))
    found = [device.state for device in devices]
    return FleetPage(
        totals=_totals(len(schools), sum(len(school.rooms) for school in schools), len(devices), language),
        counts=tuple((state.value, found.count(state)) for state in DeviceState),
        schools=schools,
        attention=attention(live, scope, language),
    )


def _totals(schools: int, rooms: int, devices: int, language: Language) -> str:
    parts = (
        language.tn("{n} school", "{n} schools", schools),
        language.tn("{n} room", "{n} rooms", rooms),
        language.tn("{n} device", "{n} devices", devices),
    )
    return "\u00a0· ".join(parts)


def _school(devices: list[DeviceView], language: Language) -> SchoolGroup:
    rooms = [list(group) for _, group in groupby(devices, key=lambda each: each.room_id)]
    return SchoolGroup(
        id=devices[0].school_id,
        name=tidy(devices[0].school),
        devices=len(devices),
        exceptions=count_states(devices, COUNTED),
        rooms=tuple(_room(room, language) for room in rooms),
    )


def _room(devices: list[DeviceView], language: Language) -> RoomGroup:
    return RoomGroup(
        id=devices[0].room_id,
        name=tidy(devices[0].room) or str(language.t("No room yet")),
        tiles=tuple(tile_view(device, language) for device in devices),
        cut_off=sum(each.devices for each in cut_off(devices)),
    )


def attention(live: LiveFleet, scope: Scope, language: Language) -> tuple[AttentionEntry, ...]:
    """The list of what needs attention, worst first, one entry a cause."""
    return tuple(_entry(each, language) for each in live.attention(scope))


def _entry(each: Attention, language: Language) -> AttentionEntry:
    first = each.devices[0]
    where = "\u00a0· ".join(tidy(part) for part in (first.room, first.school) if part)
    why = reason_text(each.reason, language)
    if not each.by_agent:
        return AttentionEntry(
            f"d{first.id}", each.state.value, tidy(first.name), where, why, each.since_ms, f"/devices/{first.id}"
        )
    count = language.tn("{n} device cut off", "{n} devices cut off", len(each.devices))
    return AttentionEntry(
        key=f"g{first.agent_id}",
        state=each.state.value,
        title=str(language.t("Agent {name}", name=first.agent)),
        where=where,
        why=f"{why}; {count}",
        since_ms=each.since_ms,
        href=f"/rooms/{first.room_id}" if first.room_id else f"/devices/{first.id}",
    )


def room_page(live: LiveFleet, scope: Scope, room: RoomRow, language: Language, *, fleet: bool) -> RoomPage:
    """A room without its plan: what needs attention first, healthy devices as chips."""
    devices = live.devices(scope, Selection(room_id=room.id))
    tiles = [tile_view(device, language) for device in devices]
    troubled = [tile for tile in tiles if not tile.healthy]
    troubled.sort(key=lambda tile: DeviceState(tile.state).severity)
    school = next((each.name for each in live.schools(scope) if each.id == room.school_id), room.school_id)
    return RoomPage(
        id=room.id,
        name=tidy(room.name),
        school_name=tidy(school),
        crumbs=crumbs(room.school_id, tidy(school), language, fleet=fleet),
        devices=len(devices),
        exceptions=count_states(devices, COUNTED),
        cut_off=tuple(cut_off(devices)),
        troubled=tuple(troubled),
        healthy=tuple((state.value, tuple(tile for tile in tiles if tile.state == state)) for state in HEALTHY),
    )


def crumbs(
    school_id: str, school: str, language: Language, *, fleet: bool, room: tuple[int | None, str] = (None, "")
) -> tuple[tuple[str, str], ...]:
    """The way back: of a technician through the fleet, of a teacher through the own school's rooms."""
    if fleet:
        path = [(str(language.t("Devices")), "/fleet"), (school, f"/fleet#school-{school_id}")]
    else:
        path = [(str(language.t("Rooms of the school")), "/my#rooms")]
    room_id, name = room
    if room_id is not None:
        path.append((name, f"/rooms/{room_id}"))
    return tuple(path)


def my_page(live: LiveFleet, scope: Scope, language: Language) -> MyPage:
    """A teacher's start: no booking yet, and the rooms of the school as the next step."""
    devices = live.devices(scope)
    rooms = tuple(
        _room_entry(room, [device for device in devices if device.room_id == room.id], language)
        for room in live.rooms(scope)
    )
    school = next((tidy(each.name) for each in live.schools(scope)), "")
    only = len(rooms) == 1
    return MyPage(school, rooms, f"/rooms/{rooms[0].id}" if only else "#rooms")


def _room_entry(room: RoomRow, devices: list[DeviceView], language: Language) -> RoomEntry:
    troubled = count_states(devices, COUNTED)
    summary = ", ".join(
        f"{number(n, language.code)}\u00a0{state_word(state, language).lower()}" for state, n in troubled
    )
    worst = min((device.state for device in devices), key=lambda state: state.severity, default=DeviceState.OK)
    text = summary or str(language.t("All machines are fine") if devices else language.t("No machine connected yet"))
    return RoomEntry(room.id, tidy(room.name), len(devices), worst.value, text)
