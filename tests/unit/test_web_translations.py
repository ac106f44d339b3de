"""The catalogue is complete, keeps its places, and reaches the page scripts."""

import pytest
from babel.messages.catalog import Catalog
from markupsafe import Markup

from controller.web.i18n import AGENT, Language, language, script_messages
from controller.web.typography import NBSP
from device_profiles.profile import load, slugs
from tools.translations import extracted, hidden, problems
from tools.translations import load as load_catalogue


def test_every_word_of_the_pages_is_translated() -> None:
    assert problems(load_catalogue(), extracted()) + hidden() == []


@pytest.mark.parametrize(
    ("string", "flags", "found"),
    [
        ("{n} phút", (), []),
        ("", (), ["not translated: '{n} minutes left'"]),
        ("{n} phút", ("fuzzy",), ["fuzzy: '{n} minutes left'"]),
        ("phút", (), ["other places than in English: '{n} minutes left'"]),
    ],
)
def test_problems_names_what_is_wrong(string: str, flags: tuple[str, ...], found: list[str]) -> None:
    mine, wanted = Catalog(locale="vi"), Catalog()
    mine.add("{n} minutes left", string, flags=flags)
    wanted.add("{n} minutes left")
    assert problems(mine, wanted) == found


def test_problems_names_what_is_missing_and_what_nobody_says_any_more() -> None:
    mine, wanted = Catalog(locale="vi"), Catalog()
    mine.add("Old", "Cũ")
    wanted.add("New")
    assert problems(mine, wanted) == ["missing: 'New'", "no longer used: 'Old'"]


def test_problems_tells_an_agents_message_from_the_same_words_of_a_page() -> None:
    mine, wanted = Catalog(locale="vi"), Catalog()
    mine.add("not open", "chưa mở")
    wanted.add("not open")
    wanted.add("not open", context=AGENT)
    assert problems(mine, wanted) == ["missing: 'not open'"]
    mine.add("not open", "chưa mở kết nối", context=AGENT)
    assert problems(mine, wanted) == []


def test_words_keep_the_page_safe() -> None:
    text = language("vi").t("Account of {name}", name="<script>")
    assert isinstance(text, Markup)
    assert text == "tài khoản &lt;script&gt;"


@pytest.mark.parametrize(("n", "words"), [(0, "0 devices"), (1, "1 device"), (1_000, "1,000 devices")])
def test_english_has_a_plural(n: int, words: str) -> None:
    assert language("en").tn("{n} device", "{n} devices", n) == words


def test_vietnamese_has_one_form_and_a_number_stays_with_its_word() -> None:
    assert language("vi").tn("{n} device", "{n} devices", 1_000) == f"1.000{NBSP}thiết bị"


def test_an_unknown_language_is_vietnamese() -> None:
    assert language("fr").code == "vi"


@pytest.mark.parametrize("code", ["vi", "en"])
def test_page_scripts_get_every_word_they_say(code: str) -> None:
    mine: Language = language(code)
    words = mine.script_words()
    assert len(words) == len(script_messages()) > 20
    assert words["Live"] == {"vi": "Trực tiếp", "en": "Live"}[code]
    assert words["{n} second"] == {"vi": [f"{{n}}{NBSP}giây"] * 2, "en": ["{n} second", "{n} seconds"]}[code]


def test_profiles_speak_both_languages() -> None:
    for slug in slugs():
        profile = load(slug)
        for metric in profile.metrics.values():
            assert metric.label.vi
            assert metric.label.en
