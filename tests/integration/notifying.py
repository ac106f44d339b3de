"""The parts that send notifications, on a real database, with the clock in a test's hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.config import NoticesConfig
from controller.fleet.tables import School
from controller.identity.policy import Principal, Role
from controller.identity.tables import User
from controller.notifications.bulletins import Word, enqueue
from controller.notifications.channels import ChannelKind
from controller.notifications.outlet import Message, Outlet
from controller.notifications.sealing import Seal
from controller.notifications.sender import Sender
from controller.notifications.settings import Notifications
from controller.notifications.tables import Bulletin, Channel, Delivery
from tests.integration.office import Clock

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HERE, THERE = "an-phu", "binh-minh"
HA = Principal("u-ha", "ha", "Hà", Role.TEACHER, HERE, "vi")
DUC = Principal("u-duc", "duc", "Đức", Role.TECHNICIAN, HERE, "en")
MINH = Principal("u-minh", "minh", "Minh", Role.TECHNICIAN, THERE)
TRI = Principal("u-tri", "tri", "Trí", Role.ADMINISTRATOR, None)


def compose(bulletin: Bulletin, who: Principal) -> Message | None:
    """What it is and who reads it; nothing of a bulletin about `nothing`."""
    return None if bulletin.subject == "nothing" else Message(f"{bulletin.kind} {bulletin.subject}", f"to {who.id}")


def make_sender(engine: Engine, outlet: Outlet, seal: Seal, now_ms: Callable[[], int]) -> Sender:
    return Sender(engine, outlet, seal, compose, zone=ZONE, keep_days=60, now_ms=now_ms, chance=lambda: 1.0)


class Post:
    """Everything that sends, and four people: `HA`, `DUC`, `MINH`, `TRI`."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.clock = Clock()
        self.seal = Seal(folder)
        self.outlet = Outlet(engine, self.seal, NoticesConfig(private_addresses=True), self.clock)
        self.settings = Notifications(engine, self.outlet, self.seal, self.clock)
        self.sender = self.another()
        with Session(engine) as db:
            db.add_all([School(id=HERE, name="An Phú"), School(id=THERE, name="Bình Minh")])
            db.commit()
            for who in (HA, DUC, MINH, TRI):
                db.add(
                    User(
                        id=who.id,
                        login=who.login,
                        name=who.name,
                        role=who.role,
                        school_id=who.school_id,
                        language=who.language,
                        password_hash="",
                        created_ms=0,
                    )
                )
            db.commit()

    def another(self) -> Sender:
        """A sender as after a restart."""
        return make_sender(self.engine, self.outlet, self.seal, self.clock)

    def channel(self, who: Principal, url: str) -> int:
        return self.settings.add(who, ChannelKind.WEBHOOK, {"url": url})

    def say(self, subject: str, who: Principal | None = HA, kind: str = "booking-cancelled", **more: Any) -> None:
        """Put news into the queue."""
        with self.engine.begin() as connection:
            enqueue(connection, Word(kind, subject, HERE, who.id if who else None, **more), self.clock())

    def turn(self, later_ms: int = 0) -> None:
        self.clock.ms += later_ms
        self.sender.turn()

    def deliveries(self) -> Sequence[Delivery]:
        with Session(self.engine) as db:
            return db.exec(select(Delivery).order_by(col(Delivery.id))).all()

    def states(self) -> list[tuple[str, str, int]]:
        """State, result and number of attempts of each delivery."""
        return [(each.state, each.result, each.attempts) for each in self.deliveries()]

    def stored(self, channel_id: int) -> Channel:
        with Session(self.engine) as db:
            return db.get_one(Channel, channel_id)
