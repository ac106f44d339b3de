"""Every page against axe-core, in both themes and at two widths; nothing wider than the screen."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit, Visitor
from tests.browser.stage import Play
from tools.assets import AXE

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_RUN = "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations'], preload: false})"
"""It would fetch style sheets and films ahead, for rules that are not among these."""
WIDER = """() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width + 1) found.push("page " + document.documentElement.scrollWidth);
  for (const each of document.querySelectorAll("body *")) {
    const box = each.getBoundingClientRect();
    const meant = each.closest(".tw, .vh, .skip, .t, .prev");
    if (box.width && box.right > width + 1 && !meant) found.push(each.tagName + "." + each.className);
  }
  return found;
}"""
WAYS = (
    (1440, "light", "vi-VN"),
    (390, "dark", "en-US"),
    pytest.param((1440, "dark", "en-US"), marks=pytest.mark.soak),
    pytest.param((390, "light", "vi-VN"), marks=pytest.mark.soak),
)
"""Each width, theme and language once; at full size the other pairs as well."""


def violations(page: Page) -> list[str]:
    """What axe finds, one line each. Parts of the page that are not rendered yet are made to be.

    All rules are run; of what is in order only one node a rule is described, which takes axe most of its time.
    """
    page.wait_for_load_state()
    page.evaluate("document.querySelectorAll('.school').forEach(each => each.style.contentVisibility = 'visible')")
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(AXE).read_text("utf-8"))
    result = page.evaluate(AXE_RUN, TAGS)
    assert result["passes"], "axe looked at nothing"
    return [f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in result["violations"]]


def judge(page: Page) -> None:
    assert violations(page) == []
    assert page.evaluate(WIDER) == []
    assert page.locator("h1").count() == 1


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(str(part) for part in way))
def browser(request: pytest.FixtureRequest, visit: Visitor) -> Visit:
    width, scheme, locale = request.param
    return visit(width, scheme, locale)


def test_signin_has_no_barrier(browser: Visit) -> None:
    judge(browser.page("/signin"))
    judge(browser.page("/signin?error=wrong"))
    judge(browser.page("/signin?error=wait&minutes=4"))


def test_refusal_before_signing_in_has_no_barrier(browser: Visit) -> None:
    browser.forgive("404")
    browser.forgive("422")
    judge(browser.page("/board/open/nothing"))
    judge(browser.page("/signin?minutes=soon"))


def test_fleet_has_no_barrier_compact_full_and_with_the_drawer_open(browser: Visit) -> None:
    page = browser.signed_in("bao").live("/fleet")
    judge(page)
    page.click("#compact")
    judge(page)
    page.click(".t:has-text('Máy in 3D A')")
    page.wait_for_selector("#drawer [data-close]")
    page.wait_for_selector("#drawer canvas")
    judge(page)


def test_device_and_room_have_no_barrier(browser: Visit, on_stage: Play) -> None:
    browser.signed_in("bao")
    for name in ("Máy in 3D A", "Máy in 3D D", "Máy chiếu 1"):
        page = browser.live(f"/devices/{on_stage.stage.device_id(name)}")
        for fold in page.locator("details.fold").all():
            fold.locator("summary").click()
        judge(page)
    judge(browser.live(f"/rooms/{on_stage.stage.room_id('FabLab')}"))
    judge(browser.live(f"/rooms/{on_stage.stage.room_id('P.305 Tin học')}"))


def test_account_menu_has_no_barrier(browser: Visit) -> None:
    page = browser.signed_in("bao").live("/fleet")
    page.click(".menu summary")
    judge(page)


def test_teacher_pages_have_no_barrier(browser: Visit) -> None:
    browser.forgive("403")
    browser.forgive("404")
    browser.signed_in("ha")
    for path in ("/my", "/fleet", "/devices/999999"):
        judge(browser.page(path))


def test_pages_of_agents_have_no_barrier(browser: Visit) -> None:
    page = browser.signed_in("bao").page("/agents/enrol")
    page.fill("#uses", "9")
    page.click("form.enrol button")
    token = page.inner_text("#linux").split()[4]
    for key in ("a1" * 32, "b2" * 32):  # the second one waits: the same computer with a new key
        asked = {"token": token, "agent": "pc-new", "key": key, "machine": ["board:0123456789", "mac:9876543210"]}
        assert browser.context.request.post(f"{browser.url}/api/v1/enrol", data=asked).ok
    page.wait_for_selector("#arrived a")
    judge(page)
    agents = browser.page("/agents")
    agents.locator("details summary").nth(1).click()
    assert agents.locator("#waiting").is_visible()
    judge(agents)
    judge(browser.page(f"/e/{token}"))
