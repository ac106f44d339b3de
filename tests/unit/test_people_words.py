"""Classes of machines have names in both languages."""

from controller.web.i18n import language
from controller.web.people_words import FAMILIES
from device_profiles.profile import load, slugs


def test_every_class_of_machines_has_a_name() -> None:
    assert {load(slug).family for slug in slugs()} <= FAMILIES.keys()


def test_names_of_classes_are_translated() -> None:
    said = {family: [str(say(language(code))) for code in ("vi", "en")] for family, say in FAMILIES.items()}
    assert [family for family, (vietnamese, english) in said.items() if vietnamese == english] == []
