"""What carries deliveries, on both databases, its attempts in a test's hand: no way waits for another."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.notifications import store
from controller.notifications.carrier import AT_ONCE, Carrier, Custom
from controller.notifications.states import DeliveryState, Result
from controller.notifications.tables import Bulletin, Channel, Delivery
from controller.notifications.timing import FIRST_MS, GIVE_UP_MS, Quiet, due_ms
from tests.integration.mqtt import eventually
from tests.integration.notifying import DUC, HA, HERE, ZONE, Post

pytestmark = pytest.mark.integration
BACKLOG = 250
CLAIM_MS = 60_000


class Depot:
    """Channels with deliveries, and a carrier. What is tried at a channel in `stuck` hangs until `go`; `results` are
    the codes of the next attempts, else each comes through.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.clock = engine, Post(engine, folder).clock
        self.tried: list[tuple[int, int]] = []
        self.results: list[str] = []
        self.stuck: set[int] = set()
        self.go = threading.Event()
        with Session(engine) as db:
            news = Bulletin(at_ms=self.clock(), kind="booking-cancelled", key="k", spread_ms=0)
            db.add(news)
            db.commit()
            self._news = news.id or 0
        self.carrier = self.another()

    def another(self) -> Carrier:
        """A carrier as after a restart."""
        return Carrier(
            self.engine, store.QUEUE, Custom("test", CLAIM_MS), prepare=lambda: False, send=self._send,
            now_ms=self.clock, chance=lambda: 1.0,
        )  # fmt: skip

    def channel(self, *, result: str = "", paced_until_ms: int = 0) -> int:
        added = Channel(
            user_id=HA.id,
            kind="webhook",
            hint="",
            sealed="",
            created_ms=0,
            result=result,
            paced_until_ms=paced_until_ms,
        )
        with Session(self.engine) as db:
            db.add(added)
            db.commit()
            return added.id or 0

    def put(self, channel: int, number: int = 1, *, due_ms: int | None = None) -> list[int]:
        """So many deliveries; their ids."""
        now_ms = self.clock()
        due = now_ms if due_ms is None else due_ms
        added = [
            Delivery(
                bulletin_id=self._news, channel_id=channel, school_id=HERE, user_id=DUC.id, key="k",
                state=DeliveryState.WAITING, created_ms=now_ms, due_ms=due, expires_ms=due + GIVE_UP_MS,
            )
            for _ in range(number)
        ]  # fmt: skip
        with Session(self.engine) as db:
            db.add_all(added)
            db.commit()
            return [each.id or 0 for each in added]

    def of(self, channel: int) -> list[int]:
        """What was tried there, in its order."""
        return [delivery for way, delivery in self.tried if way == channel]

    def states(self, channel: int) -> list[str]:
        with Session(self.engine) as db:
            asked = select(Delivery).where(Delivery.channel_id == channel).order_by(col(Delivery.id))
            return [each.state for each in db.exec(asked)]

    def turn(self, later_ms: int = 0) -> None:
        self.clock.ms += later_ms
        self.carrier.turn()

    def _send(self, delivery_id: int) -> str:
        with Session(self.engine) as db:
            way = db.get_one(Delivery, delivery_id).channel_id
        self.tried.append((way, delivery_id))
        if way in self.stuck:
            assert self.go.wait(60)
        return self.results.pop(0) if self.results else Result.SENT


@pytest.fixture
def depot(either_database: Engine, tmp_path: Path) -> Iterator[Depot]:
    found = Depot(either_database, tmp_path)
    yield found
    found.go.set()
    found.carrier.stop()
    found.carrier.join()


def test_what_waits_for_one_channel_keeps_no_other_waiting(depot: Depot) -> None:
    """A night's news, and a channel that has used up its pace: the other's own is sent in the next turn."""
    full = depot.channel(paced_until_ms=depot.clock() + 365 * 24 * 3_600_000)
    night, free = depot.channel(), depot.channel()
    morning_ms = due_ms(depot.clock(), Quiet(0, 1_439), ZONE, None)
    depot.put(full, BACKLOG)
    depot.put(night, BACKLOG, due_ms=morning_ms)
    (first,) = depot.put(free)
    depot.turn()
    assert depot.tried == [(free, first)]
    (second,) = depot.put(free, due_ms=morning_ms + 1)
    depot.turn(morning_ms + 1 - depot.clock())
    assert depot.of(free) == [first, second]
    assert depot.of(full) == []


def test_an_attempt_that_hangs_holds_up_its_own_channel_alone(depot: Depot) -> None:
    dead, free = depot.channel(), depot.channel()
    depot.stuck.add(dead)
    (hangs, next_one), ours = depot.put(dead, 2), depot.put(free, 5)
    depot.carrier.start()
    eventually(lambda: len(depot.of(free)) == len(ours), "all of the other channel's")
    assert depot.of(free) == ours
    assert depot.of(dead) == [hangs]
    depot.go.set()
    eventually(lambda: depot.of(dead) == [hangs, next_one], "the rest of the channel's")


def test_however_many_receivers_are_dead_another_finds_a_place(depot: Depot) -> None:
    dead = [depot.channel(result=Result.TIMEOUT) for _ in range(2 * AT_ONCE)]
    depot.stuck.update(dead)
    for each in dead:
        depot.put(each, 3)
    free = depot.channel()
    ours = depot.put(free, 3)
    depot.carrier.start()
    eventually(lambda: depot.of(free) == ours, "the other channel's")
    assert len(depot.tried) - len(ours) < AT_ONCE


def test_those_that_fail_take_turns(depot: Depot) -> None:
    """None is tried again before each has been."""
    dead = [depot.channel(result=Result.UNREACHABLE) for _ in range(6)]
    for each in dead:
        depot.put(each, 4)
    depot.results = [Result.UNREACHABLE] * 24
    for _ in range(3):
        depot.turn(1)
    assert sorted(way for way, _ in depot.tried) == dead


def test_one_channels_news_goes_in_the_order_in_which_it_was_queued(depot: Depot) -> None:
    """What failed comes before what was queued after it, as soon as it may be tried again."""
    channel = depot.channel()
    one, two, three, four = depot.put(channel, 4)
    depot.results = [Result.SENT, Result.TIMEOUT, Result.SENT]
    for _ in range(3):
        depot.turn()
    depot.turn(FIRST_MS)
    depot.turn()
    assert depot.of(channel) == [one, two, three, two, four]
