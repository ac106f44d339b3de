"""The pages of one's own bookings, as a plain browser without scripts uses them."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape

import httpx
import pytest
from sqlmodel import Session

from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.journal import Entry
from controller.scheduling.lost import Fate, LostBooking, tell
from controller.scheduling.notices import Kind
from controller.scheduling.office import Asked
from controller.scheduling.tables import Notice
from controller.scheduling.views import BookingView
from controller.timetable.store import years
from controller.timetable.tables import HolidayRow
from controller.web import picks
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration


class House:
    """A running controller with things to book, and people who book."""

    def __init__(self, running: Running, made: Furnished) -> None:
        self.running, self.made = running, made
        self.office = running.services.office
        self.tuesday = self._tuesday()

    def day(self, week: int, number: int = 0) -> date:
        """A Tuesday, or a day after it, that is followed by five weeks of lessons in its term."""
        return self.tuesday + timedelta(weeks=week, days=number)

    def at(self, week: int, first: int, last: int, day: int = 0) -> range:
        return span(self.made.engine, self.day(week, day), first, last)

    def _tuesday(self) -> date:
        tuesday = school_day()
        while not self._goes_on(tuesday):
            tuesday += timedelta(weeks=1)
        return tuesday

    def _goes_on(self, tuesday: date) -> bool:
        year = self.office.year(HERE, tuesday)
        days = [tuesday + timedelta(weeks=week, days=day) for week in range(6) for day in range(5)]
        return all(year.teaches(each) and year.term_of(each) is year.term_of(tuesday) for each in days)

    def book(self, thing: str, at: range, login: str = "ha", title: str = "8A1") -> BookingView:
        asked = Asked((self.made.item(thing),), at.start, at.stop, title=title)
        return self.office.book(self.made.person(login), asked)

    def mine(self, login: str = "ha") -> list[BookingView]:
        now_ms = wall_ms()
        found = self.office.mine(self.made.person(login), range(now_ms, now_ms + 400 * 86_400_000))
        return [each for each in found if each.state.holds]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("state")
    made = furnished(state)
    with running(state) as found:
        yield House(found, made)
    made.engine.dispose()


@pytest.fixture(scope="module")
def duc(house: House) -> httpx.Client:
    return house.running.signed_in("duc")


@pytest.fixture(scope="module")
def signed_in(house: House) -> httpx.Client:
    return house.running.signed_in("ha")


@pytest.fixture
def ha(house: House, signed_in: httpx.Client) -> Iterator[httpx.Client]:
    """Hà's browser; everybody's bookings are cancelled afterwards."""
    yield signed_in
    for login in ("ha", "duc", "nam"):
        for each in house.mine(login):
            house.office.cancel(house.made.person(login), each.id)


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def text(answer: httpx.Response) -> str:
    """What stands on a page, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text))).replace("\u00a0", " ")


def ticks(answer: httpx.Response) -> dict[str, str]:
    """The checkboxes of a sheet, and the form's key."""
    return dict(re.findall(r'<input type="(?:checkbox|hidden)" name="(pick-[^"]+|key)" value="([^"]*)"', answer.text))


def test_bookings_stand_by_day_with_what_is_the_matter_with_each(
    house: House, ha: httpx.Client, duc: httpx.Client
) -> None:
    assert "Chưa có lượt đặt" in text(ha.get("/my"))
    house.book("3D-01", house.at(0, 1, 2))
    asked = house.book("Laser", house.at(0, 3, 4))
    assert asked.state is BookingState.REQUESTED
    page = text(ha.get("/my"))
    assert re.search(r"Thứ Ba \d\d/\d\d Tiết 1–2 \d\d:\d\d–\d\d:\d\d 3D-01 8A1 · Phòng An Đã xác nhận", page)
    assert re.search(r"Tiết 3–4 .* Laser 8A1 · Phòng An Chờ duyệt đến \d\d:\d\d, \d\d/\d\d", page)
    assert "Phòng của trường" in page
    assert "3D-01" not in text(duc.get("/my"))


def test_a_booking_is_moved_to_another_time_of_a_day(house: House, ha: httpx.Client) -> None:
    booking, there = house.book("3D-01", house.at(0, 1, 2)), house.at(0, 3, 4, day=1)
    sheet = ha.get(f"/my/{booking.id}/move", params={"day": house.day(0, 1).isoformat()})
    assert f'value="{picks.written(there)}"' in sheet.text
    answer = post(ha, f"/my/{booking.id}/move", to=picks.written(there))
    assert (answer.status_code, answer.headers["location"]) == (303, "/my?done=moved")
    (found,) = house.mine()
    assert (found.id, found.span_ms) == (booking.id, there)


def test_who_loses_the_race_gets_three_others_and_keeps_what_they_had(house: House, ha: httpx.Client) -> None:
    booking, there = house.book("3D-01", house.at(0, 1, 2)), house.at(0, 3, 4)
    house.book("3D-01", there, "nam", "10A1")
    lost = post(ha, f"/my/{booking.id}/move", to=picks.written(there))
    assert lost.status_code == 409
    assert "Tiết này vừa có người đặt" in text(lost)
    assert "THPT Bình Minh" in text(lost)
    assert "10A1" not in text(lost)
    offers = re.findall(r'name="to" value="([^"]+)"[^>]*>\s*<span class="k">', lost.text)
    assert len(offers) == 3
    assert [each.span_ms for each in house.mine()] == [booking.span_ms]

    other_unit = next(each for each in offers if picks.read(each)[1])
    key = re.findall(r'name="key" value="([^"]+)"', lost.text)[0]
    for _ in range(2):  # a double click is one booking
        assert post(ha, f"/my/{booking.id}/move", to=other_unit, key=key).status_code == 303
    (found,) = house.mine()
    assert found.span_ms == there
    assert [each.resource_id for each in found.things] == [picks.read(other_unit)[1][0].resource_id]
    assert found.title == "8A1"


def test_what_the_rules_are_against_is_said_and_nothing_changes(house: House, ha: httpx.Client) -> None:
    booking = house.book("3D-01", house.at(0, 1, 2))
    past = range(booking.start_ms - 60 * 86_400_000, booking.end_ms - 60 * 86_400_000)
    refused = post(ha, f"/my/{booking.id}/move", to=picks.written(past))
    assert refused.status_code == 422
    assert "Chưa có gì thay đổi" in text(refused)
    assert [each.span_ms for each in house.mine()] == [booking.span_ms]
    assert post(ha, f"/my/{booking.id}/move", to="tomorrow").status_code == 422


def test_a_booking_is_cancelled_once(house: House, ha: httpx.Client) -> None:
    booking = house.book("3D-01", house.at(0, 1, 2))
    assert "Máy trống ngay cho người khác" in text(ha.get(f"/my/{booking.id}/cancel"))
    assert post(ha, f"/my/{booking.id}/cancel").headers["location"] == "/my?done=cancelled"
    assert house.mine() == []
    again = post(ha, f"/my/{booking.id}/cancel")
    assert again.status_code == 409
    assert "Lượt đặt này đã kết thúc" in text(again)


def test_nobody_else_sees_or_changes_it(house: House, ha: httpx.Client) -> None:
    booking = house.book("3D-01", house.at(0, 1, 2))
    for login, status in (("duc", 403), ("nam", 404)):
        browser = house.running.signed_in(login)
        assert browser.get(f"/my/{booking.id}/move").status_code == status
        assert post(browser, f"/my/{booking.id}/cancel").status_code == status
    assert [each.id for each in house.mine()] == [booking.id]
    assert ha.post(f"/my/{booking.id}/cancel").status_code == 403  # no token


def test_a_slot_is_repeated_on_exactly_the_dates_that_are_ticked(house: House, ha: httpx.Client) -> None:
    """Each date has its verdict; a taken one offers another machine; what is lost meanwhile is told."""
    booking = house.book("3D-01", house.at(0, 1, 2))
    house.book("3D-01", house.at(1, 1, 2), "nam", "10A1")
    assert ha.get("/my", params={"again": booking.id}).headers["location"] == f"/my/{booking.id}/again"
    sheet = ha.get(f"/my/{booking.id}/again")
    found = ticks(sheet)
    days = [house.day(each) for each in range(1, 4)]
    fields = [f"pick-{each}" for each in days]
    assert "Trùng" in text(sheet)
    assert "THPT Bình Minh" in text(sheet)
    assert [bool(picks.read(found[each])[1]) for each in fields[:2]] == [True, False]

    house.book("3D-01", house.at(3, 1, 2), "nam", "10A1")  # meanwhile
    result = post(
        ha, f"/my/{booking.id}/again", key=found["key"], **{each: found[each] for each in (fields[0], fields[2])}
    )
    assert result.status_code == 200
    assert "Đã đặt 1 ngày" in text(result)
    assert "Có ngày chưa đặt được" in text(result)
    mine = house.mine()
    assert [each.start_ms for each in mine] == [booking.start_ms, house.at(1, 1, 2).start]
    assert [each.name for each in mine[1].things] != ["3D-01"]
    assert fields[2] in ticks(result)
    assert fields[1] not in ticks(result)


def test_a_series_ends_with_the_term_skips_every_other_week_or_is_one_date(house: House, ha: httpx.Client) -> None:
    booking = house.book("3D-01", house.at(0, 1, 2))
    term = house.office.year(HERE, house.tuesday).term_of(house.tuesday)
    assert term is not None

    def days(until: str) -> list[str]:
        sheet = ha.get(f"/my/{booking.id}/again", params={"until": until})
        return re.findall(r'<th scope="row">([^<]+)</th>', sheet.text)

    weeks = (term.last - house.tuesday).days // 7
    assert len(days("term")) == weeks
    assert len(days("next")) == 1
    assert len(days("alternate")) < weeks


def test_a_date_without_lessons_is_named_and_left_out(house: House, ha: httpx.Client) -> None:
    booking, day = house.book("3D-01", house.at(0, 1, 2)), house.day(5)
    with Session(house.made.engine) as db:
        for year in years(db, HERE):
            db.add(HolidayRow(school_id=HERE, year_id=year.id or 0, name="Hội khỏe", first=day, last=day))
        db.commit()
    sheet = ha.get(f"/my/{booking.id}/again")
    assert "Nghỉ Hội khỏe Bỏ qua ngày này" in text(sheet)
    assert f"pick-{day}" not in ticks(sheet)
    assert f"pick-{house.day(4)}" in ticks(sheet)


def test_notices_are_told_until_they_are_put_away(house: House, ha: httpx.Client, duc: httpx.Client) -> None:
    booking = house.book("3D-01", house.at(0, 3, 4))
    was, who = house.at(0, 1, 2), house.made.person("ha")
    details: list[tuple[Kind, dict[str, object]]] = [
        (Kind.MOVED, {"start_ms": was.start, "end_ms": was.stop, "reason": "maintenance"}),
        (Kind.SUBSTITUTE, {"by": "Person duc", "thing": "3D-01"}),
        (Kind.NO_SHOW, {}),
    ]
    with Session(house.made.engine) as db:
        for kind, detail in details:
            db.add(
                Notice(school_id=HERE, user_id=who.id, at_ms=wall_ms(), kind=kind, subject=booking.id, detail=detail)
            )
        db.commit()
    page = text(ha.get("/my"))
    assert re.search(r"3D-01: đã chuyển sang tiết 3–4 \(.*?\), Thứ Ba \d\d/\d\d Lúc đó máy bảo trì\.", page)
    assert "Person duc dạy thay: 3D-01, tiết 3–4" in page
    assert "Lượt vắng: 3D-01, tiết 3–4" in page
    assert re.search(r"Đã chuyển từ tiết 1–2 \([\d:–]+\), Thứ Ba \d\d/\d\d \(máy bảo trì\)", page)
    assert "dạy thay" not in text(duc.get("/my"))
    for path in re.findall(r'action="(/my/notices/\d+/seen)"', ha.get("/my").text):
        assert post(duc, path).status_code == 404
        assert "Đã xem" in text(ha.get("/my"))
        assert post(ha, path).status_code == 303
    assert "Đã xem" not in text(ha.get("/my"))
    assert "(máy bảo trì)" in text(ha.get("/my"))


def test_lost_booking_is_told_to_who_made_it_and_to_the_technicians(house: House, ha: httpx.Client) -> None:
    was, who = house.at(0, 1, 2), house.made.person("ha")
    entry = Entry("gone", HERE, who.id, "confirmed", was.start, was.stop, ("3D-01",), "8A1", changed_ms=1, kept=True)
    with Session(house.made.engine) as db:
        tell(db, [LostBooking(entry, Fate.LOST)], wall_ms())
        db.commit()
    told = r"Không có trong bản sao lưu vừa khôi phục: 3D-01, tiết 1–2 \(.*?\), Thứ Ba \d\d/\d\d Lượt đặt đã mất\."
    for login in ("ha", "ky"):
        browser = house.running.signed_in(login)
        assert re.search(told, text(browser.get("/my")))
    for path in re.findall(r'action="(/my/notices/\d+/seen)"', ha.get("/my").text):
        post(ha, path)


def test_names_are_shown_as_they_are_written(house: House, ha: httpx.Client) -> None:
    house.book("3D-01", house.at(0, 1, 2), title="<b>STEM & Co</b>")
    assert "&lt;b&gt;STEM &amp; Co&lt;/b&gt;" in ha.get("/my").text


def test_who_waits_leaves_or_takes_what_comes_free_or_lets_it_go(
    house: House, ha: httpx.Client, duc: httpx.Client
) -> None:
    at, day = house.at(0, 3, 3, day=3), house.day(0, 3)
    fields = {"day": str(day), "first": "morning-3", "last": "morning-3", "title": "8A1"}
    fields["item1"] = f"thing:{house.made.things['3D-01']}"
    sent = post(ha, "/calendar", **fields, choice="wait")
    assert sent.status_code == 409, "nobody need wait for what is free"
    assert "Không trùng lịch" in text(sent)

    theirs = house.book("3D-01", at, "duc")
    look = ha.post("/calendar/look", data={"csrf": csrf_of(ha), **fields}, headers={"hx-request": "true"})
    assert 'name="choice" value="wait"' in look.text
    for number in range(3):
        sent = post(ha, "/calendar", **fields, choice="wait")
        assert (sent.status_code, sent.headers["location"]) == (303, "/my?done=waiting#waiting")
        page = ha.get("/my?done=waiting")
        (wish,) = re.findall(r'<h2 id="waiting-title">.*?href="/my/(\w+)/cancel"', page.text, re.DOTALL)
        assert "Thầy cô đã vào danh sách chờ" in text(page)
        assert "Rời danh sách chờ" in text(ha.get(f"/my/{wish}/cancel"))
        if number == 0:
            assert post(ha, f"/my/{wish}/cancel").headers["location"] == "/my?done=left"
            continue
        house.office.cancel(house.made.person("duc"), theirs.id)
        page = ha.get("/my")
        assert re.search(r"Giữ cho thầy cô đến .*Nhận chỗ này", text(page))
        assert "Còn trống cho thầy cô" in text(page) or "Free for you" not in page.text
        assert post(duc, f"/my/{wish}/accept").status_code == 403
        if number == 1:
            assert post(ha, f"/my/{wish}/cancel").headers["location"] == "/my?done=declined"
            theirs = house.book("3D-01", at, "duc")
    taken = post(ha, f"/my/{wish}/accept")
    assert taken.headers["location"] == "/my?done=accepted"
    assert [(each.id, each.state) for each in house.mine()] == [(wish, BookingState.CONFIRMED)]
    late = post(ha, f"/my/{wish}/accept")
    assert late.status_code == 409
