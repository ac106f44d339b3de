"""Calendar feeds: who may read which bookings by a secret address. Only a hash of the secret is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, func, insert, or_, select, update
from sqlmodel import Session

from controller.fleet.tables import Room, School
from controller.identity.policy import Permission, Principal, may
from controller.identity.store import audit, digest, new_secret, principal, user
from controller.identity.tables import User
from controller.scheduling import views
from controller.scheduling.booking_states import BookingState
from controller.scheduling.tables import CalendarFeed, Resource
from controller.scheduling.views import BookingView

_DAY_MS: Final = 86_400_000
KEPT_MS: Final = 30 * _DAY_MS
"""So long what is over stays in a feed, and that something was cancelled."""
AHEAD_MS: Final = 400 * _DAY_MS
MOST: Final = 20
"""Feeds of one person."""
TOUCH_MS: Final = 10 * 60_000
"""That a feed was read is written down at most so often: reading hardly writes."""
_OFF: Final = frozenset({BookingState.CANCELLED, BookingState.REFUSED, BookingState.EXPIRED})
_FEED: Table = CalendarFeed.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_ROOM: Table = Room.__table__  # type: ignore[attr-defined]
_SCHOOL: Table = School.__table__  # type: ignore[attr-defined]
_USER: Table = User.__table__  # type: ignore[attr-defined]


class FeedError(Exception):
    """Nothing was changed."""


class NoSuchFeed(FeedError):
    """There is none of that id, or no such room, for whom asks: look again (404)."""


class TooManyFeeds(FeedError):
    """Revoke one of the others first (409)."""


@dataclass(frozen=True, slots=True)
class FeedView:
    """A feed as its maker sees it. `room` is empty for the maker's own bookings; `read_ms` None: never yet."""

    id: int
    room: str
    created_ms: int
    read_ms: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a feed tells: the bookings of its maker `who`, or those of `room`. `schools` are names by id."""

    who: Principal
    room: str
    bookings: Sequence[BookingView]
    schools: Mapping[str, str]


class Feeds:
    """Safe to use from any thread and any process."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def of(self, who: Principal) -> Sequence[FeedView]:
        """Those of `who` that were not revoked, the newest first."""
        asked = (
            select(_FEED, _ROOM.c.name.label("room"))
            .outerjoin(_ROOM, _ROOM.c.id == _FEED.c.room_id)
            .where(_FEED.c.user_id == who.id, _FEED.c.revoked_ms.is_(None))
            .order_by(_FEED.c.id.desc())
        )
        with self._engine.connect() as connection:
            return [FeedView(row.id, row.room or "", row.created_ms, row.read_ms) for row in connection.execute(asked)]

    def make(self, who: Principal, room_id: int | None = None) -> str:
        """A new feed of one's own bookings, or of a room's; its secret, which nobody can be told again.

        Raises NoSuchFeed for a room that is not the asker's to look after, TooManyFeeds.
        """
        secret, now_ms = new_secret(), self._now_ms()
        with self._engine.begin() as connection:
            mine = select(func.count()).select_from(_FEED)
            mine = mine.where(_FEED.c.user_id == who.id, _FEED.c.revoked_ms.is_(None))
            if connection.execute(mine).scalar_one() >= MOST:
                raise TooManyFeeds(f"{MOST} feeds at the most")
            if room_id is not None and _room(connection, who, room_id) is None:
                raise NoSuchFeed(f"no room {room_id}")
            values = {
                "school_id": who.school_id,
                "user_id": who.id,
                "room_id": room_id,
                "secret_hash": digest(secret),
                "created_ms": now_ms,
            }
            feed_id = connection.execute(insert(_FEED).values(values).returning(_FEED.c.id)).scalar_one()
            self._audit(connection, "calendar-feed-make", who, feed_id, "" if room_id is None else f"room {room_id}")
        return secret

    def renew(self, who: Principal, feed_id: int) -> str:
        """Another secret for the same feed: the old address is dead. Raises NoSuchFeed."""
        secret = new_secret()
        values = {"secret_hash": digest(secret), "created_ms": self._now_ms(), "read_ms": None}
        self._change(who, feed_id, "calendar-feed-renew", values)
        return secret

    def revoke(self, who: Principal, feed_id: int) -> None:
        """Raises NoSuchFeed."""
        self._change(who, feed_id, "calendar-feed-revoke", {"revoked_ms": self._now_ms()})

    def read(self, secret: str) -> Reading | None:
        """What the feed of that secret tells now; None if there is none, or its maker may not see it any more."""
        with self._engine.connect() as connection:
            found = connection.execute(
                select(_FEED)
                .join(_USER, _USER.c.id == _FEED.c.user_id)
                .where(_FEED.c.secret_hash == digest(secret), _FEED.c.revoked_ms.is_(None), _USER.c.disabled.is_(False))
            ).one_or_none()
            reading = None if found is None else self._told(connection, found)
        if found is not None and reading is not None:
            self._touch(found.id)
        return reading

    def _told(self, connection: Connection, feed: Row[Any]) -> Reading | None:
        with Session(connection) as db:
            maker = user(db, feed.user_id)
            assert maker is not None  # noqa: S101 - a foreign key says so
            who = principal(maker)
        now_ms = self._now_ms()
        window = range(now_ms - KEPT_MS, now_ms + AHEAD_MS)
        room = None if feed.room_id is None else _room(connection, who, feed.room_id)
        if feed.room_id is None:
            bookings = views.of_holder(connection, who, window)
        elif room is not None:
            bookings = _of_room(connection, who, room, window)
        else:
            return None
        had = (each for each in bookings if each.state is not BookingState.WAITING)
        kept = [each for each in had if each.state not in _OFF or each.changed_ms >= window.start]
        schools = {row.id: row.name for row in connection.execute(select(_SCHOOL.c.id, _SCHOOL.c.name))}
        return Reading(who, "" if room is None else room.name, kept, schools)

    def _touch(self, feed_id: int) -> None:
        now_ms = self._now_ms()
        stale = or_(_FEED.c.read_ms.is_(None), _FEED.c.read_ms <= now_ms - TOUCH_MS)
        with self._engine.begin() as connection:
            connection.execute(update(_FEED).where(_FEED.c.id == feed_id, stale).values(read_ms=now_ms))

    def _change(self, who: Principal, feed_id: int, action: str, values: dict[str, object]) -> None:
        mine = (_FEED.c.id == feed_id, _FEED.c.user_id == who.id, _FEED.c.revoked_ms.is_(None))
        with self._engine.begin() as connection:
            if not connection.execute(update(_FEED).where(*mine).values(values)).rowcount:
                raise NoSuchFeed(f"no feed {feed_id}")
            self._audit(connection, action, who, feed_id)

    def _audit(self, connection: Connection, action: str, who: Principal, feed_id: int, detail: str = "") -> None:
        with Session(connection) as db:
            audit(
                db,
                self._now_ms(),
                action,
                actor=who.id,
                subject=str(feed_id),
                school_id=who.school_id,
                detail=detail,
            )
            db.flush()


def _room(connection: Connection, who: Principal, room_id: int) -> Row[Any] | None:
    """A room whose bookings `who` looks after."""
    found = connection.execute(select(_ROOM).where(_ROOM.c.id == room_id)).one_or_none()
    theirs = found is not None and who.scope.covers(found.school_id) and may(who, Permission.MANAGE_BOOKINGS)
    return found if theirs else None


def _of_room(connection: Connection, who: Principal, room: Row[Any], span_ms: range) -> Sequence[BookingView]:
    """Without a person's name or what somebody writes; which class it is, of the room's own school alone.

    What was cancelled has nothing of the room any more, and falls out.
    """
    things = connection.execute(select(_RESOURCE.c.id).where(_RESOURCE.c.room_id == room.id)).scalars().all()
    return [
        replace(
            each,
            title=each.title if each.school_id == room.school_id else "",
            things=tuple(had for had in each.things if had.room_id == room.id),
            holder="",
            purpose="",
        )
        for each in views.of_things(connection, who, things, span_ms)
    ]
