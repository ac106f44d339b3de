"""Webhooks of a running controller: from what people do and machines say to what receivers get over HTTP."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session, select

from contract.messages import BridgeState
from controller.config import NoticesConfig
from controller.fleet.enrolment import Place, enrol
from controller.identity.admin import Admin
from controller.main import wall_ms
from controller.scheduling.tables import Resource
from controller.webhooks.kinds import CHOICES
from controller.webhooks.sender import CLAIM_MS
from controller.webhooks.tables import WebhookWatch
from tests.integration.bookable import HERE, THERE, Furnished, furnished, school_day, span
from tests.integration.hook_receiver import Receiver, Request, receiver
from tests.integration.mqtt import eventually
from tests.integration.running import Running, Speaker, csrf_of, running
from tests.integration.test_webhooks import checked
from tests.passwords import quick

pytestmark = pytest.mark.integration
BOOKING = ("booking.made", "booking.cancelled", "booking.checked-in")


@dataclass
class Clock:
    """The wall's, so much ahead."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


@dataclass
class Street:
    """Two schools, and a receiver that hears each of them at a path of its own."""

    running: Running
    made: Furnished
    end: Receiver
    clock: Clock
    secrets: dict[str, str] = field(default_factory=dict)
    programs: dict[str, httpx.Client] = field(default_factory=dict)

    def program(self, login: str) -> httpx.Client:
        """One with a token, as whom it does things."""
        if login not in self.programs:
            token = Admin(self.made.engine, quick(), self.clock).add_api_token(login, "test", None)
            self.programs[login] = self.running.bearer(token)
        return self.programs[login]

    def hook(self, school: str, path: str, kinds: Sequence[str]) -> None:
        told = {"url": f"{self.end.url}{path}", "kinds": list(kinds)}
        made = self.program("tri").post(f"/api/v1/schools/{school}/webhooks", json=told)
        assert made.status_code == 201, made.text
        self.secrets[path] = made.json()["secret"]

    def got(self, path: str) -> list[Request]:
        return [each for each in self.end.got if each.path == path]

    def told(self, path: str) -> list[dict[str, Any]]:
        """What was told there, each signature checked, each event once."""
        said = {each.headers["webhook-id"]: checked(each, self.secrets[path]) for each in self.got(path)}
        return list(said.values())

    def until_taken(self, school: str, kinds: Sequence[str], attempts: int) -> None:
        """Each of these deliveries, oldest first, at so many attempts. Meanwhile time flies.

        Not while an attempt is seen to be under way, and never by as much as its claim lasts: else it would be taken
        for one that a crash left half done, and made twice.
        """
        asked = f"/api/v1/schools/{school}/deliveries"
        wanted = [(each, "sent", attempts) for each in kinds]

        def taken() -> bool:
            items = self.program("tri").get(asked).json()["items"]
            if all(each["state"] != "sending" for each in items):
                self.clock.ahead_ms += CLAIM_MS // 2
            return [(each["kind"], each["state"], each["attempts"]) for each in reversed(items)] == wanted

        eventually(taken, f"{len(kinds)} deliveries are taken", 60)

    def book(self, login: str, thing: str, at: range) -> str:
        wanted = {"items": [{"resource": self.made.things[thing]}], "start_ms": at.start, "end_ms": at.stop}
        answer = self.program(login).post("/api/v1/bookings", json={**wanted, "title": "8A1"})
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    def check_in(self, login: str, thing: str) -> None:
        """As somebody who has read the machine's label."""
        with Session(self.made.engine) as db:
            code = db.get_one(Resource, self.made.things[thing]).code
        browser = self.running.signed_in(login)
        assert browser.post(f"/c/{code}", data={"csrf": csrf_of(browser)}).status_code == 303


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made, clock = furnished(tmp_path / "state"), Clock()
    with (
        receiver(tmp_path) as end,
        running(tmp_path / "state", now_ms=clock, notices=NoticesConfig(private_addresses=True)) as found,
    ):
        yield Street(found, made, end, clock)
    made.engine.dispose()


def test_a_booking_is_told_once_when_it_is_made_called_off_and_begun_and_to_its_school_alone(street: Street) -> None:
    """The receiver fails twice at each delivery. Of a thing that another school lends, that school is told as well."""
    street.hook(HERE, "/flaky", BOOKING)
    street.hook(THERE, "/ok", CHOICES)
    morning, later = (span(street.made.engine, school_day(each), 1, 2) for each in (0, 1))
    called_off = street.book("ha", "3D-01", later)
    assert street.program("ha").delete(f"/api/v1/bookings/{called_off}").status_code == 200
    begun = street.book("ha", "3D-01", morning)
    street.until_taken(HERE, ("booking.made", "booking.cancelled", "booking.made"), attempts=3)
    street.clock.ahead_ms = morning.start - wall_ms()
    street.check_in("ha", "3D-01")
    street.until_taken(HERE, ("booking.made", "booking.cancelled", "booking.made", "booking.checked-in"), attempts=3)
    assert len(street.got("/flaky")) == 12
    ha = street.made.person("ha").id
    assert [(each["kind"], each["data"]["booking"], each["data"]["holder"]) for each in street.told("/flaky")] == [
        ("booking.made", called_off, ha),
        ("booking.cancelled", called_off, ha),
        ("booking.made", begun, ha),
        ("booking.checked-in", begun, ha),
    ]
    assert street.got("/ok") == []

    lent = street.book("nam", "3D-02", span(street.made.engine, school_day(3), 1, 2))
    eventually(lambda: len(street.got("/ok")) == 1, "the school that books is told")
    eventually(lambda: len(street.got("/flaky")) == 13, "the school that lends is told")
    assert [each["data"]["holder"] for each in street.told("/ok")] == [street.made.person("nam").id]
    assert [(each["data"]["booking"], each["data"]["holder"]) for each in street.told("/flaky")[4:]] == [(lent, "")]


def test_a_machine_s_fault_is_told_by_the_thread_that_watches_and_to_its_school_alone(street: Street) -> None:
    agent = enrol(street.made.engine, Place(HERE, "p2", "", "", "P2"), "pc-9")
    street.running.services.plant.admit()
    for school, path in ((HERE, "/here"), (THERE, "/ok")):
        street.hook(school, path, CHOICES)

    def noted() -> bool:
        with Session(street.made.engine) as db:
            return any(row.value == "ok" for row in db.exec(select(WebhookWatch).where(WebhookWatch.school_id == HERE)))

    with Speaker(agent, street.running.broker_port) as speaker:
        speaker.lists("m1")
        speaker.reports("m1", 20.0)
        eventually(noted, "the machine is well, and that is noted")
        assert street.got("/here") == [], "it was well all the time"
        speaker.lists("m1", state=BridgeState.LOST)
        eventually(lambda: len(street.got("/here")) == 2, "it is told that it is lost")
        speaker.lists("m1")
        speaker.reports("m1", 20.0)
        eventually(lambda: len(street.got("/here")) == 4, "it is told that it is back")
    told = street.told("/here")
    assert Counter(each["kind"] for each in told) == {"device.state": 2, "incident.opened": 1, "incident.closed": 1}
    states = [each["data"] for each in told if each["kind"] == "device.state"]
    assert [(each["device"], each["before"], each["state"]) for each in states] == [
        ("m1", "ok", states[0]["state"]),
        ("m1", states[0]["state"], "ok"),
    ]
    opened, closed = (each["data"] for each in told if each["kind"].startswith("incident"))
    assert opened["cause"] == {"device": "m1", "agent": "pc-9"}
    assert opened["incident"] == closed["incident"]
    assert street.got("/ok") == []
