"""The device page's charts over a day, a week, a term and a year."""

import math
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import Session, select

from controller.database import make_engine
from controller.fleet.tables import Series
from controller.main import wall_ms
from controller.telemetry.days import DAY_MS
from controller.telemetry.rollup import Bucket, hours
from controller.telemetry.rollups import rollups_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, HOUR_MS
from controller.telemetry.writing import writing
from tests.browser.conftest import Visitor
from tests.browser.stage import PASSWORD, Play
from tests.browser.test_accessibility import judge
from tests.integration.mqtt import eventually

NAME = "Máy in 3D A"
METRIC = "nozzle-temperature"
SPIKE_DAYS = 200


@pytest.fixture(name="device", scope="module")
def _device(on_stage: Play) -> int:
    """A printer that was at work on four days of each week of a year, but for a silent week; once far too hot."""
    eventually(lambda: on_stage.stage.bridge_open(NAME), "the printer is there")
    device = on_stage.stage.device_id(NAME)
    engine = make_engine(on_stage.stage.config.database)

    def found() -> int | None:
        with Session(engine) as db:
            asked = select(Series.id).where(Series.device_id == device, Series.metric == METRIC)
            return db.exec(asked).one_or_none()

    eventually(lambda: found() is not None, "its temperature has come")
    series = found() or 0
    now, width = wall_ms(), FIVE_MINUTES.width_ms
    today = now // DAY_MS * DAY_MS
    year = range(today - 365 * DAY_MS, now // HOUR_MS * HOUR_MS, HOUR_MS)
    rolled = [_hour(series, at, today) for at in year if not 60 * DAY_MS <= today - at < 67 * DAY_MS]
    week = [
        _hour(series, at, today)._replace(at_ms=at, first_ms=at, last_ms=at + width - 1)
        for at in range(today - 8 * DAY_MS, now // width * width, width)
    ]
    with writing(engine) as connection:
        rollups_in(engine).put(connection, HOUR, [*rolled, *hours(week)])
        rollups_in(engine).put(connection, FIVE_MINUTES, week)
    engine.dispose()
    return device


def _hour(series: int, at_ms: int, today_ms: int) -> Bucket:
    busy = at_ms // DAY_MS % 7 < 4 and 8 <= at_ms // HOUR_MS % 24 < 15
    low = (208.0 if busy else 24.0) + 2 * math.sin(at_ms / 1e7)
    high = 262.0 if at_ms == today_ms - SPIKE_DAYS * DAY_MS else low + 3
    return Bucket(series, at_ms, 12, low, (low + high) / 2, high, at_ms, at_ms + HOUR_MS - 300_000, 300_000)


def plotted(page: Page) -> list[float | None]:
    found: list[float | None] = page.evaluate(f"document.querySelector('[data-chart={METRIC}]').plot.data[1]")
    return found


def test_a_week_a_term_and_a_year_are_drawn_with_their_extremes_and_gaps(
    visit: Visitor, on_stage: Play, device: int
) -> None:
    del on_stage
    page = visit().signed_in("bao").live(f"/devices/{device}")
    switch = page.get_by_role("navigation", name="Khoảng thời gian")
    expect(switch.locator("[aria-current=page]")).to_have_text("24 giờ")
    for name in ("Tuần", "Học kỳ", "Năm"):
        switch.get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector("#live[data-c=ok]")
        expect(switch.locator("[aria-current=page]")).to_have_text(name)
        values = plotted(page)
        assert 200 <= len(values) <= 480
        assert (262.0 in values) == (name == "Năm"), "one hot hour of a year is seen"
        begin, end = page.evaluate(
            f"(s => [s.min, s.max])(document.querySelector('[data-chart={METRIC}]').plot.scales.x)"
        )
        marks = page.evaluate(f"document.querySelector('[data-chart={METRIC}]').plot.axes[0]._values")
        assert {
            "Tuần": re.compile(r"\S.* \d\d/\d\d"),
            "Học kỳ": re.compile(r"\d\d/\d\d"),
            "Năm": re.compile(r"\d\d/\d{4}"),
        }[name].fullmatch(marks[0]), marks
        assert len(set(marks)) == len(marks) >= 4
        days = round((end - begin) / 86_400)
        assert days in {"Tuần": (7,), "Học kỳ": range(7, 200), "Năm": (365,)}[name]
        assert (None in values) == (days > 67), "the silent week is a gap"
        page.locator(".chart", has_text="Nhiệt độ đầu in").get_by_text("Xem dạng bảng").click()
        rows = page.get_by_role("region", name="Bảng: Nhiệt độ đầu in").locator("tbody tr")
        cells = {"Tuần": 7, "Học kỳ": days // 7, "Năm": 12}[name]
        assert cells <= rows.count() <= cells + 2
    expect(page.locator(".plot").first).to_have_attribute("aria-label", re.compile("262.°C trong 365.ngày.qua"))


@pytest.mark.parametrize(("width", "scheme", "locale"), [(1440, "light", "vi-VN"), (390, "dark", "en-GB")])
def test_the_spans_have_no_barrier(visit: Visitor, device: int, width: int, scheme: str, locale: str) -> None:
    browser = visit(width, scheme, locale).signed_in("bao")
    for span in ("day", "week", "term", "year"):
        page = browser.live(f"/devices/{device}?span={span}")
        page.locator("details.fold summary").first.click()
        judge(page)


def test_the_switch_works_without_scripts_and_an_unknown_span_is_a_day(
    chromium: Browser, on_stage: Play, device: int
) -> None:
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{on_stage.stage.url}/signin?lang=en")
    page.fill("[name=login]", "bao")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.goto(f"{on_stage.stage.url}/devices/{device}?span=fortnight")
    expect(page.locator(".seg [aria-current=page]")).to_have_count(1)
    page.click(".seg a[href*=year]")
    expect(page.locator(".seg [aria-current=page]")).to_have_attribute("href", "?span=year#charts")
    page.locator("details.fold summary").first.click()
    assert page.locator("details.fold").first.locator("tbody tr").count() in (12, 13)
    context.close()
