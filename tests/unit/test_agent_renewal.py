"""New credentials that are on disk come into use, also when the broker did not know them at the first try."""

import threading
from pathlib import Path

import pytest

from agent import renewal
from agent.config import Credentials
from agent.connection import Broker
from agent.download import Source
from agent.keyring import Keyring
from agent.renewal import Renewal

BROKER = Broker("127.0.0.1", 1)


def no_source() -> Source:
    raise AssertionError("nothing is to be fetched")


def test_credentials_that_the_broker_did_not_know_yet_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "_TRY_AGAIN_S", 0.0)
    keyring = Keyring(tmp_path, Credentials("u", "old", b"k", 1))
    keyring.login(BROKER)
    keyring.take(Credentials("u.2", "new", b"n", 2))
    keyring.login(BROKER)
    keyring.refused()
    assert keyring.login(BROKER).password == "old"

    again = threading.Event()
    taken = threading.Event()
    one = Renewal(tmp_path, keyring, no_source, taken.set, again.set)
    one.wanted(2)
    assert again.wait(20)
    assert keyring.login(BROKER).password == "new"

    again.clear()
    one.wanted(2)
    one.wanted(1)
    assert not again.wait(0.2), "the newest are in use"
    assert not taken.is_set(), "they were taken before, and that was told"
    one.stop()
