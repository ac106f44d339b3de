"""Offers from the waitlist: what somebody lets go of is kept for who waits for it, in the same transaction.

A wish on the waitlist is a booking that has nothing yet, and an offer is the same booking with its claims. First comes
whose school holds the fewest periods of shared things in that week, then who began to wait first.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, select, update
from sqlmodel import Session

from controller.identity import store
from controller.identity.store import audit
from controller.scheduling import claims, facts
from controller.scheduling.booking_errors import NothingOfThatKind
from controller.scheduling.booking_states import BookingState
from controller.scheduling.claims import Hold, Occupied
from controller.scheduling.facts import Health
from controller.scheduling.holdings import assign
from controller.scheduling.notices import Kind, News, described, post
from controller.scheduling.request import Request
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.stock import Serving, Stock, items_of, read
from controller.scheduling.tables import Booking, Notice, Supervisor
from controller.scheduling.waiting import kept_until_ms
from controller.scheduling.wish import Wish

_DAY_MS: Final = 86_400_000
"""Nothing is set up or cleaned for longer."""
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_NOTICE: Table = Notice.__table__  # type: ignore[attr-defined]
_SUPERVISOR: Table = Supervisor.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A wish, and all that could serve it."""

    row: Row[Any]
    stock: Stock

    @property
    def use(self) -> range:
        return ticks(self.row.start_ms, self.row.end_ms)

    def wants(self, freed: Sequence[Hold]) -> bool:
        window = self.stock.window(self.use)
        return any(
            each.resource_id in self.stock.ids and each.ticks.start < window.stop and window.start < each.ticks.stop
            for each in freed
        )


@dataclass(frozen=True, slots=True)
class _Case:
    """A wish that nothing speaks against, and what would serve it. `rank` is its place in the order."""

    waiting: _Waiting
    wish: Wish
    rank: tuple[int, int, str]

    @property
    def span_ms(self) -> range:
        return range(self.waiting.row.start_ms, self.waiting.row.end_ms)


class Offers:
    """Safe to use from any thread. Every method works in the caller's transaction, which commits."""

    def __init__(self, zone: tzinfo, now_ms: Callable[[], int], health: Health) -> None:
        self._zone = zone
        self._now_ms = now_ms
        self._health = health

    def wanted(self, connection: Connection, freed: Sequence[Hold]) -> set[int]:
        """All that might serve those who wait for some of it: whoever lets go of it locks that as well."""
        return {id_ for each in self._waiting(connection, freed) for id_ in each.stock.ids}

    def make(self, connection: Connection, freed: Sequence[Hold], locked: Collection[int]) -> list[str]:
        """Offer it to the first whom it serves, and what is left to the next; the ids of what is offered.

        Raises Occupied if somebody waits for it whose things are not all `locked`.
        """
        waiting = self._waiting(connection, freed)
        if claims.others_write_meanwhile(connection) and not all(each.stock.ids <= set(locked) for each in waiting):
            raise Occupied("somebody began to wait for it at this moment")
        made: list[str] = []
        while waiting:
            served = self._first_served(connection, waiting)
            if served is None:
                break
            case, serving = served
            self._offer(connection, case.waiting.row, serving)
            made.append(str(case.waiting.row.id))
            waiting = [each for each in waiting if each is not case.waiting]
        return made

    def could_have(self, connection: Connection) -> list[list[Hold]]:
        """What those could have now who wait; each as if somebody let go of it."""
        found: list[list[Hold]] = []
        for each in self._waiting(connection, None):
            case = self._case(connection, each)
            serving = case and case.wish.had_by(case.span_ms)
            if serving:
                units = [Hold(unit.id, unit.held(each.use)) for unit in serving.units]
                found.append(units + [Hold(pool.pool, pool.held(each.use), pool.count) for pool in serving.counted])
        return found

    def _waiting(self, connection: Connection, freed: Sequence[Hold] | None) -> list[_Waiting]:
        """Those who wait for some of what is let go of, None: all; in the order in which they came."""
        now_ms = self._now_ms()
        asked = select(_BOOKING).where(_BOOKING.c.state == BookingState.WAITING, _BOOKING.c.hold_until_ms > now_ms)
        if freed is not None:
            first = min(each.ticks.start for each in freed) * TICK_MS
            last = max(each.ticks.stop for each in freed) * TICK_MS
            asked = asked.where(_BOOKING.c.end_ms > first - _DAY_MS, _BOOKING.c.start_ms < last + _DAY_MS)
        rows = connection.execute(asked.order_by(_BOOKING.c.created_ms, _BOOKING.c.id)).all()
        found = (_Waiting(row, stock) for row, stock in _stocked(connection, rows))
        return [each for each in found if freed is None or each.wants(freed)]

    def _first_served(self, connection: Connection, waiting: Sequence[_Waiting]) -> tuple[_Case, Serving] | None:
        cases = (self._case(connection, each) for each in waiting)
        for case in sorted((each for each in cases if each), key=lambda each: each.rank):
            serving = case.wish.had_by(case.span_ms)
            if serving is not None:
                return case, serving
        return None

    def _case(self, connection: Connection, waiting: _Waiting) -> _Case | None:
        """None if the rules are against it now, or its maker is gone."""
        row = waiting.row
        with Session(connection) as db:
            maker = store.user(db, row.by_id)
            if maker is None or maker.disabled:
                return None
            who = store.principal(maker)
        request = _request(connection, row)
        known = facts.read(connection, who, request, now_ms=self._now_ms(), zone=self._zone, health=self._health)
        wish = Wish(connection, request, known.facts)
        if wish.problems(request.span_ms):
            return None
        return _Case(waiting, wish, (wish.used(row.start_ms), row.created_ms, row.id))

    def _offer(self, connection: Connection, row: Row[Any], serving: Serving) -> None:
        now_ms = self._now_ms()
        until_ms = kept_until_ms(now_ms, row.start_ms)
        values = {"state": BookingState.OFFERED, "hold_until_ms": until_ms, "sequence": row.sequence + 1}
        mine = _BOOKING.c.id == row.id
        connection.execute(update(_BOOKING).where(mine).values({**values, "changed_ms": now_ms}))
        assign(connection, row.id, serving, ticks(row.start_ms, row.end_ms))
        audit(connection, now_ms, "booking-offered", subject=row.id, school_id=row.school_id)
        with Session(connection) as db:
            detail = {**described(db, db.get_one(Booking, row.id)), "until_ms": until_ms}
        post(connection, News(Kind.OFFER, row.id, row.school_id, row.holder, detail), now_ms)


def answered(connection: Connection, booking_id: str, now_ms: int) -> None:
    """The news of an offer was read: it is accepted, declined or over."""
    mine = (_NOTICE.c.subject == booking_id, _NOTICE.c.kind == Kind.OFFER, _NOTICE.c.seen_ms.is_(None))
    connection.execute(update(_NOTICE).where(*mine).values(seen_ms=now_ms))


def _stocked(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], Stock]]:
    """With all that could serve each; what wants things that are there no more has no chance."""
    for row in rows:
        try:
            yield row, read(connection, items_of(row.wanted), row.school_id)
        except NothingOfThatKind:
            continue


def _request(connection: Connection, row: Row[Any]) -> Request:
    named = select(_SUPERVISOR.c.user_id).where(_SUPERVISOR.c.booking_id == row.id)
    return Request(
        school_id=row.school_id,
        holder=row.holder,
        by_id=row.by_id,
        items=items_of(row.wanted),
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        kind=row.kind,
        title=row.title,
        head_count=row.head_count,
        supervisors=tuple(connection.execute(named.order_by(_SUPERVISOR.c.user_id)).scalars()),
    )
