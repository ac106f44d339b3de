"""Which credentials an agent uses while they are changed."""

from pathlib import Path

import pytest

from agent.config import Credentials, read_credentials
from agent.connection import Broker
from agent.keyring import Keyring
from contract.topics import Address

ME = Address("alpha", "room-1")
OLD = Credentials("alpha.room-1", "old", b"k0")
NEW = Credentials("alpha.room-1.1", "new", b"k1", 1)
BROKER = Broker("server", 8883, tls_ca="/ca.pem")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path, OLD)
    keyring.login(BROKER)
    return keyring


def test_keyring_signs_in_with_the_newest_and_keeps_the_rest_of_the_broker(keyring: Keyring) -> None:
    keyring.take(NEW)
    assert keyring.in_use == OLD
    assert keyring.login(BROKER) == Broker("server", 8883, "alpha.room-1.1", "new", "/ca.pem")
    assert keyring.number == 1


def test_keyring_has_both_on_disk_until_the_new_were_good(keyring: Keyring, tmp_path: Path) -> None:
    keyring.take(NEW)
    kept = read_credentials(tmp_path, ME)
    assert (kept.user, kept.lease_key, kept.former) == (NEW.user, b"k1", OLD)
    keyring.settle(lambda _key: True)
    assert read_credentials(tmp_path, ME).former == OLD, "no connection was made with the new yet"
    keyring.login(BROKER)
    keyring.settle(lambda key: key != b"k1")
    assert read_credentials(tmp_path, ME).former == OLD, "the book on disk needs the former key"
    keyring.settle(lambda key: key == b"k1")
    assert read_credentials(tmp_path, ME) == NEW


def test_keyring_tries_the_former_after_a_refusal_and_the_newest_again_after_that(keyring: Keyring) -> None:
    keyring.take(NEW)
    tried = []
    for _ in range(4):
        tried.append(keyring.login(BROKER).password)
        keyring.refused()
    assert tried == ["new", "old", "new", "old"]


def test_keyring_goes_on_where_it_was_after_a_restart(keyring: Keyring, tmp_path: Path) -> None:
    keyring.take(NEW)
    again = Keyring(tmp_path, read_credentials(tmp_path, ME))
    assert again.login(BROKER).password == "new"
    again.refused()
    assert again.login(BROKER).password == "old"


def test_keyring_without_former_has_one_way_to_sign_in(keyring: Keyring) -> None:
    keyring.refused()
    assert keyring.login(BROKER).password == "old"
