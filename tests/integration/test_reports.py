"""What technicians read of use: a machine's bookings today with the right to use it, and the hours of all machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session

from controller.identity.store import user_by_login
from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item
from controller.scheduling.tables import Booking, Resource, UseSpan
from controller.scope import CLUSTER
from tests.integration.mqtt import eventually
from tests.integration.running import Running, Speaker, running, seed

pytestmark = pytest.mark.integration
HOUR = 3_600_000


@dataclass(frozen=True)
class Scene:
    controller: Running
    device: int
    booking: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A printer that is booked now, was at work for half an hour of it, and whose agent has no lease book yet."""
    state = tmp_path_factory.mktemp("state")
    cluster = seed(state)
    with running(state) as found, Speaker(cluster.agents["an-phu"], found.broker_port) as agent:
        agent.lists("printer")
        agent.reports("printer", 21.0)
        eventually(lambda: found.services.live.devices(CLUSTER), "the printer is there")
        device = found.services.live.devices(CLUSTER)[0].id
        yield Scene(found, device, _fill(found, device))


def _fill(found: Running, device: int) -> str:
    engine = found.services.engine
    start_ms = wall_ms() // TICK_MS * TICK_MS
    with Session(engine) as db:
        ha = user_by_login(db, "ha")
        assert ha is not None
        thing = Resource(school_id="an-phu", kind="unit", name="=3D-01", code="AAAA22", device_id=device, shared=True)
        db.add(thing)
        db.commit()
        asked = Request("an-phu", ha.id, ha.id, (Item(thing.id),), start_ms, start_ms + HOUR, title="8A1")
        bookings = Bookings(engine, wall_ms)
        booked = bookings.book(asked)
        bookings.advance(booked.id, BookingState.CHECKED_IN, by=ha.id)
        use = UseSpan(school_id="an-phu", device_id=device, from_ms=start_ms - HOUR // 2, booking_id=booked.id)
        use.until_ms = start_ms
        db.add(use)
        db.commit()
    found.services.clockwork.wake()
    eventually(lambda: found.services.leases.lease_states(booked.id), "the lease is granted")
    return booked.id


def test_technician_reads_on_a_machines_page_who_has_it_today_and_where_the_lease_is(scene: Scene) -> None:
    page = scene.controller.signed_in("ky").get(f"/devices/{scene.device}", headers={"accept-language": "vi"}).text
    card = page[page.index('id="bookings"') :]
    card = card[: card.index("</section>")]
    assert "8A1" in card
    assert "đã nhận máy lúc" in card
    assert "Quyền dùng máy: Đang chuyển đến máy" in card


def test_teacher_reads_who_has_it_but_not_of_leases(scene: Scene) -> None:
    page = scene.controller.signed_in("ha").get(f"/devices/{scene.device}?lang=en").text
    assert "Bookings today" in page
    assert "8A1" in page
    assert "Right to use" not in page


def test_report_has_the_hours_of_the_week_by_school_and_machine(scene: Scene) -> None:
    browser = scene.controller.signed_in("ky")
    for wanted in ("week", "last-week", "term"):
        answer = browser.get(f"/reports/use?range={wanted}&lang=en")
        assert answer.status_code == 200
    page = browser.get("/reports/use?lang=en").text
    assert "<h1>Use of the machines</h1>" in page
    assert page.count("=3D-01") == 1
    assert browser.get("/reports/use?range=decade").status_code == 422


def test_report_comes_as_csv_that_no_spreadsheet_takes_for_a_formula(scene: Scene) -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    with Session(scene.controller.services.engine) as db:
        begun = datetime.fromtimestamp(db.get_one(Booking, scene.booking).start_ms / 1000, zone)
    monday = (begun - timedelta(days=begun.weekday())).replace(hour=0, minute=0, second=0)
    if begun - monday < timedelta(hours=1):
        pytest.skip("the week has just begun: some of it was last week")
    answer = scene.controller.signed_in("ky").get("/reports/use.csv?lang=en")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, line = answer.text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    assert head == "School,Machine,Booked,Present,Machine working,No-shows"
    school, machine, booked, _present, working, missed = line.split(",")
    assert (machine, booked, working, missed) == ("'=3D-01", "1.00", "0.50", "0")
    assert school


def test_teachers_read_no_reports(scene: Scene) -> None:
    assert scene.controller.signed_in("ha").get("/reports/use").status_code == 403
