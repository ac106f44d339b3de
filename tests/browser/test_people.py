"""People in a real browser: no barriers on any page, and somebody added who then signs in."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from controller.identity.oidc_provider import Provider
from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.running import PASSWORD, Running, csrf_of, running, seed

WORD = "con mèo ngủ trên mái"
AWAY = Provider(name="school", title="Cổng trường", client_id="fabfleet", issuer="http://127.0.0.1:9")


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("people") / "state"
    seed(state)
    with running(state, oidc=(AWAY,)) as found:
        yield found


@pytest.fixture
def visit(chromium: Browser, controller: Running) -> Iterator[Visitor]:
    with visits(chromium, controller.url) as opened:
        yield opened


def see(browser: Visit, page: Page, path: str) -> Page:
    page.goto(browser.url + path)
    judge(page)
    return page


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_people_have_no_barrier(visit: Visitor, controller: Running, way: tuple[int, str, str]) -> None:
    guest = visit(*way)
    for path in ("/signin", "/signin?error=waiting", "/signin?done=left-school", "/reset/none"):
        guest.forgive("404")
        see(guest, guest.page("/signin"), path)
    stranger = controller.client()
    for _ in range(5):
        stranger.post("/signin", data={"login": "minh", "password": "wrong", "csrf": csrf_of(stranger)})
    browser = visit(*way).signed_in("tri", PASSWORD)
    browser.forgive("422")
    page = see(browser, browser.page("/people"), "/people")
    for path in ("/people?q=nobody-at-all", "/people/new", "/people/tokens", "/people/rights?saved=projector"):
        see(browser, page, path)
    see(browser, page, "/people/new").fill("#login", "ha")
    page.fill("#name", "Hà")
    page.click("main form .btn.pri")
    expect(page.locator("[role=alert]")).to_be_visible()
    judge(page)
    see(browser, page, "/people?q=person ha").click(".prows a")
    page.click("details.fold summary")
    judge(page)
    page.click("form[action$='/reset'] button")
    expect(page.locator(".qrbox svg")).to_be_visible()
    judge(page)
    see(browser, page, page.locator(".phand .code").inner_text().removeprefix(browser.url))
    see(browser, page, "/account?error=taken")
    page.click("details.fold summary")
    page.fill("#token-name", "Dashboard")
    page.check("[name=may-view-devices]")
    page.click("details.fold .btn")
    expect(page.locator(".code")).to_have_text(re.compile(r"ff_[\w-]{43}"))
    judge(page)


def test_person_is_added_chooses_a_password_by_the_link_and_signs_in(visit: Visitor) -> None:
    keeper = visit(1280, "light", "en-US").signed_in("tri", PASSWORD)
    page = keeper.page("/people")
    page.click("text=Add a person")
    page.fill("#login", "bich")
    page.fill("#name", "Trần Ngọc Bích")
    page.select_option("#role", "coordinator")
    page.select_option("#school", "binh-minh")
    page.click("main form .btn.pri")
    address = page.locator(".phand .code").inner_text()

    guest = visit(390, "light", "en-US")
    choosing = guest.page(address.removeprefix(guest.url))
    choosing.fill("#new", WORD)
    choosing.fill("#again", WORD)
    choosing.click("text=Save the password")
    expect(choosing.locator("[role=status]")).to_have_text("The password is saved. Sign in with it.")
    choosing.fill("#login", "bich")
    choosing.fill("#password", WORD)
    choosing.click("#signin button[type=submit]")
    choosing.wait_for_url("**/fleet")

    page.goto(f"{keeper.url}/people?q=bich")
    page.click(".prows a")
    page.click("text=Disable the account")
    expect(page.locator(".badge").first).to_have_text("Disabled")
    choosing.goto(f"{guest.url}/fleet")
    choosing.wait_for_url("**/signin*")


def test_box_of_the_shared_machine_counts_for_providers_too(visit: Visitor) -> None:
    page = visit(1280, "light", "en-US").page("/signin?next=/my")
    button = page.locator("[data-provider]")

    expect(button).to_have_attribute("href", re.compile("shared=1"))
    page.uncheck("[name=shared]")
    expect(button).to_have_attribute("href", re.compile("shared=&next=%2Fmy"))
