"""A printer that is booked now, was at work for half an hour of it, and whose agent has no lease book yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import Session

from controller.identity.store import user_by_login
from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item
from controller.scheduling.tables import Resource, UseSpan
from controller.scope import CLUSTER
from tests.integration.mqtt import eventually
from tests.integration.running import Running, Speaker, running, seed

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class InUse:
    controller: Running
    device: int
    booking: str


@contextmanager
def in_use(state: Path) -> Iterator[InUse]:
    """In the school An Phú, for the teacher `ha`."""
    cluster = seed(state)
    with running(state) as found, Speaker(cluster.agents["an-phu"], found.broker_port) as agent:
        agent.lists("printer")
        agent.reports("printer", 21.0)
        eventually(lambda: found.services.live.devices(CLUSTER), "the printer is there")
        device = found.services.live.devices(CLUSTER)[0].id
        yield InUse(found, device, _fill(found, device))


def _fill(found: Running, device: int) -> str:
    engine = found.services.engine
    monday_ms = _monday_ms()
    now_ms = wall_ms() // TICK_MS * TICK_MS
    start_ms = min(max(now_ms, monday_ms + _HOUR_MS), monday_ms + 7 * 24 * _HOUR_MS - _HOUR_MS)  # all in one week
    with Session(engine) as db:
        ha = user_by_login(db, "ha")
        assert ha is not None
        thing = Resource(school_id="an-phu", kind="unit", name="=3D-01", code="AAAA22", device_id=device, shared=True)
        db.add(thing)
        db.commit()
        asked = Request("an-phu", ha.id, ha.id, (Item(thing.id),), start_ms, start_ms + _HOUR_MS, title="8A1")
        bookings = Bookings(engine, wall_ms)
        booked = bookings.book(asked)
        bookings.advance(booked.id, BookingState.CHECKED_IN, by=ha.id)
        use = UseSpan(school_id="an-phu", device_id=device, from_ms=start_ms - _HOUR_MS // 2, booking_id=booked.id)
        use.until_ms = start_ms
        db.add(use)
        db.commit()
    found.services.clockwork.wake()
    eventually(lambda: found.services.leases.lease_states(booked.id), "the lease is granted")
    return booked.id


def _monday_ms() -> int:
    now = datetime.fromtimestamp(wall_ms() / 1000, ZONE)
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(monday.timestamp() * 1000)
