"""The fleet as it is now, in memory: devices with their values, judged. No I/O, no lock, no clock of its own."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from contract.model import Quality, Value, pattern_for
from controller.alerts.rules import (
    OF_THE_AGENT,
    Contact,
    DeviceState,
    Known,
    Memory,
    Reason,
    Verdict,
    heartbeat_s,
    judge,
    quality,
)
from controller.folding import fold
from controller.scope import Scope
from device_profiles.profile import DeviceProfile, Words


@dataclass(frozen=True, slots=True)
class SchoolRow:
    id: str
    name: str
    short: str


@dataclass(frozen=True, slots=True)
class RoomRow:
    id: int
    school_id: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    id: int
    school_id: str
    name: str
    presence: str
    since_ms: int
    heard_ms: int
    clock_offset_ms: int
    revoked: bool
    version: str = ""
    flooded_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DeclaredMetric:
    """Unit (UCUM) and kind of a metric or pattern, as the agent's inventory declares them."""

    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """`room_id` is where it stands: its own room, else its agent's."""

    id: int
    school_id: str
    agent_id: int
    room_id: int | None
    slug: str
    name: str
    profile_slug: str
    profile_digest: str
    identity: str
    bridge_state: str
    bridge_since_ms: int
    detail: str
    present: bool
    declared: Mapping[str, DeclaredMetric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The newest stored reading of a metric, times as stored: `at_ms` by the agent's clock, `received_ms` by ours."""

    device_id: int
    metric: str
    at_ms: int
    value: Value | None
    received_ms: int


@dataclass(frozen=True, slots=True)
class Roster:
    """What the database knows, of the whole cluster or (`agent_id` given when asked) of one agent."""

    schools: tuple[SchoolRow, ...]
    rooms: tuple[RoomRow, ...]
    agents: tuple[AgentRow, ...]
    devices: tuple[DeviceRow, ...]
    latest: tuple[LatestRow, ...]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device as a page shows it. `metric`, `unit` and `value` are its headline; `heard_ms` is 0 if never heard."""

    id: int
    slug: str
    name: str
    school_id: str
    school: str
    room_id: int | None
    room: str
    agent_id: int
    agent: str
    profile_slug: str
    state: DeviceState
    since_ms: int
    reasons: tuple[Reason, ...]
    heard_ms: int
    metric: str
    unit: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class ValueView:
    """A metric of a device with its newest value; `at_ms` is None if none has come. `label` None: no profile here.

    `at_ms` is by the agent's clock, `true_ms` the same moment by the controller's.
    """

    metric: str
    label: Words | None
    unit: str
    kind: str
    chart: bool
    at_ms: int | None
    value: Value | None
    quality: Quality
    true_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """One cause that somebody should look at, and the devices it touches (an agent out of reach takes all of its)."""

    state: DeviceState
    since_ms: int
    reason: Reason
    devices: tuple[DeviceView, ...]

    @property
    def by_agent(self) -> bool:
        return self.reason.code in OF_THE_AGENT


@dataclass(slots=True)
class Tile:
    """One device of the picture. Changed by Picture alone."""

    row: DeviceRow
    profile: DeviceProfile | None
    headline: str
    search: str
    order: tuple[str, str, str, int]
    values: dict[str, Known] = field(default_factory=dict)
    heard_ms: int = 0
    verdict: Verdict = field(default_factory=lambda: Verdict(DeviceState.OFFLINE))
    since_ms: int = 0
    judged: bool = False
    wake_ms: int | None = None

    @property
    def memory(self) -> Memory:
        return self.verdict.memory

    @property
    def value(self) -> Value | None:
        known = self.values.get(self.headline)
        return None if known is None else known.value


class Picture:
    """Knows every device. Takes rows and values in; `rejudge` says whose state, value or last signal changed."""

    def __init__(self, profile_for: Callable[[str], DeviceProfile | None]) -> None:
        self._profile_for = profile_for
        self.schools: dict[str, SchoolRow] = {}
        self.rooms: dict[int, RoomRow] = {}
        self.agents: dict[int, AgentRow] = {}
        self.tiles: dict[int, Tile] = {}
        self.broker = False
        self._listening_since_ms = 0
        self._dirty: set[int] = set()
        self._due: list[tuple[int, int]] = []

    # what comes in

    def replace(self, roster: Roster) -> None:
        """Take rows from the database: agents and devices in it are as it says; others stay."""
        schools = self.schools | {school.id: school for school in roster.schools}
        rooms = self.rooms | {room.id: room for room in roster.rooms}
        renamed = (schools, rooms) != (self.schools, self.rooms)
        self.schools, self.rooms = schools, rooms
        self.agents.update({agent.id: agent for agent in roster.agents})
        rows = {row.id: row for row in roster.devices}
        if renamed:  # order and search go by the names
            rows = {tile.row.id: tile.row for tile in self.tiles.values()} | rows
        for row in rows.values():
            tile = self.tiles.get(row.id)
            if tile is None or renamed or tile.row != row:
                self.tiles[row.id] = self._tile(row, tile)
            self._dirty.add(row.id)
        for latest in roster.latest:
            self.value(latest.device_id, latest.metric, latest.at_ms, latest.value, latest.received_ms)

    def value(self, device_id: int, metric: str, at_ms: int, value: Value | None, received_ms: int) -> None:
        """A committed reading. Older ones than the newest known are history and change nothing here."""
        tile = self.tiles.get(device_id)
        if tile is None:  # its inventory is on its way: the roster will bring the value along
            return
        known = tile.values.get(metric)
        if known is not None and at_ms < known.at_ms:
            return
        agent = self.agents.get(tile.row.agent_id)
        true_ms = min(at_ms - (agent.clock_offset_ms if agent else 0), received_ms)
        tile.values[metric] = Known(at_ms, value, true_ms)
        tile.heard_ms = max(tile.heard_ms, true_ms)
        self._dirty.add(device_id)

    def set_broker(self, connected: bool, now_ms: int) -> None:
        if connected and not self.broker:
            self._listening_since_ms = now_ms
        self.broker = connected
        self._dirty.update(self.tiles)

    def rejudge(self, now_ms: int) -> list[Tile]:
        """Judge what changed and what is due by the clock; the tiles that look different now."""
        while self._due and self._due[0][0] <= now_ms:
            wake_ms, device_id = heapq.heappop(self._due)
            if self.tiles[device_id].wake_ms == wake_ms:
                self.tiles[device_id].wake_ms = None
                self._dirty.add(device_id)
        changed = []
        for device_id in self._dirty:
            tile = self.tiles[device_id]
            verdict = judge(tile.profile, tile.values, self._contact(tile, now_ms), now_ms, tile.memory)
            if verdict.due_ms is not None and (tile.wake_ms is None or verdict.due_ms < tile.wake_ms):
                tile.wake_ms = max(verdict.due_ms, now_ms + 1)
                heapq.heappush(self._due, (tile.wake_ms, device_id))
            if verdict.state is not tile.verdict.state or not tile.judged:
                tile.since_ms = verdict.reasons[0].since_ms if verdict.reasons else now_ms
            tile.verdict = verdict
            tile.judged = True
            changed.append(tile)
        self._dirty.clear()
        return changed

    @property
    def waiting(self) -> int:
        """How many judgements the clock has in store."""
        return len(self._due)

    # what can be asked

    def select(self, scope: Scope) -> Iterator[Tile]:
        """The tiles in a scope, in the order of school, room and name."""
        inside = (tile for tile in self.tiles.values() if scope.covers(tile.row.school_id))
        return iter(sorted(inside, key=lambda tile: tile.order))

    def view(self, tile: Tile) -> DeviceView:
        row = tile.row
        school, agent = self.schools.get(row.school_id), self.agents.get(row.agent_id)
        room = self.rooms.get(row.room_id) if row.room_id is not None else None
        return DeviceView(
            id=row.id,
            slug=row.slug,
            name=row.name,
            school_id=row.school_id,
            school=school.name if school else row.school_id,
            room_id=row.room_id,
            room=room.name if room else "",
            agent_id=row.agent_id,
            agent=agent.name if agent else "",
            profile_slug=row.profile_slug,
            state=tile.verdict.state,
            since_ms=tile.since_ms,
            reasons=tile.verdict.reasons,
            heard_ms=tile.heard_ms,
            metric=tile.headline,
            unit=self.unit(tile, tile.headline),
            value=tile.value,
        )

    def values(self, tile: Tile, now_ms: int) -> list[ValueView]:
        """Every metric that has a value or is declared by name, in the profile's order."""
        declared = [name for name in tile.row.declared if "*" not in name]
        names = [*declared, *sorted(name for name in tile.values if name not in tile.row.declared)]
        order = list(tile.profile.metrics) if tile.profile else []
        place = {name: number for number, name in enumerate(order)}
        names.sort(key=lambda name: (place.get(pattern_for(name, order) or "", len(order)), name))
        return [self._value_view(tile, name, now_ms) for name in names]

    def quality(self, tile: Tile, metric: str, now_ms: int) -> Quality:
        known = tile.values.get(metric)
        if known is None:
            return Quality.BAD
        in_contact = self.broker and tile.verdict.state is not DeviceState.OFFLINE
        return quality(known, heartbeat_s(tile.profile, metric), now_ms, in_contact=in_contact)

    def unit(self, tile: Tile, metric: str) -> str:
        pattern = pattern_for(metric, tile.row.declared)
        return tile.row.declared[pattern].unit if pattern else "1"

    def attention(self, scope: Scope) -> list[Attention]:
        """What somebody should look at, most severe first, then the newest."""
        causes: dict[object, list[Tile]] = {}
        for tile in self.select(scope):
            if tile.verdict.state.exceptional and tile.verdict.reasons:
                shared = tile.verdict.reasons[0].code in OF_THE_AGENT
                causes.setdefault(("agent", tile.row.agent_id) if shared else tile.row.id, []).append(tile)
        found = [self._attention(tiles) for tiles in causes.values()]
        return sorted(found, key=lambda each: (each.state.severity, -each.since_ms))

    # how it is done

    def _attention(self, tiles: list[Tile]) -> Attention:
        first = tiles[0]
        views = tuple(self.view(tile) for tile in tiles)
        return Attention(first.verdict.state, first.since_ms, first.verdict.reasons[0], views)

    def _value_view(self, tile: Tile, name: str, now_ms: int) -> ValueView:
        known = tile.values.get(name)
        declared = tile.row.declared.get(pattern_for(name, tile.row.declared) or "")
        mine = tile.profile.metrics.get(pattern_for(name, tile.profile.metrics) or "") if tile.profile else None
        return ValueView(
            metric=name,
            label=mine.label if mine else None,
            unit=declared.unit if declared else "1",
            kind=declared.kind if declared else "",
            chart=mine.chart if mine else False,
            at_ms=known.at_ms if known else None,
            value=known.value if known else None,
            quality=self.quality(tile, name, now_ms),
            true_ms=known.true_ms if known else None,
        )

    def _contact(self, tile: Tile, now_ms: int) -> Contact:
        agent = self.agents.get(tile.row.agent_id)
        if agent is None:
            return Contact("", 0, tile.row.bridge_state, 0, present=False, heard_ms=tile.heard_ms)
        heard_ms = max(tile.heard_ms, self._listening_since_ms, agent.since_ms) if self.broker else now_ms
        since_ms = tile.row.bridge_since_ms
        return Contact(
            presence=agent.presence,
            presence_since_ms=agent.since_ms,
            bridge=tile.row.bridge_state,
            bridge_since_ms=max(0, since_ms - agent.clock_offset_ms) if since_ms else agent.since_ms,
            present=tile.row.present,
            heard_ms=heard_ms,
            detail=tile.row.detail,
            revoked=agent.revoked,
            flooded_ms=agent.flooded_ms,
        )

    def _tile(self, row: DeviceRow, before: Tile | None) -> Tile:
        profile = self._profile_for(row.profile_slug)
        school = self.schools[row.school_id].name if row.school_id in self.schools else row.school_id
        room = self.rooms[row.room_id].name if row.room_id in self.rooms else ""
        agent = self.agents[row.agent_id].name if row.agent_id in self.agents else ""
        tile = Tile(
            row,
            profile,
            _headline(row, profile),
            search=fold(f"{row.name} {row.slug} {row.profile_slug} {room} {school} {agent}"),
            order=(_sortable(school), _sortable(room or "\uffff"), _sortable(row.name), row.id),
        )
        if before is not None:
            tile.values, tile.heard_ms, tile.since_ms = before.values, before.heard_ms, before.since_ms
            tile.verdict, tile.judged, tile.wake_ms = before.verdict, before.judged, before.wake_ms
            if before.row.profile_digest != row.profile_digest:  # other rules: their memory means something else
                tile.verdict = Verdict(before.verdict.state, before.verdict.reasons)
        return tile


def _sortable(name: str) -> str:
    """Names in the order people expect: without marks, and 2 before 10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), fold(name))


def _headline(row: DeviceRow, profile: DeviceProfile | None) -> str:
    """The metric a tile shows: the profile's first chart that the agent has, else the first number it declares."""
    if profile is not None:
        for name, each in profile.metrics.items():
            if each.chart and "*" not in name and name in row.declared:
                return name
    for name, declared in row.declared.items():
        if declared.kind in ("int", "float") and "*" not in name:
            return name
    return ""


def search(tiles: Iterable[Tile], query: str) -> list[Tile]:
    """Those in which every word of `query` is found, without regard to marks and case."""
    words = fold(query).split()
    return [tile for tile in tiles if all(word in tile.search for word in words)]
