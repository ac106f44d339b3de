"""The calendar and its form, asked by a plain browser and as its scripts ask."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import unescape
from urllib.parse import urlencode

import httpx
import pytest

from controller.scheduling.booking_states import BookingState
from controller.scheduling.office import Asked
from controller.scheduling.school_time import Half
from controller.web.typography import NBSP
from tests.integration.bookable import THERE, Furnished, furnished, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration
SCRIPT = {"hx-request": "true"}


@dataclass(frozen=True)
class Place:
    """A controller with everything that can be booked."""

    controller: Running
    furnished: Furnished
    browsers: dict[str, httpx.Client] = field(default_factory=dict)

    def browser(self, login: str) -> httpx.Client:
        """Signed in once for all tests: passwords are slow on purpose."""
        if login not in self.browsers:
            self.browsers[login] = self.controller.signed_in(login)
        return self.browsers[login]

    def thing(self, name: str) -> int:
        return self.furnished.things[name]

    def book(self, login: str, name: str, when: range, **more: object) -> str:
        """Past the pages; the id."""
        asked = Asked((self.furnished.item(name),), when.start, when.stop, **more)  # type: ignore[arg-type]  # a test's shorthand
        return self.controller.services.office.book(self.furnished.person(login), asked).id

    def span(self, day: date, first: int, last: int, half: Half = Half.MORNING) -> range:
        return span(self.furnished.engine, day, first, last, half)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    state = tmp_path_factory.mktemp("state")
    found = furnished(state)
    with running(state) as controller:
        yield Place(controller, found)
    found.engine.dispose()


def week(browser: httpx.Client, day: date, *things: int, lang: str = "vi") -> str:
    asked = urlencode({"week": day, "day": day, "lang": lang, "thing": things}, doseq=True)
    answer = browser.get(f"/calendar?{asked}")
    assert answer.status_code == 200, answer.text
    return unescape(answer.text).replace(NBSP, " ")


def fields(browser: httpx.Client, day: date, first: str, last: str, thing: int, **more: str) -> Mapping[str, str]:
    given = {"day": str(day), "first": first, "last": last, "item1": f"thing:{thing}", "title": "8A1"}
    return {"csrf": csrf_of(browser), **given, **more}


def send(browser: httpx.Client, given: Mapping[str, str], *, script: bool = False) -> httpx.Response:
    return browser.post("/calendar", data=given, headers=SCRIPT if script else {})


def look(browser: httpx.Client, given: Mapping[str, str]) -> str:
    answer = browser.post("/calendar/look", data=given, headers=SCRIPT)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return unescape(answer.text).replace(NBSP, " ")


def choices(html: str) -> list[str]:
    found = re.findall(r'name="choice" value="([^"]+)"', html)
    return [each for each in found if each != "wait"]


def test_a_week_shows_the_readers_periods_and_leads_to_the_form_from_every_free_cell(place: Place) -> None:
    day, printer = school_day(0), place.thing("3D-01")
    html = week(place.browser("ha"), day, printer)
    assert "THCS An Phú" in html
    assert "Tiết 1" in html
    assert "Nghỉ trưa 11:40 – 13:15" in html
    assert f'href="/calendar/new?day={day}&first=morning-3&last=morning-3&item1=thing:{printer}"' in html
    assert re.search(r"Tuần \d+ \(tuần [AB]\)", html)


def test_a_form_without_scripts_books_and_shows_the_week_with_it(place: Place) -> None:
    browser, day, printer = place.browser("ha"), school_day(0), place.thing("3D-01")
    form = browser.get("/calendar/new", params={"day": str(day), "first": "morning-1", "item1": f"thing:{printer}"})
    assert form.status_code == 200
    assert "<html" in form.text
    key = re.search(r'name="key" value="(\w+)"', form.text)
    assert key is not None
    given = fields(browser, day, "morning-1", "morning-2", printer, key=key[1], purpose="STEM", head_count="30")
    answer = send(browser, given)
    assert answer.status_code == 303
    there = unescape(browser.get(answer.headers["location"]).text).replace(NBSP, " ")
    assert "Đã đặt: 3D-01 · tiết 1–2 (07:15–08:50)" in there
    assert re.search(r'href="/my\?again=\w+"', there)
    assert "★ của tôi" in there
    again = send(browser, given)
    assert again.headers["location"] == answer.headers["location"], "the same form is the same booking"


def test_a_script_is_told_where_the_booking_is_shown(place: Place) -> None:
    browser = place.browser("ha")
    answer = send(browser, fields(browser, school_day(0), "morning-4", "morning-4", place.thing("3D-01")), script=True)
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"].startswith("/calendar?week=")


def test_a_look_tells_before_anything_is_sent_and_books_nothing(place: Place) -> None:
    browser, day = place.browser("duc"), school_day(1)
    given = fields(browser, day, "morning-1", "morning-2", place.thing("3D-01"))
    html = look(browser, given)
    assert "Không trùng lịch." in html
    assert re.search(r"Trường đã dùng \d+ / 40 tiết", html)
    assert look(browser, given) == html


def test_a_taken_time_is_said_with_three_alternatives_that_one_press_books(place: Place) -> None:
    browser, day, printer = place.browser("duc"), school_day(1), place.thing("3D-01")
    place.book("ha", "3D-01", place.span(day, 3, 4), title="9A2")
    given = fields(browser, day, "morning-3", "morning-4", printer)
    html = look(browser, given)
    assert "Tiết này vừa có người đặt: THCS An Phú (9A2)." in html
    assert len(choices(html)) == 3
    refused = send(browser, given, script=True)
    assert refused.status_code == 409
    assert choices(unescape(refused.text)) == choices(html)
    same_time = next(each for each in choices(html) if each.startswith(str(place.span(day, 3, 4).start)))
    booked = send(browser, {**given, "choice": same_time})
    assert booked.status_code == 303
    shown = unescape(browser.get(booked.headers["location"]).text).replace(NBSP, " ")
    assert "Đã đặt: 3D-02 · tiết 3–4" in shown


def test_a_lost_race_without_scripts_keeps_what_was_typed(place: Place) -> None:
    browser, day = place.browser("duc"), school_day(1)
    place.book("ha", "3D-01", place.span(day, 5, 5))
    answer = send(browser, fields(browser, day, "morning-5", "morning-5", place.thing("3D-01"), purpose="Cầu giàn"))
    assert answer.status_code == 409
    assert "<html" in answer.text
    assert 'value="Cầu giàn"' in unescape(answer.text)
    assert len(choices(unescape(answer.text))) == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"last": "afternoon-9"}, "không có tiết này"),
        ({"first": "morning-3", "last": "morning-1"}, "Tiết cuối đang ở trước tiết đầu."),
        ({"item1": "thing:999"}, "không còn để đặt"),
        ({"item1": ""}, "Hãy chọn máy"),
        ({"day": "0001-01-01"}, "Hãy chọn ngày."),
        ({"begins": "10:03", "ends": "11:00"}, "tròn năm phút"),
        ({"head_count": "nhiều"}, "chưa phải là một số"),
        ({"choice": "1-2"}, "Hãy chọn lại"),
        ({"supervisor1": "nobody"}, "không còn trong danh sách"),
        ({"item1": "class:printer-3d", "count1": "9"}, "Không có đủ số lượng"),
        ({"item1": "class:printer-3d", "maintenance": "yes"}, "Chỉ kỹ thuật viên"),
    ],
)
def test_what_cannot_be_meant_is_said_in_words(place: Place, more: dict[str, str], words: str) -> None:
    browser = place.browser("duc")
    given = {**fields(browser, school_day(2), "morning-1", "morning-1", place.thing("3D-01")), **more}
    answer = send(browser, given, script=True)
    assert answer.status_code == 422
    if "choice" not in more:  # what is looked at then is what was wished at first
        assert words in unescape(answer.text).replace(NBSP, " ")


def test_a_bundle_of_a_pool_any_of_a_class_and_a_room_is_one_booking(place: Place) -> None:
    browser, day = place.browser("duc"), school_day(2)
    bundle = {"item1": "class:printer-3d", "item2": f"thing:{place.thing('Kit')}", "count2": "12"}
    room = {"item3": f"thing:{place.thing('Lab')}"}
    answer = send(browser, {**fields(browser, day, "morning-1", "morning-2", 0), **bundle, **room})
    assert answer.status_code == 303, answer.text
    made = re.search(r"booked=(\w+)", answer.headers["location"])
    assert made is not None
    found = place.controller.services.office.find(place.furnished.person("duc"), made[1])
    assert sorted(had.name for had in found.things) == ["3D-01", "Kit", "Lab"]
    html = week(browser, day, place.thing("Kit"))
    assert "còn 18/30" in html
    assert "còn 30/30" in html


def test_a_dangerous_machine_needs_a_supervisor_and_waits_for_approval(place: Place) -> None:
    browser, day, laser = place.browser("ha"), school_day(3), place.thing("Laser")
    given = fields(browser, day, "morning-1", "morning-1", laser, head_count="8")
    assert "cần người có chứng nhận ở cạnh máy" in look(browser, given)
    with_ha = {**given, "supervisor1": place.furnished.person("ha").id}
    assert "Gửi yêu cầu" in look(browser, with_ha)
    answer = send(browser, with_ha)
    shown = unescape(browser.get(answer.headers["location"]).text).replace(NBSP, " ")
    assert "Đã gửi yêu cầu: Laser" in shown
    assert "⧗ chờ duyệt" in shown
    assert "Duyệt" not in re.findall(r"<button[^>]*>([^<]*)</button>", shown), "a teacher does not decide"


@pytest.mark.parametrize(("word", "state"), [("confirm", BookingState.CONFIRMED), ("refuse", BookingState.REFUSED)])
def test_whoever_looks_after_a_machine_decides_on_requests(place: Place, word: str, state: BookingState) -> None:
    day, period = school_day(4), 1 if word == "confirm" else 2
    made = place.book("ha", "Laser", place.span(day, period, period), title="8A1")
    browser = place.browser("ky")
    html = week(browser, day, place.thing("Laser"))
    assert f'action="/calendar/requests/{made}/{word}"' in html
    assert "Person ha · THCS An Phú · 8A1" in html
    path, back = f"/calendar/requests/{made}/{word}", "//elsewhere"
    answer = browser.post(path, data={"csrf": csrf_of(browser), "back": back, "why": "Sáng mai thì <được>"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/calendar#requests")
    assert place.controller.services.office.find(place.furnished.person("ky"), made).state is state
    assert browser.post(path, data={"csrf": csrf_of(browser)}).status_code == 303, "twice is no error"
    teacher = place.browser("ha")
    assert teacher.post(path, data={"csrf": csrf_of(teacher)}).status_code == 403
    assert ("Sáng mai thì &lt;được&gt;" in teacher.get("/my").text) is (word == "refuse"), "she reads why"


def test_a_coordinator_books_for_others_for_maintenance_and_overrules_with_a_reason(place: Place) -> None:
    browser, day, printer = place.browser("lan"), school_day(4), place.thing("3D-01")
    duc = place.furnished.person("duc").id
    given = fields(browser, day, "morning-1", "afternoon-4", printer, holder=duc)
    html = look(browser, given)
    assert "dài nhiều nhất 300 phút" in html
    assert 'name="reason"' in html
    assert send(browser, given).status_code == 422
    answer = send(browser, {**given, "reason": "Ngày hội STEM"})
    assert answer.status_code == 303
    made = re.search(r"booked=(\w+)", answer.headers["location"])
    assert made is not None
    assert place.controller.services.office.find(place.furnished.person("lan"), made[1]).holder_id == duc
    mend = fields(browser, day, "", "", place.thing("3D-02"), maintenance="yes", begins="18:00", ends="20:00")
    assert send(browser, mend).status_code == 303
    html = week(browser, day, place.thing("3D-02"))
    assert "Ngoài giờ các tiết" in html
    assert "3D-02: 18:00–20:00" in html


def test_another_school_sees_that_it_is_taken_and_nobodys_name(place: Place) -> None:
    day = school_day(3)
    place.book("ha", "3D-01", place.span(day, 4, 5), title="8A1", purpose="Cầu giàn")
    html = week(place.browser("nam"), day, place.thing("3D-01"))
    assert "THCS An Phú" in html
    assert "8A1" not in html
    assert "Person ha" not in html
    assert place.furnished.person("nam").school_id == THERE


def test_what_is_over_and_what_is_a_holiday_is_closed_with_a_word(place: Place) -> None:
    browser, printer = place.browser("ha"), place.thing("3D-01")
    past = week(browser, school_day() - timedelta(days=28), printer)
    assert "Đã qua" in past
    assert "/calendar/new?day=" not in past.split("<table", 1)[1]
    year = school_day().year + 1
    assert "Ngày nghỉ: Tết Dương lịch" in week(browser, date(year, 1, 1), printer)


def test_the_picker_keeps_its_choice_in_the_address(place: Place) -> None:
    browser, day = place.browser("ha"), school_day(2)
    html = week(browser, day, place.thing("Lab"), place.thing("Kit"))
    for lane in ("Lab", "Kit"):
        assert f'data-thing="{place.thing(lane)}"' in html
    assert f'data-thing="{place.thing("3D-01")}"' not in html
    ahead = re.search(r'href="(/calendar\?week=[^"]+)" aria-label="Tuần sau"', html)
    assert ahead is not None
    assert f"thing={place.thing('Lab')}&thing={place.thing('Kit')}" in ahead[1]
    five = week(browser, day, *place.furnished.things.values())
    assert len(set(re.findall(r'data-thing="(\d+)"', five))) == 4
    assert browser.get("/calendar?week=nonsense&day=&thing=x&booked=none").status_code == 200


def test_the_calendar_speaks_english(place: Place) -> None:
    html = week(place.browser("ha"), school_day(2), place.thing("3D-01"), lang="en")
    assert "Book with a form" in html
    assert "Free: 3D-01, period 4 (10:05–10:50), " in html


def test_calendar_and_form_say_the_same_of_every_period(place: Place) -> None:
    office, ha, day = place.controller.services.office, place.furnished.person("ha"), school_day(3)
    held = [place.book("lan", name, place.span(day, 2, 3)) for name in ("3D-01", "3D-02")]
    names = ["3D-01", "3D-02", "3D-03", "Kit"]
    held.append(place.book("lan", "Lab", place.span(day, 1, 1)))
    spare = office.spare([place.thing(each) for each in names], place.span(day, 1, 5))
    said, meant = [], []
    for name in names:
        for period in range(1, 6):
            at = place.span(day, period, period)
            meant.append(office.look(ha, Asked((place.furnished.item(name),), at.start, at.stop)).free)
            found = spare.of_pool(place.thing(name), at) if name == "Kit" else spare.against(place.thing(name), at)
            said.append(found is None or found == 30)
    assert said == meant
    assert meant.count(False) >= 6, "two printers, and the third for want of power, in two periods"
    html = week(place.browser("ha"), day, place.thing("3D-03"))
    assert html.count("hết công suất mạch điện") >= 1
    for each in held:
        office.cancel(place.furnished.person("lan"), each)
