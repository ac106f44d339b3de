"""How often somebody may try."""

from controller.identity.limit import FailureLimit


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def test_limit_stops_after_the_allowed_failures_and_opens_again_after_the_window() -> None:
    clock = Clock()
    limit = FailureLimit(3, 60_000, clock)
    for _ in range(3):
        assert limit.wait_ms("ha@10.0.0.1") == 0
        limit.failed("ha@10.0.0.1")

    clock.ms += 10_000
    assert limit.wait_ms("ha@10.0.0.1") == 50_000

    clock.ms += 50_000
    assert limit.wait_ms("ha@10.0.0.1") == 0


def test_limit_of_one_key_says_nothing_of_another() -> None:
    limit = FailureLimit(1, 60_000, Clock())
    limit.failed("ha@10.0.0.1")

    assert limit.wait_ms("ha@10.0.0.2") == 0


def test_limit_forgets_a_key_that_succeeded() -> None:
    limit = FailureLimit(1, 60_000, Clock())
    limit.failed("ha")
    limit.forget("ha")

    assert limit.wait_ms("ha") == 0


def test_limit_does_not_lock_for_ever_when_the_clock_jumps_back() -> None:
    clock = Clock()
    limit = FailureLimit(1, 60_000, clock)
    limit.failed("ha")

    clock.ms -= 500

    assert limit.wait_ms("ha") == 0


def test_limit_remembers_a_bounded_number_of_keys() -> None:
    limit = FailureLimit(1, 60_000, Clock(), keys=100)
    for number in range(1_000):
        limit.failed(f"login-{number}")

    blocked = [number for number in range(1_000) if limit.wait_ms(f"login-{number}") > 0]
    assert blocked == list(range(900, 1_000))
