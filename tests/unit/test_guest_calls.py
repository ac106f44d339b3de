"""How a test has functions called in the guest, without a guest."""

import pickle
import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import pytest

from firmware_bridges.base import LinkLost
from hil.guest.inside import Outcome, serve
from hil.guest.usb import BY_ID


@pytest.fixture
def called() -> Iterator[Callable[..., Outcome]]:
    ours, theirs = Pipe()

    def call(*request: Any) -> Outcome:
        return exchange(ours, pickle.dumps(request))

    serving = threading.Thread(target=serve, args=(theirs,))
    serving.start()
    yield call
    ours.close()
    serving.join(10)
    assert not serving.is_alive()
    theirs.close()


def exchange(connection: Connection, request: bytes) -> Outcome:
    connection.send_bytes(request)
    outcome: Outcome = pickle.loads(connection.recv_bytes())
    return outcome


class Unsendable(Exception):
    def __init__(self) -> None:
        super().__init__("cannot travel", lambda: None)


def lose() -> NoReturn:
    raise LinkLost("/dev/ttyUSB0: was unplugged")


def fail() -> NoReturn:
    raise Unsendable


def test_call_returns_what_the_function_returns(called: Callable[..., Outcome]) -> None:
    assert called(BY_ID.format, (), {"serial": "A1"}).value == BY_ID.format(serial="A1")
    assert called(Path.exists, (Path("/no/such"),), {}).value is False


def test_error_of_a_call_travels_and_ends_nothing(called: Callable[..., Outcome]) -> None:
    error = called(lose, (), {}).error
    assert (type(error), str(error)) == (LinkLost, "/dev/ttyUSB0: was unplugged")
    assert "cannot travel" in str(called(fail, (), {}).error)
    assert isinstance(called(len).error, ValueError)
    assert called(len, ("four",), {}).value == 4
