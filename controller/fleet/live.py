"""The live fleet: listens to the ingest, judges by the clock, and keeps the frames that streams send.

Threads: the ingest's threads call the observer's methods, which only note what came. One thread calls `tick`, which
does the work. Pages and endpoints ask from any thread.
"""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.alerts.rules import DeviceState
from controller.fleet import frames, roster
from controller.fleet.frames import Channel
from controller.fleet.picture import (
    Attention,
    DeviceView,
    Picture,
    RoomRow,
    Roster,
    SchoolRow,
    Tile,
    ValueView,
    search,
)
from controller.ingest.observer import Fresh, Told
from controller.scope import Scope
from device_profiles.profile import DeviceProfile, ProfileError
from device_profiles.profile import load as load_profile

TICK_S = 0.25
K = TypeVar("K")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frame that tells everything, and the number of the channel's last frame that it includes."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is known of one device at one moment. `present`: its agent's last inventory has it."""

    view: DeviceView
    present: bool
    profile: DeviceProfile | None
    values: tuple[ValueView, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices of a scope are wanted. Empty fields do not limit."""

    school_id: str = ""
    room_id: int | None = None
    states: Collection[DeviceState] = ()
    query: str = ""

    def takes(self, tile: Tile) -> bool:
        """All but the query, which is asked of many at once."""
        return (
            (not self.school_id or tile.row.school_id == self.school_id)
            and (self.room_id is None or tile.row.room_id == self.room_id)
            and (not self.states or tile.verdict.state in self.states)
        )


EVERYTHING = Selection()


class LiveFleet:
    """Implements ingest.observer.Observer. What it tells is what is committed, also right after a start."""

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        profile_for: Callable[[str], DeviceProfile | None] | None = None,
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._picture = Picture(profile_for or profile_here)
        self._lock = threading.RLock()
        self._noted = threading.Lock()
        self._fresh: dict[tuple[int, str], tuple[Fresh, int]] = {}
        self._agents: set[int] = set()
        self._turns: dict[int, int] = {}
        self._broker = False
        self._storing = True
        self._ask_storing: Callable[[], bool] = lambda: True
        self._rows: dict[int, bytes] = {}
        self._scopes: dict[Scope, tuple[Channel, int]] = {}
        self._watched: dict[int, tuple[Channel, int]] = {}
        self._told: dict[int, bytes] = {}
        self._bodies: dict[Scope, bytes] = {}

    # observer

    def registry_changed(self, agent_id: int) -> None:
        with self._noted:
            self._agents.add(agent_id)

    def values_committed(self, values: Sequence[Fresh]) -> None:
        now = self._now_ms()
        with self._noted:
            for each in values:
                key = (each.device_id, each.metric)
                before = self._fresh.get(key)
                if before is None or before[0].at_ms <= each.at_ms:
                    self._fresh[key] = (each, now)

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        for each in outcomes:
            if each.moved:
                self.touch(each.device_id)

    def broker_connected(self, connected: bool) -> None:
        self._broker = connected

    def ask_storing(self, storing: Callable[[], bool]) -> None:
        """Ask this at each tick whether what agents say is written down."""
        self._ask_storing = storing

    def touch(self, device_id: int) -> None:
        """Something beside values changed at a device, a command or a job: pages that watch it ask again."""
        with self._noted:
            self._turns[device_id] = self._turns.get(device_id, 0) + 1

    # the clock's thread

    def load(self) -> None:
        """Take the whole fleet from the database. Raises SQLAlchemyError."""
        with self._lock:
            self._picture.replace(roster.load(self._engine))
        self.tick()

    def load_places(self) -> None:
        """Take schools and rooms anew: one was added, or has another name. Raises SQLAlchemyError."""
        places = roster.places(self._engine)
        with self._lock:
            self._picture.replace(places)
        self.tick()

    def tick(self) -> bool:
        """Take in what was noted, judge, and publish frames. Whether there is anything new to send."""
        now = self._now_ms()
        with self._noted:
            fresh, self._fresh = self._fresh, {}
            agents, self._agents = self._agents, set()
        rosters = self._load_agents(agents)
        with self._lock:
            for each in rosters:
                self._picture.replace(each)
            for reading, received_ms in fresh.values():
                self._picture.value(reading.device_id, reading.metric, reading.at_ms, reading.value, received_ms)
            storing = self._ask_storing()
            turned = (self._picture.broker, self._storing) != (self._broker, storing)
            if self._picture.broker != self._broker:
                self._picture.set_broker(self._broker, now)
            self._storing = storing
            changed = self._new_rows(self._picture.rejudge(now))
            published = self._publish_scopes(changed, now, turned=turned)
            return self._publish_devices(now) or published

    def _load_agents(self, agents: set[int]) -> list[Roster]:
        try:
            return [roster.load(self._engine, agent_id) for agent_id in sorted(agents)]
        except SQLAlchemyError as error:  # told again at the next tick: what is shown stays what was last known
            _log.warning("the registry cannot be read now: %s", type(error).__name__)
            with self._noted:
                self._agents |= agents
            return []

    def _new_rows(self, tiles: list[Tile]) -> list[Tile]:
        changed = []
        for tile in tiles:
            row = frames.row(tile.row.id, tile.verdict.state.value, tile.value, tile.heard_ms)
            if self._rows.get(tile.row.id) != row:
                self._rows[tile.row.id] = row
                changed.append(tile)
        return changed

    def _publish_scopes(self, changed: list[Tile], now: int, *, turned: bool) -> bool:
        if changed or turned:
            self._bodies.clear()
        published = False
        for scope, (channel, _) in self._scopes.items():
            rows = [self._rows[tile.row.id] for tile in changed if scope.covers(tile.row.school_id)]
            if rows or turned:
                broker, storing = (self._picture.broker, self._storing) if turned else (None, None)
                channel.publish(frames.devices("delta", now, rows, broker, storing), now)
                published = True
            elif now - channel.last_ms >= frames.BEAT_MS:
                channel.publish(frames.beat(now), now)
                published = True
        return published

    def _publish_devices(self, now: int) -> bool:
        published = False
        for device_id, (channel, _) in self._watched.items():
            told = self._device_frame(self._picture.tiles[device_id], now)
            if self._told.get(device_id) != told:
                self._told[device_id] = told
                channel.publish(told, now)
                published = True
        return published

    def _device_frame(self, tile: Tile, now: int) -> bytes:
        values = {
            metric: (known.at_ms, known.value, self._picture.quality(tile, metric, now).value)
            for metric, known in tile.values.items()
        }
        turn = self._turns.get(tile.row.id, 0)
        return frames.device(tile.row.id, tile.verdict.state.value, tile.heard_ms, values, turn)

    # streams

    def listen(self, scope: Scope, device_id: int | None = None) -> "Listener":
        """Begin to listen. Raises KeyError for a device that is not in the scope. Close what is returned."""
        with self._lock:
            if device_id is not None:
                tile = self._inside(scope, device_id)
                self._told.setdefault(device_id, self._device_frame(tile, self._now_ms()))
                self._watched[device_id] = _one_more(self._watched.get(device_id), self._now_ms())
            self._scopes[scope] = _one_more(self._scopes.get(scope), self._now_ms())
            watched = self._watched[device_id][0] if device_id is not None else None
            return Listener(self, scope, self._scopes[scope][0], device_id, watched)

    def forget(self, scope: Scope, device_id: int | None) -> None:
        """A listener has gone; its channels go with the last one."""
        with self._lock:
            _one_less(self._scopes, scope)
            if device_id is not None and _one_less(self._watched, device_id):
                self._told.pop(device_id, None)

    def snapshot(self, scope: Scope) -> Snapshot:
        """The whole scope, encoded once for all who ask before something changes."""
        with self._lock:
            body = self._bodies.get(scope)
            if body is None:
                tiles = (tile for tile in self._picture.tiles.values() if scope.covers(tile.row.school_id))
                body = b",".join(self._rows[tile.row.id] for tile in tiles if tile.judged)
                self._bodies[scope] = body
            number = self._scopes[scope][0].number if scope in self._scopes else 0
            told = self._picture.broker, self._storing
            return Snapshot(number, frames.devices("snapshot", self._now_ms(), (body,), *told))

    def device_frame(self, device_id: int) -> Snapshot:
        """All values of one device as one frame."""
        with self._lock:
            data = self._device_frame(self._picture.tiles[device_id], self._now_ms())
            number = self._watched[device_id][0].number if device_id in self._watched else 0
            return Snapshot(number, data)

    # pages and endpoints

    @property
    def storing(self) -> bool:
        """Whether what agents say is written down, as of the last tick. If not, they keep it."""
        return self._storing

    @property
    def broker(self) -> bool:
        """Whether the broker is reached, as of the last tick. If not, everything shown is what was last known."""
        return self._picture.broker

    def schools(self, scope: Scope) -> list[SchoolRow]:
        with self._lock:
            found = [school for school in self._picture.schools.values() if scope.covers(school.id)]
        return sorted(found, key=lambda school: school.name)

    def rooms(self, scope: Scope) -> list[RoomRow]:
        with self._lock:
            found = [room for room in self._picture.rooms.values() if scope.covers(room.school_id)]
        return sorted(found, key=lambda room: (room.school_id, room.name))

    def devices(self, scope: Scope, wanted: Selection = EVERYTHING) -> list[DeviceView]:
        """The devices of a scope, by school, room and name."""
        with self._lock:
            tiles = [tile for tile in self._picture.select(scope) if wanted.takes(tile)]
            return [self._picture.view(tile) for tile in search(tiles, wanted.query)]

    def device(self, scope: Scope, device_id: int) -> DeviceView:
        """One device. Raises KeyError if there is none of that id in the scope."""
        with self._lock:
            return self._picture.view(self._inside(scope, device_id))

    def values(self, scope: Scope, device_id: int) -> list[ValueView]:
        """All metrics of a device with their newest values. Raises KeyError as `device` does."""
        with self._lock:
            return self._picture.values(self._inside(scope, device_id), self._now_ms())

    def sheets(self, scope: Scope) -> list[Sheet]:
        """Every device of a scope with all that it tells, at one moment."""
        now = self._now_ms()
        with self._lock:
            return [
                Sheet(self._picture.view(tile), tile.row.present, tile.profile, tuple(self._picture.values(tile, now)))
                for tile in self._picture.tiles.values()
                if tile.judged and scope.covers(tile.row.school_id)
            ]

    def profile(self, scope: Scope, device_id: int) -> DeviceProfile | None:
        """The device's profile, None if this controller has no file of it. Raises KeyError as `device` does."""
        with self._lock:
            return self._inside(scope, device_id).profile

    def counts(self, scope: Scope) -> dict[DeviceState, int]:
        """How many devices are in each state, every state named, most severe first."""
        with self._lock:
            states = [tile.verdict.state for tile in self._picture.select(scope)]
        return {state: states.count(state) for state in DeviceState}

    def attention(self, scope: Scope) -> list[Attention]:
        """What somebody should look at, most severe first, one entry a cause."""
        with self._lock:
            return self._picture.attention(scope)

    def _inside(self, scope: Scope, device_id: int) -> Tile:
        tile = self._picture.tiles[device_id]
        if not scope.covers(tile.row.school_id):
            raise KeyError(device_id)
        return tile


class Listener:
    """One stream's place in the channels. Used by one task at a time."""

    def __init__(
        self, live: LiveFleet, scope: Scope, channel: Channel, device_id: int | None, watched: Channel | None
    ) -> None:
        self._live = live
        self._scope = scope
        self._channel = channel
        self._device_id = device_id
        self._watched = watched
        self._number: int | None = None
        self._device_number: int | None = None

    @property
    def behind(self) -> bool:
        """Whether `catch_up` is needed before `take`: at the beginning, or after falling behind."""
        return (
            self._number is None
            or self._channel.since(self._number) is None
            or (
                self._watched is not None
                and (self._device_number is None or self._watched.since(self._device_number) is None)
            )
        )

    def catch_up(self) -> bytes:
        """A snapshot, and all values of the device that is watched. May wait for a tick to end."""
        snapshot = self._live.snapshot(self._scope)
        self._number = snapshot.number
        if self._device_id is None:
            return snapshot.data
        device = self._live.device_frame(self._device_id)
        self._device_number = device.number
        return snapshot.data + device.data

    def take(self) -> bytes:
        """What came since; empty if nothing did. Never waits."""
        data = b""
        news = self._channel.since(self._number or 0)
        if news is not None:
            self._number, data = news
        if self._watched is not None:
            news = self._watched.since(self._device_number or 0)
            if news is not None:
                self._device_number = news[0]
                data += news[1]
        return data

    def close(self) -> None:
        self._live.forget(self._scope, self._device_id)


@lru_cache(maxsize=512)
def profile_here(slug: str) -> DeviceProfile | None:
    """The profile from this installation's files; None if it has none that is right."""
    try:
        return load_profile(slug)
    except ProfileError:
        return None


def _one_more(counted: tuple[Channel, int] | None, now_ms: int) -> tuple[Channel, int]:
    return (Channel(now_ms), 1) if counted is None else (counted[0], counted[1] + 1)


def _one_less(counted: dict[K, tuple[Channel, int]], key: K) -> bool:
    """Whether that was the last one."""
    channel, users = counted[key]
    if users > 1:
        counted[key] = (channel, users - 1)
        return False
    del counted[key]
    return True
