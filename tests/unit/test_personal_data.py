"""The register of personal data knows every column there is, and says why what is about people is kept."""

from controller.database import metadata
from controller.privacy.register import REGISTER, Erasure, Kind
from tools.privacy import DOCUMENT, document


def test_register_knows_every_column_of_every_table() -> None:
    tables = {name: set(table.columns.keys()) for name, table in metadata().tables.items()}
    assert {name: set(each.columns) for name, each in REGISTER.items()} == tables


def test_register_says_why_and_how_long_and_for_whom_whatever_is_about_people_is_kept() -> None:
    for each in REGISTER.values():
        told = (each.purpose, each.kept, each.seen_by)
        assert all(told) if each.personal else not any(told), each.table


def test_rows_that_are_erased_are_somebodys() -> None:
    for each in REGISTER.values():
        assert not each.owner or each.columns[each.owner] is Kind.PERSON, each.table
        assert each.erasure is Erasure.KEEP or each.owner, each.table


def test_every_column_that_names_people_by_their_account_is_known_as_such() -> None:
    for name, table in metadata().tables.items():
        for column in table.columns:
            if any(key.column.table.name == "user_account" for key in column.foreign_keys):
                assert REGISTER[name].columns[column.name] is Kind.PERSON, column


def test_document_is_what_the_register_says() -> None:
    assert DOCUMENT.read_text("utf-8") == document()
