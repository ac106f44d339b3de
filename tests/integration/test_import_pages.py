"""Importing over HTTP, with plain forms: look first, then all of what was shown or nothing."""

import html
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, select

from controller.identity.store import audit_lines
from controller.scheduling.booking_states import BookingState
from controller.scheduling.office import Asked
from controller.scheduling.tables import Booking, Resource
from controller.timetable.sheets import read, write_csv, write_xlsx
from controller.timetable.store import plans
from controller.web.security import MAX_SHEET
from tests.integration.bookable import HERE, THERE, Furnished, furnished, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration
BELL_HEAD = ("Năm học", "Giờ vào tiết", "Thứ", "Từ ngày", "Đến ngày", "Buổi", "Tiết", "Giờ vào", "Giờ ra")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("import")


@pytest.fixture(scope="module")
def lab(state: Path) -> Furnished:
    return furnished(state)


@pytest.fixture(scope="module")
def controller(state: Path, lab: Furnished) -> Iterator[Running]:
    with running(state) as one:
        yield one


@pytest.fixture(scope="module")
def lan(controller: Running) -> httpx.Client:
    """The coordinator, reading English."""
    browser = controller.signed_in("lan")
    browser.cookies.set("fabfleet_lang", "en")
    return browser


def send(
    browser: httpx.Client, kind: str, rows: Sequence[Sequence[str]] | bytes, name: str = "t.csv"
) -> httpx.Response:
    content = rows if isinstance(rows, bytes) else write_csv(rows)
    fields = {"csrf": csrf_of(browser), "kind": kind, "school": HERE}
    return browser.post("/import", data=fields, files={"file": (name, content)}, follow_redirects=True)


def apply(browser: httpx.Client, preview: httpx.Response) -> httpx.Response:
    """Press the button of a preview."""
    form = re.search(
        r'<form method="post" action="(/import/[^"]+)">.*?name="digest" value="(\w+)"', preview.text, re.DOTALL
    )
    assert form, preview.text
    return browser.post(html.unescape(form[1]), data={"csrf": csrf_of(browser), "digest": form[2]})


def sums(page: httpx.Response) -> list[int]:
    """Added, changed, unchanged, at fault."""
    return [int(each) for each in re.findall(r"<dd>(\d+)<small>", page.text)]


def year_of(lab: Furnished) -> str:
    """The school year of the days that the tests book."""
    day = school_day()
    return f"{day.year}–{day.year + 1}" if day.month >= 9 else f"{day.year - 1}–{day.year}"


def test_only_who_plans_imports(controller: Running, lan: httpx.Client) -> None:
    for login in ("ha", "ky"):
        browser = controller.signed_in(login)
        assert browser.get("/import").status_code == 403
        assert send(browser, "things", [("Phòng", "Tên")]).status_code == 403
    assert lan.get("/import").status_code == 200
    token = send(lan, "things", [("Phòng", "Tên"), ("P.1", "Máy")]).url.path
    assert controller.signed_in("tri").get(token).status_code == 404, "it is somebody else's file"


def test_a_form_from_elsewhere_and_a_file_too_large_are_turned_away(lan: httpx.Client) -> None:
    fields = {"kind": "things", "school": HERE}
    assert lan.post("/import", data=fields, files={"file": ("t.csv", b"a")}).status_code == 403
    assert lan.post("/import", data={**fields, "csrf": "forged"}, files={"file": ("t.csv", b"a")}).status_code == 403
    assert lan.post("/import", files={"file": ("t.csv", b"a" * MAX_SHEET)}).status_code == 413


def test_templates_are_read_by_the_page_that_gives_them(lan: httpx.Client) -> None:
    for kind in ("things", "calendar", "bells", "lessons"):
        for suffix in ("csv", "xlsx"):
            answer = lan.get(f"/import/templates/{kind}.{suffix}")
            assert answer.status_code == 200
            assert len(read(answer.content).rows) == 1
    assert lan.get("/import/templates/kind.csv").status_code == 404


def test_what_is_no_table_is_said_on_the_form(lan: httpx.Client) -> None:
    answer = send(lan, "bells", b"\x00\x01\x02", "photo.jpg")
    assert answer.status_code == 422
    assert "neither CSV nor Excel" in answer.text


def test_rooms_and_machines_are_looked_at_then_saved_and_the_same_file_changes_nothing(
    lan: httpx.Client, lab: Furnished
) -> None:
    rows = [
        ("Phòng", "Tên", "Loại", "Nhóm máy", "Mã nhãn", "Phút dọn dẹp", "Dùng chung", "Phút sạc"),
        ("Phòng An", "3D-01", "máy", "máy in 3D", "D2222A", "10", "có", ""),
        ("Xưởng mộc", "CNC mini", "máy", "máy CNC", "", "15", "không", ""),
        ("Xưởng mộc", "Kìm", "nhóm", "", "", "mười", "không", ""),
        ("Phòng An", "Lab", "nhóm", "", "R2222A", "", "", ""),
        ("Phòng An", "Máy tính bảng", "nhóm", "", "", "10", "không", "45"),
    ]
    preview = send(lan, "things", write_xlsx(rows), "máy.xlsx")
    assert sums(preview)[:2] + sums(preview)[3:] == [2, 2, 1], preview.text
    assert "Clean-up minutes: 5 → 10" in preview.text
    assert "Not a whole number." in preview.text
    with Session(lab.engine) as db:
        assert not db.exec(select(Resource).where(Resource.name == "CNC mini")).all(), "nothing is saved by looking"
    token = preview.url.path.rpartition("/")[2]
    at_fault = read(lan.get(f"/import/{token}/faults.csv").content)
    assert [each.cells[1] for each in at_fault.rows] == ["Kìm"]
    done = apply(lan, preview)
    assert done.status_code == 200, done.text
    with Session(lab.engine) as db:
        made = db.exec(select(Resource).where(Resource.name == "CNC mini")).one()
        assert (made.class_name, made.clean_up_min, made.school_id, made.room_id is not None) == ("cnc", 15, HERE, True)
        assert db.get_one(Resource, lab.things["3D-01"]).clean_up_min == 10
        assert db.get_one(Resource, lab.things["3D-01"]).watts == 350, "a column that is not there changes nothing"
        assert [each.subject for each in audit_lines(db) if each.action == "import"] == ["things"]
        tablets = db.exec(select(Resource).where(Resource.name == "Máy tính bảng")).one()
        assert (tablets.charge_min, tablets.clean_up_min) == (45, 10)
    again = send(lan, "things", write_xlsx(rows), "máy.xlsx")
    assert sums(again) == [0, 0, 4, 1]
    assert 'id="apply"' not in again.text
    assert lan.get(preview.url.path).status_code == 404, "what was applied is gone"


def test_what_is_not_in_the_file_goes_only_if_it_is_ticked_and_not_while_it_is_booked(
    lan: httpx.Client, lab: Furnished, controller: Running
) -> None:
    use = span(lab.engine, school_day(3), 1, 1)
    asked = Asked((lab.item("3D-03"),), use.start, use.stop, title="8A1")
    controller.services.office.book(lab.person("ha"), asked)
    rows = [("Room", "Name", "Label code"), ("Phòng An", "3D-01", "D2222A")]
    preview = send(lan, "things", rows)
    marks = dict(re.findall(r'name="drop" value="(\w+)".*?<span>([^<·]+) ·', preview.text))
    by_name = {name: mark for mark, name in marks.items()}
    ticked = lan.get(preview.url.path, params={"drop": [by_name["3D-02"], by_name["3D-03"]]})
    assert "1 booking ahead has it" in ticked.text
    assert apply(lan, ticked).status_code == 200
    with Session(lab.engine) as db:
        gone = {name: db.get_one(Resource, lab.things[name]).retired for name in ("3D-02", "3D-03", "Kit")}
    assert gone == {"3D-02": True, "3D-03": False, "Kit": False}


def test_bells_are_refused_when_they_changed_since_they_were_looked_at(lan: httpx.Client, lab: Furnished) -> None:
    year = year_of(lab)
    with Session(lab.engine) as db:
        plan = next(each for each in plans(db, HERE).values() if each.name == year)
    bells = plan.bells[0].bells
    days = (f"{bells.first:%d/%m/%Y}", f"{bells.last:%d/%m/%Y}")
    schedule = (year, plan.bells[0].name, "T2–T7", *days)
    first = [BELL_HEAD, (*schedule, "chiều", "6", "17h40", "18h25"), (*schedule, "chiều", "7", "18h65", "19h")]
    other = [BELL_HEAD, (*schedule, "chiều", "6", "17:30", "18:15")]
    preview = send(lan, "bells", first)
    assert sums(preview) == [1, 0, 0, 1]
    assert "Not a time of day" in preview.text
    assert apply(lan, send(lan, "bells", other)).status_code == 200
    refused = apply(lan, preview)
    assert refused.status_code == 409
    assert "Something has changed meanwhile" in refused.text
    assert "Begins: 17:30 → 17:40" in refused.text
    assert apply(lan, refused).status_code == 200
    assert sums(send(lan, "bells", first)) == [0, 0, 1, 1]


def test_a_holiday_tells_whose_bookings_fall_into_it(lan: httpx.Client, lab: Furnished, controller: Running) -> None:
    day = school_day(4)
    use = span(lab.engine, day, 2, 2)
    controller.services.office.book(lab.person("ha"), Asked((lab.item("Kit", 3),), use.start, use.stop, title="8A7"))
    head = ("School year", "Entry", "Name", "From", "To")
    preview = send(lan, "calendar", [head, (year_of(lab), "holiday", "Hội trường", f"{day:%d/%m/%Y}", "")])
    assert sums(preview) == [1, 0, 0, 0]
    assert "8A7" in preview.text
    with Session(lab.engine) as db:
        stored = next(each for each in plans(db, HERE).values() if each.name == year_of(lab))
    assert "Hội trường" not in [each.name for each in stored.holidays]


def test_a_timetable_becomes_bookings_date_by_date(lan: httpx.Client, lab: Furnished, controller: Running) -> None:
    day = school_day()
    taken = span(lab.engine, day + timedelta(days=7), 3, 4)
    asked = Asked((lab.item("3D-01"),), taken.start, taken.stop, title="9B")
    controller.services.office.book(lab.person("duc"), asked)
    until = day + timedelta(days=14)
    rows = [
        ("Từ ngày", "Đến ngày", "Tiết", "Lớp", "Giáo viên", "Máy", "Sĩ số"),
        (f"{day:%d/%m/%Y}", f"{until:%d/%m/%Y}", "3–4", "8A1", "ha", "3D-01", "30"),
        (f"{day:%d/%m/%Y}", "", "4", "8A2", "duc", "3D-01", "30"),
        (f"{day:%d/%m/%Y}", "", "1", "8A2", "nam", "3D-01", "30"),
    ]
    preview = send(lan, "lessons", rows)
    assert sums(preview) == [1, 0, 0, 2], preview.text
    assert "2 dates to book" in preview.text
    assert "Row 2 wants it at the same time." in preview.text
    assert "Nobody at the school has this login" in preview.text
    done = apply(lan, preview)
    assert "2 bookings were made" in done.text, done.text
    with Session(lab.engine) as db:
        made = db.exec(select(Booking).where(Booking.title == "8A1", Booking.head_count == 30)).all()
    ha = lab.person("ha").id
    assert [(each.holder, each.state, each.school_id) for each in made] == [(ha, BookingState.CONFIRMED, HERE)] * 2
    assert len({each.series_id for each in made}) == 1
    again = send(lan, "lessons", rows)
    assert sums(again) == [0, 0, 1, 2]
    assert 'id="apply"' not in again.text


def test_a_school_beyond_the_askers_scope_is_not_there(lan: httpx.Client) -> None:
    fields = {"csrf": csrf_of(lan), "kind": "things", "school": "nowhere"}
    assert lan.post("/import", data=fields, files={"file": ("t.csv", b"a")}).status_code == 404
    assert lan.get("/import", params={"school": THERE}).status_code == 200, "a coordinator of the whole cluster"
