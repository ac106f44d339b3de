"""The pages of commands and print jobs against axe-core, with their dialogs open, in both themes and at two widths."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.lab import BAD, Lab, gcode, lab, send
from tests.browser.test_accessibility import WAYS, judge


@pytest.fixture(scope="module")
def in_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, in_lab: Lab) -> Iterator[Visitor]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield opened


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(str(part) for part in way))
def browser(request: pytest.FixtureRequest, visit: Visitor) -> Visit:
    width, scheme, locale = request.param
    return visit(width, scheme, locale)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Paths of a job in each state."""

    waiting: str
    printing: str
    refused: str
    returned: str
    cancelled: str


@pytest.fixture(scope="module")
def jobs(chromium: Browser, in_lab: Lab) -> Iterator[Jobs]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield _jobs(opened().signed_in("ha"), in_lab)


def _jobs(browser: Visit, in_lab: Lab) -> Jobs:
    def path(file: FilePayload, state: str, *steps: str) -> str:
        page = send(browser, in_lab, file)
        for step in steps:
            if step == "#why":
                page.fill(step, "Thành mỏng quá")
            else:
                page.click(step)
        expect(page.locator("#job")).to_have_attribute("data-state", state, timeout=60_000)
        return page.url.removeprefix(in_lab.stage.url)

    return Jobs(
        refused=path(BAD, "refused"),
        returned=path(gcode(1), "returned", ".fold summary", "#why", ".fold button"),
        cancelled=path(gcode(1), "cancelled", "#do-cancel", "#ask-cancel .dan"),
        printing=path(gcode(900), "printing", "#bed", "#do-release"),
        waiting=path(gcode(30), "waiting"),
    )


def test_jobs_in_every_state_have_no_barrier(browser: Visit, jobs: Jobs) -> None:
    browser.signed_in("ha")
    for path in (jobs.refused, jobs.returned, jobs.cancelled):
        judge(browser.live(path))
    for path in (jobs.waiting, jobs.printing):
        page = browser.live(path)
        for fold in page.locator("details.fold").all():
            fold.locator("summary").click()
        judge(page)
        page.click("#do-cancel")
        judge(page)


def test_sending_a_file_and_a_teachers_start_have_no_barrier(browser: Visit, in_lab: Lab, jobs: Jobs) -> None:
    page = browser.signed_in("ha").live(f"/devices/{in_lab.printer}/jobs/new")
    judge(page)
    page.click("#send")
    judge(page)
    assert jobs.waiting
    judge(browser.page("/my"))


def test_the_cards_of_a_machine_have_no_barrier_with_each_dialog_open(browser: Visit, in_lab: Lab, jobs: Jobs) -> None:
    browser.signed_in("bao")
    page = browser.live(f"/devices/{in_lab.projector}")
    page.click("#do-input")
    page.fill("#input-input", "máy hát")
    page.click("#ask-input [data-command]")
    expect(page.locator(".cmd[data-status=refused]").first).to_be_visible()
    for action in ("input", "mute", "power-off"):
        page.click(f"#do-{action}")
        judge(page)
        page.keyboard.press("Escape")
    assert jobs.printing
    page = browser.live(f"/devices/{in_lab.printer}")
    judge(page)
    page.click("#do-stop")
    judge(page)


def test_the_drawer_with_commands_has_no_barrier(browser: Visit, in_lab: Lab, jobs: Jobs) -> None:
    assert jobs.printing
    page = browser.signed_in("bao").live("/fleet")
    page.click(f"#d{in_lab.printer}")
    page.wait_for_selector("#drawer canvas")
    judge(page)
