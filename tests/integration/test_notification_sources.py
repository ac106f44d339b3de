"""What commands, print jobs and time put into the queue of notifications, and how it reads."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.model import CommandStatus
from controller.commands.dispatcher import Dispatcher
from controller.identity.policy import Principal, Role
from controller.notifications.outlet import Message
from controller.notifications.tables import Bulletin
from controller.scheduling.office import Office as BookingOffice
from controller.web.news_words import NewsWords
from tests.integration import office as commands_office
from tests.integration import workshop
from tests.integration.office import PROJECTOR, TEACHER, TECHNICIAN, Office
from tests.integration.timekeeping import HA, Lab
from tests.integration.workshop import HOT, Workshop

pytestmark = pytest.mark.integration
C = CommandStatus


def told(engine: Engine) -> list[tuple[str, str | None]]:
    """Kind and reader of each piece of news."""
    with Session(engine) as db:
        return [(each.kind, each.user_id) for each in db.exec(select(Bulletin).order_by(col(Bulletin.id)))]


def read(parts: Office | Workshop, language: str) -> Message:
    """The last piece of news in words."""
    booking_office = BookingOffice(parts.engine, parts.live, ZoneInfo("Asia/Ho_Chi_Minh"), parts.clock, lambda: None)
    words = NewsWords(booking_office, parts.live, "https://fab.example.vn", parts.clock)
    with Session(parts.engine) as db:
        last = db.exec(select(Bulletin).order_by(col(Bulletin.id).desc())).first()
        assert last is not None
        found = words(last, Principal("u", "u", "U", Role.TEACHER, "an-phu", language))
    assert found is not None
    return found


def test_how_a_command_ended_is_news_for_who_gave_it(either_database: Engine) -> None:
    clock = commands_office.Clock()
    commands_office.fill(either_database, clock())
    office = Office(either_database, clock)
    done, failed, silent = (office.give(who=who) for who in (TECHNICIAN, TEACHER, TECHNICIAN))
    for command in (done, failed, silent):
        office.hear(command, C.ACCEPTED, C.RUNNING)
    assert told(office.engine) == []
    office.hear(done, C.DONE)
    office.hear(done, C.DONE)
    office.hear(failed, C.FAILED, detail="no contact")
    assert told(office.engine) == [("command-done", TECHNICIAN.id), ("command-failed", TEACHER.id)]
    message = read(office, "vi")
    assert message.title == f"Device {PROJECTOR}: lệnh “Bật máy”: Không thành công"
    assert message.body.endswith(f"Xem https://fab.example.vn/devices/{PROJECTOR}")


def test_a_command_that_is_given_up_is_news(either_database: Engine) -> None:
    clock = commands_office.Clock()
    commands_office.fill(either_database, clock())
    office = Office(either_database, clock)
    office.agent(presence="offline")
    office.give()
    clock.ms += 60 * 60_000
    dispatcher: Dispatcher = office.dispatcher
    dispatcher._turn()
    assert told(office.engine) == [("command-failed", TECHNICIAN.id)]
    assert "Expired" in read(office, "en").title


def test_how_a_print_job_ended_is_news_without_the_files_name(either_database: Engine, tmp_path: Path) -> None:
    clock = workshop.Clock()
    workshop.fill(either_database, clock())
    shop = Workshop(either_database, tmp_path / "files", clock)
    job_id = shop.printing()
    assert told(shop.engine) == [], "that its command was done is no news"
    shop.say(printing=False, job_result="done")
    shop.turn(job_id)
    assert told(shop.engine) == [("job-done", workshop.TEACHER.id)]
    message = read(shop, "vi")
    assert message.title.replace("\u00a0", " ") == f"Máy {workshop.PRINTER}: việc {job_id}: In xong"
    assert message.body == f"Xem https://fab.example.vn/jobs/{job_id}"
    shop.send(HOT, "cua-an.gcode")
    shop.read()
    assert told(shop.engine)[1:] == [("job-failed", workshop.TEACHER.id)]
    assert "cua-an" not in str(read(shop, "vi"))
    cancelled = shop.waiting()
    shop.jobs.cancel(workshop.TEACHER, cancelled)
    assert len(told(shop.engine)) == 2, "nobody is told of their own doing"


def test_a_holder_is_reminded_once_an_hour_before_and_hears_that_nobody_came(either_database: Engine) -> None:
    lab = Lab(either_database)
    lab.furnish()
    lab.book(begins=120)
    lab.book(things=(12,), begins=30)
    lab.turn()
    assert told(lab.engine) == []
    lab.later(61)
    lab.turn()
    lab.turn()
    reminders = [each for each in told(lab.engine) if each[0] == "booking-reminder"]
    assert reminders == [("booking-reminder", HA)]
    lab.later(120)
    lab.turn()
    assert told(lab.engine).count(("no-show", HA)) == 2


def test_a_request_is_news_for_those_of_its_school_and_of_its_things(either_database: Engine) -> None:
    lab = Lab(either_database)
    lab.furnish()
    lab.book(begins=120, school_id="binh-minh", hold_until_ms=lab.clock() + 3_600_000)
    with Session(lab.engine) as db:
        (found,) = db.exec(select(Bulletin)).all()
    assert (found.kind, found.user_id, found.by_id) == ("booking-requested", None, HA)
    assert found.school_ids == ["an-phu", "binh-minh"]
