"""The audit log and the pages of personal data against axe-core, and as people use them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session

from controller.identity.store import user_by_login
from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.running import PASSWORD, Running, running, seed


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("audit") / "state"
    seed(state)
    with running(state) as one:
        for login in ("ha", "minh", "ky"):
            one.signed_in(login)
        yield one


@pytest.fixture
def visit(chromium: Browser, controller: Running) -> Iterator[Visitor]:
    with visits(chromium, controller.url) as opened:
        yield opened


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(str(part) for part in way))
def browser(request: pytest.FixtureRequest, visit: Visitor) -> Visit:
    width, scheme, locale = request.param
    return visit(width, scheme, locale).signed_in("tri", PASSWORD)


def test_audit_log_and_personal_data_have_no_barrier(browser: Visit, controller: Running) -> None:
    with Session(controller.services.engine) as db:
        ha = user_by_login(db, "ha")
    assert ha is not None
    for path in ("/audit", "/audit?who=nobody", "/privacy", "/privacy/people", f"/privacy/people/{ha.id}"):
        judge(browser.page(path))


def test_line_is_searched_with_the_form(visit: Visitor) -> None:
    page = visit(1440, "light", "en-US").signed_in("tri", PASSWORD).page("/audit")
    page.get_by_label("Who", exact=True).fill("person ha")
    page.get_by_label("Action", exact=True).select_option(label="Signed in")
    page.get_by_role("button", name="Search").click()
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Person ha")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert "Person ha" in download.value.path().read_text("utf-8")


def test_person_is_erased_with_the_form(visit: Visitor) -> None:
    page = visit(390, "light", "en-US").signed_in("tri", PASSWORD).page("/privacy/people")
    page.get_by_role("link", name="Erase Person minh").click()
    page.get_by_label("To confirm, write the login: minh").fill("minh")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("The person was erased.")
    expect(page.get_by_text("Person minh")).to_have_count(0)
