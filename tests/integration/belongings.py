"""What belongs to a school, real and new for each request that names it: a row of each kind, by the kind's name."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import inspect
from sqlmodel import Session, SQLModel, col, select

from controller.commands.tables import StoredCommand
from controller.desired.tables import DesiredChange
from controller.fleet.door_tables import Arrival, Stand, Twin
from controller.fleet.tables import Agent, Device, Room, Series
from controller.found.states import FoundState
from controller.found.tables import FoundThing
from controller.identity import store
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.identity.tables import ApiToken, EnrolToken, User
from controller.jobs.states import JobState
from controller.jobs.tables import JobFile, PrintJob
from controller.main import wall_ms
from controller.notifications.sealing import Seal
from controller.notifications.states import DeliveryState
from controller.notifications.tables import Bulletin, Channel, Delivery
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.entries import WriteRoom
from controller.scheduling.kit_tables import KitHandout, KitLack
from controller.scheduling.stock import Item
from controller.scheduling.tables import CalendarFeed, Closure, HeldCertificate, Notice, Resource
from controller.services import Services
from controller.timetable.tables import Year
from controller.timetable.tray import Sent, Tray
from controller.webhooks.tables import Webhook, WebhookDelivery, WebhookEvent
from tests.integration.bookable import school_day, span
from tests.integration.running import PASSWORD

Table = TypeVar("Table", Room, Year, Agent)
HOUR_MS: Final = 3_600_000
PRINTER, BOARD, METRIC = "printer", "board", "brightness"
NOWHERE: Final = "https://127.0.0.1:9/"
"""No attempt is made at it: it lies inside."""


@dataclass(frozen=True)
class School:
    """A school, and who owns in it what belongs to a person."""

    services: Services
    admin: Admin
    id: str
    owner: str
    chief: str

    def furnish(self) -> None:
        """The devices, which the live fleet is to load; and where files of jobs come to lie."""
        (self.services.config.folder / "files").mkdir(exist_ok=True)
        with Session(self.services.engine) as db:
            agent = db.exec(select(Agent).where(Agent.school_id == self.id)).one()
            for slug, profile in ((PRINTER, "prusa/mk3s"), (BOARD, "demo/interactive-board")):
                db.add(
                    Device(
                        school_id=self.id, agent_id=agent.id or 0, slug=slug, name=slug, profile_slug=profile,
                        profile_digest="x",
                    )
                )  # fmt: skip
            db.commit()
        self.add(Series(school_id=self.id, device_id=self.device(BOARD), metric=METRIC, unit="%", kind="float"))

    def new(self, kind: str) -> str:
        """The id of one that nobody has asked for yet."""
        return MAKE[kind](self)

    def add(self, row: SQLModel) -> str:
        with Session(self.services.engine) as db:
            db.add(row)
            db.commit()
            return str(inspect(row).identity[0])  # each has a key of one column

    def first(self, table: type[Table]) -> int:
        with Session(self.services.engine) as db:
            found = db.exec(select(table).where(col(table.school_id) == self.id).order_by(col(table.id))).first()
            assert found is not None
            return found.id or 0

    @property
    def time(self) -> range:
        """When nothing is booked."""
        return span(self.services.engine, school_day(2), 1, 2, school=self.id)

    def login(self, person_id: str) -> str:
        with Session(self.services.engine) as db:
            return db.get_one(User, person_id).login

    def device(self, slug: str) -> int:
        with Session(self.services.engine) as db:
            asked = select(Device).where(Device.school_id == self.id, Device.slug == slug)
            return db.exec(asked).one().id or 0

    def book(self, resource_id: int, count: int = 1, *, requested: bool = False, now: bool = False) -> str:
        at = span(self.services.engine, school_day(), 1, 2, school=self.id)
        if now:
            begun = wall_ms() // 300_000 * 300_000
            at = range(begun, begun + HOUR_MS)
        until_ms = wall_ms() + HOUR_MS if requested else None
        request = Request(
            self.id, self.owner, self.owner, (Item(resource_id, count=count),), at.start, at.stop, title="8A1",
            hold_until_ms=until_ms,
        )  # fmt: skip
        return Bookings(self.services.engine, wall_ms).book(request).id

    def thing(self, kind: str = "unit", capacity: int = 1, room: int | None = None) -> Resource:
        """One that no other school may book."""
        code = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(6))
        thing = Resource(
            school_id=self.id, room_id=room or self.first(Room), name=code, code=code, kind=kind, capacity=capacity,
            class_name="saw",
        )  # fmt: skip
        self.add(thing)
        with Session(self.services.engine, expire_on_commit=False) as db:
            return db.exec(select(Resource).where(Resource.code == code)).one()


def _agent(at: School) -> str:
    return at.add(Agent(school_id=at.id, name=f"pc-{secrets.token_hex(4)}"))


def _arrival(at: School) -> str:
    now_ms, instance = wall_ms(), secrets.token_hex(32)
    agent = int(_agent(at))
    return at.add(
        Arrival(
            school_id=at.id, token_id="t", instance=instance, name=instance[:8], why="new-key", stand=Stand.WAITING,
            agent_id=agent, came_ms=now_ms, seen_ms=now_ms,
        )
    )  # fmt: skip


def _twin(at: School) -> str:
    agent = int(_agent(at))
    with Session(at.services.engine) as db:
        db.get_one(Agent, agent).doubled = True
        db.commit()
    return at.add(Twin(school_id=at.id, agent_id=agent, epoch=secrets.token_hex(8), seen_ms=wall_ms()))


def _enrol_token(at: School) -> str:
    now_ms = wall_ms()
    return at.add(
        EnrolToken(
            id=store.new_id(), token_hash=secrets.token_hex(32), school_id=at.id, uses_left=1, uses=1,
            created_ms=now_ms, expires_ms=now_ms + HOUR_MS,
        )
    )  # fmt: skip


def _person(at: School) -> str:
    login = f"p{secrets.token_hex(6)}"
    return at.admin.add_user(NewUser(login, login, Role.TEACHER, at.id), PASSWORD)


def _api_token(at: School) -> str:
    return at.add(
        ApiToken(
            id=store.new_id(), user_id=at.owner, name="mine", token_hash=secrets.token_hex(32), created_ms=wall_ms()
        )
    )


def _certificate(at: School) -> str:
    return at.add(
        HeldCertificate(school_id=at.id, user_id=at.owner, name=secrets.token_hex(6), issued_ms=0, by_id=at.owner)
    )


def _closure(at: School) -> str:
    day = school_day(3)
    return at.add(Closure(school_id=at.id, room_id=None, name="Cup", first=day, last=day))


def _command(at: School) -> str:
    device, now_ms = at.device(BOARD), wall_ms()
    return at.add(
        StoredCommand(
            id=store.new_id(), school_id=at.id, agent_id=at.first(Agent), device_id=device, action="power-on",
            by_id=at.owner, asked_ms=now_ms, expires_ms=now_ms + HOUR_MS, status="queued", status_ms=now_ms,
        )
    )  # fmt: skip


def _job(at: School) -> str:
    digest, now_ms = "ab" * 32, wall_ms()
    with Session(at.services.engine) as db:
        if db.get(JobFile, digest) is None:
            db.add(JobFile(digest=digest, size=1, created_ms=now_ms))
            db.commit()
    return at.add(
        PrintJob(
            school_id=at.id, device_id=at.device(PRINTER), digest=digest, file_name="a.gcode", by_id=at.owner,
            created_ms=now_ms, state=JobState.WAITING, state_ms=now_ms,
        )
    )  # fmt: skip


def _notice(at: School) -> str:
    return at.add(Notice(school_id=at.id, user_id=at.owner, at_ms=wall_ms(), kind="booking-moved"))


def _notice_of_school(at: School) -> str:
    return at.add(Notice(school_id=at.id, at_ms=wall_ms(), kind="problem", detail={"text": "x"}))


def _feed(at: School) -> str:
    return at.add(CalendarFeed(user_id=at.owner, secret_hash=secrets.token_hex(32), created_ms=wall_ms()))


def _channel(at: School) -> str:
    sealed = Seal(at.services.config.folder).close(json.dumps({"url": NOWHERE}))
    return at.add(Channel(user_id=at.owner, kind="webhook", hint="h", sealed=sealed, created_ms=wall_ms()))


def _webhook(at: School) -> str:
    sealed = Seal(at.services.config.folder).close(json.dumps({"url": NOWHERE, "secret": "whsec_" + 32 * "A"}))
    return at.add(
        Webhook(school_id=at.id, hint="h", sealed=sealed, kinds=["device.state"], by_id=at.owner, created_ms=wall_ms())
    )


def _delivery(at: School) -> str:
    now_ms, hook = wall_ms(), int(_webhook(at))
    event = int(at.add(WebhookEvent(uid=store.new_id(), school_id=at.id, kind="device.state", at_ms=now_ms)))
    return at.add(
        WebhookDelivery(
            event_id=event, webhook_id=hook, school_id=at.id, state=DeliveryState.FAILED, created_ms=now_ms,
            due_ms=now_ms, expires_ms=now_ms, attempts=1, result="http-500", ended_ms=now_ms,
        )
    )  # fmt: skip


def _change(at: School) -> str:
    place = f"room-{at.first(Room)}"
    return at.add(DesiredChange(place=place, school_id=at.id, at_ms=wall_ms(), by_id=at.owner, settings={}))


def _find(at: School, state: FoundState = FoundState.WAITING) -> str:
    now_ms, key = wall_ms(), f"usb/{secrets.token_hex(6)}"
    return at.add(
        FoundThing(
            school_id=at.id, agent_id=at.first(Agent), key=key, name="MK3S", identity=key, first_ms=now_ms,
            seen_ms=now_ms, state=state, slug=key[4:] if state is FoundState.ADOPTED else "",
            clues=[{"kind": "usb", "text": "2c99:0002"}],
            candidates=[{"profile": "prusa/mk3s", "endpoint": "/dev/ttyUSB0", "confidence": 90, "by": ["usb"]}],
        )
    )  # fmt: skip


def _pool(at: School) -> str:
    return str(at.thing("pool", 10).id)


def _handout(at: School) -> str:
    pool = int(_pool(at))
    return at.add(
        KitHandout(
            school_id=at.id, resource_id=pool, booking_id=at.book(pool, 2), kits=2, by_id=at.owner, at_ms=wall_ms()
        )
    )


def _lack(at: School) -> str:
    handout = int(_handout(at))
    with Session(at.services.engine) as db:
        pool = db.get_one(KitHandout, handout).resource_id
    return at.add(
        KitLack(
            school_id=at.id, resource_id=pool, handout_id=handout, part="", state="broken", kits=1, at_ms=wall_ms(),
            by_id=at.owner,
        )
    )  # fmt: skip


def _year(at: School) -> str:
    return at.add(Year(school_id=at.id, name=f"y{secrets.token_hex(4)}"))


def _sheet(at: School) -> str:
    tray = Tray(at.services.config.folder / "imports", wall_ms)
    return tray.put(Sent(at.chief, at.id, "lessons", "a.csv", b"a;b\n1;2\n"))


def _workshop(at: School) -> str:
    """A room in which a thing stands that no other school may book."""
    with Session(at.services.engine) as db:
        chief = store.principal(db.get_one(User, at.chief))
    (room,) = at.services.stocktaking.change(chief, [WriteRoom(at.id, f"Workshop {secrets.token_hex(3)}")])
    at.thing(room=room)
    return str(room)


def _failed(at: School) -> str:
    """A notification that was given up."""
    now_ms, channel = wall_ms(), int(_channel(at))
    news = Bulletin(school_id=at.id, at_ms=now_ms, kind="booking-cancelled", key="k", spread_ms=now_ms)
    return at.add(
        Delivery(
            bulletin_id=int(at.add(news)), channel_id=channel, school_id=at.id, user_id=at.owner, key="k",
            state=DeliveryState.FAILED, created_ms=now_ms, due_ms=now_ms, expires_ms=now_ms, ended_ms=now_ms,
        )
    )  # fmt: skip


def _code(at: School) -> str:
    """Of a machine that its owner has booked now."""
    thing = at.thing()
    at.book(thing.id or 0, now=True)
    return thing.code


MAKE: Final[Mapping[str, Callable[[School], str]]] = {
    "school": lambda at: at.id,
    "owner": lambda at: at.owner,
    "room": lambda at: str(at.first(Room)),
    "place": lambda at: f"room-{at.first(Room)}",
    "workshop": _workshop,
    "failed": _failed,
    "timetable": lambda at: str(at.first(Year)),
    "year": _year,
    "board": lambda at: str(at.device(BOARD)),
    "printer": lambda at: str(at.device(PRINTER)),
    "agent": _agent,
    "arrival": _arrival,
    "twin": _twin,
    "enrol-token": _enrol_token,
    "person": _person,
    "api-token": _api_token,
    "certificate": _certificate,
    "closure": _closure,
    "command": _command,
    "job": _job,
    "notice": _notice,
    "notice of the school": _notice_of_school,
    "feed": _feed,
    "channel": _channel,
    "webhook": _webhook,
    "delivery": _delivery,
    "change": _change,
    "find": _find,
    "ignored": lambda at: _find(at, FoundState.IGNORED),
    "adopted": lambda at: _find(at, FoundState.ADOPTED),
    "pool": _pool,
    "handout": _handout,
    "lack": _lack,
    "thing": lambda at: str(at.thing().id),
    "booking": lambda at: at.book(at.thing().id or 0),
    "request": lambda at: at.book(at.thing().id or 0, requested=True),
    "sheet": _sheet,
    "code": _code,
    "day": lambda _: school_day(1).isoformat(),
    "from": lambda at: str(at.time.start),
    "to": lambda at: str(at.time.stop),
}
"""By kind: makes a new one, or names one that stays."""
