"""Planning in a real browser: no barriers on any page, and the next year made by copying with other Saturdays."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from playwright.sync_api import Browser, expect

from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.timetable.editing import StoredYear
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.running import PASSWORD, Running, running


@dataclass(frozen=True, slots=True)
class Plans:
    running: Running
    made: Furnished

    def year(self, day: date) -> StoredYear:
        """The school year that has a day."""
        found = self.running.services.timetables.years(self.made.person("lan"), HERE)
        return next(each for each in found if any(term.first <= day <= term.last for term in each.plan.terms))


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plans]:
    state = tmp_path_factory.mktemp("plans")
    made = furnished(state)
    at, holder = span(made.engine, school_day(), 1, 2), made.person("ha").id
    for item in (made.item("3D-01"), made.item("Kit", 12)):
        Bookings(made.engine, wall_ms).book(Request(HERE, holder, holder, (item,), at.start, at.stop, title="8A1"))
    with running(state) as found:
        yield Plans(found, made)
    made.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, plans: Plans) -> Iterator[Visitor]:
    with visits(chromium, plans.running.url) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_planning_has_no_barrier(visit: Visitor, plans: Plans, way: tuple[int, str, str]) -> None:
    browser = visit(*way).signed_in("lan", PASSWORD)
    browser.forgive("422")
    year, things = f"/admin/time/{plans.year(school_day()).id}", plans.made.things
    page = browser.page(f"/admin/time?school={HERE}")
    for path in (
        f"/admin/time?school={HERE}",
        f"{year}?copied=yes&day={school_day()}",
        f"{year}/terms/0",
        f"{year}/bells/0",
        f"{year}/make-up/new",
        f"/admin/things?school={HERE}",
        f"/admin/things/{things['3D-01']}",
        f"/admin/things/{things['Kit']}",
        f"/admin/limits?school={HERE}&saved=yes",
        "/admin/certificates",
    ):
        page.goto(browser.url + path)
        judge(page)
    page.goto(f"{browser.url}/admin/things?school={HERE}")
    page.click("a[href^='/admin/rooms/']")
    page.wait_for_url("**/admin/rooms/*")
    judge(page)
    page.goto(f"{browser.url}/admin/things/{things['Kit']}")
    page.fill("#capacity", "3")
    page.click("form .btn.pri")
    expect(page.locator("#capacity[aria-invalid=true]")).to_be_visible()
    judge(page)
    page.goto(f"{browser.url}{year}/holidays/new")
    page.fill("#name", "Hội thao")
    page.fill("#first", str(school_day()))
    page.fill("#last", str(school_day()))
    page.click("button[value=save]")
    expect(page.locator(".abook li")).to_have_count(2)
    judge(page)


def test_next_year_is_made_by_copying_and_its_saturdays_get_bells_of_their_own(visit: Visitor, plans: Plans) -> None:
    browser = visit().signed_in("lan", PASSWORD)
    last = max(plans.running.services.timetables.years(plans.made.person("lan"), HERE), key=lambda each: each.plan.name)
    page = browser.page(f"/admin/time?school={HERE}")
    page.click(f"a[href='/admin/time/{last.id}']")
    page.fill("#next-name", "Năm sau")
    page.click("form[action$='/next'] button")
    expect(page.locator("h1")).to_contain_text("Năm sau")
    page.click("a:text-is('Cả năm')")
    page.uncheck("#weekday-5")
    page.click("button[value=save]")
    page.click("a[href$='/bells/new']")
    begins = last.plan.later("Năm sau").terms[0].first
    page.fill("#name", "Thứ Bảy")
    page.fill("#first", str(begins))
    page.fill("#last", str(begins + timedelta(weeks=40)))
    page.check("#weekday-5")
    page.fill("[name=morning-1-begins]", "07:30")
    page.fill("[name=morning-1-ends]", "08:15")
    page.click("button[value=save]")
    saturday = begins + timedelta(days=(5 - begins.weekday()) % 7 + 7)
    page.fill("#day", str(saturday))
    page.click("form[action*='#day-title'] button")
    rung = page.locator(".kv")
    expect(rung).to_contain_text("07:30–08:15")
    expect(rung.locator("dd")).to_have_count(1)
