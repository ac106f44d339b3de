"""static/format.js writes what controller/web/formats.py writes, case by case."""

import pytest

from tests.browser.conftest import Visitor
from tests.browser.samples import AGES, NOW_MS, SHOWN

IN_PAGE = """async ([shown, ages, now]) => {
  const script = document.querySelector("script[type=module]").src.replace(/[^/]+$/, "format.js");
  const format = await import(script);
  return {
    shown: shown.map(([value, unit]) => format.shownText(value, unit)),
    ages: ages.map(back => { format.setClock(now); return format.age(now - back); }),
    never: format.age(null),
    plain: format.plain("Đường Ống NƯỚC"),
  };
}"""


@pytest.mark.parametrize(("locale", "column"), [("vi-VN", 0), ("en-US", 1)])
def test_page_and_server_write_alike(visit: Visitor, locale: str, column: int) -> None:
    page = visit(locale=locale).signed_in("bao").live("/fleet")
    given = [[[value, unit] for value, unit, *_ in SHOWN], [back for back, *_ in AGES], NOW_MS]
    said = page.evaluate(IN_PAGE, given)
    assert said["shown"] == [case[2 + column] for case in SHOWN]
    assert said["ages"] == [case[1 + column] for case in AGES]
    assert said["never"] == ("chưa có", "never")[column]
    assert said["plain"] == "duong ong nuoc"
