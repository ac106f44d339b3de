"""What an agent calls itself at the broker."""

from agent.connection import client_id
from contract.topics import Address

ME = Address("an-phu", "pc-1")


def test_client_id_is_the_same_each_time_and_tells_nobody_elses() -> None:
    mine = client_id(ME, "secret-one")
    assert mine == client_id(ME, "secret-one")
    assert mine.startswith("an-phu/pc-1/")
    others = {client_id(ME, "secret-two"), client_id(Address("an-phu", "pc-2"), "secret-one"), ME.client_id}
    assert mine not in others
    assert len(others) == 3


def test_client_id_holds_nothing_that_a_broker_refuses_and_not_the_password() -> None:
    mine = client_id(ME, "secret-one")
    assert "." not in mine
    assert "secret" not in mine
    assert all(letter.isascii() and (letter.isalnum() or letter in "-/") for letter in mine)


def test_client_id_without_a_password_is_the_plain_one() -> None:
    assert client_id(ME, "") == "an-phu/pc-1"
