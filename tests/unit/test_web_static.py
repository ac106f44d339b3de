"""Styles and scripts stay within what old browsers can do, and within the content security policy."""

import re
from pathlib import Path

import pytest

from controller.web.i18n import STATIC
from controller.web.statics import static_url, version

TEMPLATES = STATIC.parent / "templates"
STYLES = sorted(STATIC.glob("*.css"))
SCRIPTS = sorted(STATIC.glob("*.js"))
PAGES = sorted(TEMPLATES.glob("*.html"))
TOO_NEW_STYLE = (
    *("oklch(", "oklab(", "color-mix(", "light-dark(", "subgrid", "popover", "view-transition"),
    *("@layer", "@container", "@scope", ":has("),
)
TOO_NEW_SCRIPT = (
    *(".toSorted(", ".toReversed(", "Object.groupBy", "Promise.withResolvers", "startViewTransition", "showPopover"),
    *("eval(", "new Function"),
)
GROUPS = ("@media", "@supports", "@keyframes")
"""The only rules that may hold rules."""


def rules(css: str) -> str:
    """The style sheet without comments and strings."""
    return re.sub(r'/\*.*?\*/|"[^"]*"', "", css, flags=re.DOTALL)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_use_nothing_newer_than_chrome_108(path: Path) -> None:
    css = rules(path.read_text("utf-8"))
    assert [word for word in TOO_NEW_STYLE if word in css] == []


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_are_not_nested(path: Path) -> None:
    around: list[str] = []
    for prelude, sign in re.findall(r"([^{};]*)([{};])", rules(path.read_text("utf-8"))):
        if sign == "{":
            assert all(outer.startswith(GROUPS) for outer in around), f"{prelude.strip()} inside {around}"
            around.append(prelude.strip())
        elif sign == "}":
            around.pop()
    assert around == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_use_nothing_newer_than_chrome_108(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [word for word in TOO_NEW_SCRIPT if word in text] == []


@pytest.mark.parametrize("path", [*STYLES, *SCRIPTS, *PAGES], ids=lambda path: path.name)
def test_nothing_is_asked_of_other_machines(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w{2,}", text) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_have_no_inline_script_or_style(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", text) == []
    for opening, content in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        assert "src=" in opening or 'type="application/json"' in opening, content


def test_an_address_changes_with_the_files() -> None:
    assert re.fullmatch(r"/static/v-[0-9a-f]{12}/app\.css", static_url("app.css"))
    assert version() in static_url("fleet.js")
