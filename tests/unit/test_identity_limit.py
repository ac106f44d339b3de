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
        assert limit.wait_ms("10.0.0.1") == 0
        limit.failed("10.0.0.1")

    clock.ms += 10_000
    assert limit.wait_ms("10.0.0.1") == 50_000

    clock.ms += 50_000
    assert limit.wait_ms("10.0.0.1") == 0


def test_limit_of_one_place_says_nothing_of_another() -> None:
    limit = FailureLimit(1, 60_000, Clock())
    limit.failed("10.0.0.1")

    assert limit.wait_ms("10.0.0.2") == 0


def test_limit_takes_a_network_of_ipv6_for_one_place_as_its_machines_choose_their_addresses() -> None:
    limit = FailureLimit(3, 60_000, Clock())
    for number in range(3):
        limit.failed(f"2001:db8:1:2::{number:x}")

    assert limit.wait_ms("2001:db8:1:2:ffff::1") > 0
    assert limit.wait_ms("2001:db8:1:3::1") == 0


def test_limit_forgets_a_place_that_succeeded() -> None:
    limit = FailureLimit(1, 60_000, Clock())
    limit.failed("10.0.0.1")
    limit.forget("10.0.0.1")

    assert limit.wait_ms("10.0.0.1") == 0


def test_limit_does_not_lock_for_ever_when_the_clock_jumps_back() -> None:
    clock = Clock()
    limit = FailureLimit(1, 60_000, clock)
    limit.failed("10.0.0.1")

    clock.ms -= 500

    assert limit.wait_ms("10.0.0.1") == 0


def test_limit_remembers_a_bounded_number_of_places() -> None:
    limit = FailureLimit(1, 60_000, Clock(), places=100)
    for number in range(1_000):
        limit.failed(f"10.0.{number // 256}.{number % 256}")

    blocked = [number for number in range(1_000) if limit.wait_ms(f"10.0.{number // 256}.{number % 256}") > 0]
    assert blocked == list(range(900, 1_000))
