"""MicroPython's raw REPL, pure: from a dialogue of the real firmware, at any size of pieces."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.model import Value
from device_profiles.profile import load
from firmware_bridges.base import BridgeError, LinkLost
from firmware_bridges.micropython import MicroPythonBridge
from firmware_bridges.micropython_core import (
    ENTER,
    INTERRUPT,
    MAX_NOISE,
    MAX_OUTPUT,
    RESTARTED,
    RUN,
    Event,
    Noise,
    Ran,
    Ready,
    ReplCore,
    State,
    Taken,
    checks,
    complaint,
    identity,
)
from tests.fakes import FakeLink
from tests.vocabulary import undeclared

BANNER = b"raw REPL; CTRL-B to exit\r\n>"
GREETING = (
    b"MicroPython v1.9.2-34-gd64154c73 on 2017-09-01; micro:bit v1.0.1 with nRF51822\r\n"
    b'Type "help()" for more information.\r\n>>> '
)
TRACE = b'Traceback (most recent call last):\r\n  File "<stdin>", line 1\r\nZeroDivisionError: division by zero\r\n'
TOLD = b"board 'micro:bit with nRF51822'\r\nfirmware '1.0.1'\r\nmemory-free 8480\r\n"


def hear(core: ReplCore, said: bytes, size: int) -> list[Event]:
    return [event for start in range(0, len(said), size) for event in core.receive(said[start : start + size])]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_dialogue_is_read_at_any_size_of_pieces(size: int) -> None:
    core = ReplCore()
    assert core.enter().endswith(b"\x03\x03\x01")
    assert hear(core, b"KeyboardInterrupt: \r\n>>> \r\n" + BANNER, size) == [Ready()]
    assert core.run("print(1)") == b"print(1)\x04"
    assert hear(core, b"OK1\r\n\x04\x04>", size) == [Taken(), Ran(b"1\r\n", b"")]
    core.run("1/0")
    assert hear(core, b"OK\x04" + TRACE + b"\x04>", size) == [Taken(), Ran(b"", TRACE)]
    assert complaint(TRACE) == "ZeroDivisionError: division by zero"


def test_interrupt_that_came_too_late_spoils_nothing() -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER + b"\r\n>")
    core.run("pass")
    assert core.receive(b"\r\n>OK\x04\x04>") == [Taken(), Ran(b"", b"")]


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("before", [b"OK", b"OKx" * 40_000, b"OK1\r\n\x04Trace"], ids=len)
def test_board_that_was_reset_has_ended_its_program(before: bytes, size: int) -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER)
    core.run("while True: pass")
    assert hear(core, before + b"ets Jun  8 2016\r\n" + GREETING, size)[-1] == Ran(b"", RESTARTED)
    assert core.state is State.FRIENDLY
    core.enter()
    assert hear(core, b"\r\n>>> \r\n" + BANNER, size) == [Ready()]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_board_that_was_reset_is_known_after_however_many_interrupts(size: int) -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER)
    core.run("while True: pass")
    core.receive(b"OK")
    core.receive(GREETING[:-4])
    assert hear(core, b">>> " + b"\r\n>>> " * 100, size)[0] == Ran(b"", RESTARTED)


def test_board_that_was_reset_is_known_though_it_is_always_heard_in_the_middle_of_a_prompt() -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER)
    core.run("while True: pass")
    core.receive(b"OK" + GREETING + b"\r")
    assert [core.receive(b"\n>>> \r\n>>> \r") for _ in range(100)] == [[]] * 100
    assert core.receive(b"\n>>> ") == [Ran(b"", RESTARTED)]


def test_program_that_prints_a_greeting_and_goes_on_was_not_reset() -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER)
    core.run("print(...)")
    assert core.receive(b"OK" + GREETING + b"1") == [Taken()]


def test_program_that_prints_for_ever_fills_no_memory() -> None:
    core = ReplCore()
    core.enter()
    core.receive(BANNER)
    core.run("")
    core.receive(b"OK")
    for _ in range(40):
        core.receive(b"x" * 10_000)
    (ran,) = core.receive(b"\x04\x04>")
    assert isinstance(ran, Ran)
    assert len(ran.output) == MAX_OUTPUT


@pytest.mark.parametrize("said", [b"x" * (MAX_NOISE + 1), BANNER + b"M117", BANNER + b"\x04"])
def test_what_no_raw_repl_says_is_noise(said: bytes) -> None:
    core = ReplCore()
    core.enter()
    assert isinstance(core.receive(said)[-1], Noise)


def test_identity_takes_what_it_knows_and_nothing_that_was_slipped_in() -> None:
    said = TOLD + b"job 'x'\r\nserial __import__('os')\r\nplatform 'a\\x00b'\r\nmemory-free 99999999999999\r\n"
    assert identity(said) == {
        "board": "micro:bit with nRF51822",
        "firmware": "1.0.1",
        "memory-free": 8480,
        "serial": None,
        "platform": "ab",
    }


def test_self_test_tells_each_thing_that_it_checked() -> None:
    assert checks(b"display ok\r\nmotor-a wrong\r\nchatter\r\n; ok\r\n") == {"display": True, "motor-a": False}


def board(said: bytes = TOLD) -> Callable[[bytes, float], bytes]:
    """A board that answers every program with `said`."""
    got = bytearray()

    def answer(data: bytes, _now: float) -> bytes:
        got.extend(data)
        if got.endswith(b"\x01"):
            got.clear()
            return BANNER
        if got.endswith(b"\x04"):
            got.clear()
            return b"OK" + said + b"\x04\x04>"
        return b""

    return answer


def met(link: FakeLink, **options: object) -> MicroPythonBridge:
    def pause(wait_s: float) -> None:
        link.now_s += wait_s

    return MicroPythonBridge(
        "/dev/ttyACM0",
        {"reply_s": 1.0, "self_test": "print('display ok')", **options},
        opener=lambda _: link.open(),
        clock=lambda: link.now_s,
        pause=pause,
    )


@settings(max_examples=60)
@given(
    spoiled=st.dictionaries(
        st.integers(0, 12),
        st.binary(max_size=60)
        | st.sampled_from([BANNER, b"OK", b"\x04", b"OK\x04\x04", b">", b"OK1\x04\x04>OK\x04\x04>"]),
        max_size=6,
    )
)
def test_spoiled_answers_bring_nothing_out_of_a_bridge_but_bridge_errors(
    spoiled: dict[int, bytes],
) -> None:
    path = Path(__file__)
    job: dict[str, Value] = {"path": str(path), "digest": hashlib.sha256(path.read_bytes()).hexdigest(), "name": "job"}
    link = FakeLink(board(), spoiled.get)
    bridge = met(link)
    profile = load("bbc/microbit")
    for attempt in (
        bridge.open,
        bridge.poll,
        lambda: bridge.execute("self-test", {}),
        lambda: bridge.execute("run", job),
        bridge.poll,
        lambda: bridge.execute("stop", {}),
        bridge.open,
    ):
        with suppress(BridgeError):
            attempt()
        with suppress(BridgeError):
            assert undeclared(profile, bridge.poll()) == []
    bridge.close()
    assert link.closed


def test_program_that_is_through_at_once_is_told_to_begin_and_to_end(tmp_path: Path) -> None:
    """Whoever gave it would see neither otherwise, when the one before ended alike."""
    link = FakeLink(board(b"1\r\n"))
    bridge = met(link)
    bridge.open()
    path = tmp_path / "p.py"
    path.write_bytes(b"\xef\xbb\xbfprint(1)\r\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("one", "two"):
        bridge.execute("run", {"path": str(path), "digest": digest, "name": name})
        told = [bridge.poll() for _ in range(2)]
        assert [(each["job"], each["running"], each["job-result"]) for each in told] == [
            (name, True, "running"),
            (name, False, "done"),
        ]


def test_board_that_speaks_on_is_interrupted_now_and_then_not_at_each_word(tmp_path: Path) -> None:
    interrupts = 0
    path = tmp_path / "p.py"
    path.write_bytes(b"pass")
    spoken = board()

    def answer(data: bytes, now_s: float) -> bytes:
        nonlocal interrupts
        if data == INTERRUPT:
            interrupts += 1
            return b"x"
        return b"OK" if data == b"pass" + RUN else spoken(data, now_s)

    bridge = met(FakeLink(answer), reply_s=5.0)
    bridge.open()
    bridge.execute("run", {"path": str(path), "digest": hashlib.sha256(b"pass").hexdigest(), "name": "p"})
    with pytest.raises(LinkLost, match="does not stop in 5 s"):
        bridge.execute("stop", {})
    assert interrupts in (10, 11), "one each half second"


def test_board_that_was_heard_in_the_middle_of_its_answer_is_asked_again() -> None:
    asked = 0

    def answer(data: bytes, now_s: float) -> bytes:
        nonlocal asked
        asked += data.endswith(ENTER)
        return BANNER[:-6] if asked == 1 else spoken(data, now_s)

    spoken = board()
    bridge = met(FakeLink(answer), reply_s=5.0)
    bridge.open()
    assert bridge.poll()["running"] is False
