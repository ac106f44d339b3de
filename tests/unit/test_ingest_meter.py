"""How much an agent may say, by a clock of the test's own."""

import pytest

from controller.ingest.meter import Allowance, Meter

LITTLE = Allowance(messages_burst=10, messages_per_s=2, bytes_burst=1_000, bytes_per_s=100)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(("size", "taken"), [(1, 10), (100, 10), (500, 2), (2_000, 0)])
def test_meter_lets_a_burst_pass_by_messages_and_by_bytes(clock: Clock, size: int, taken: int) -> None:
    meter = Meter(LITTLE, clock)
    assert [meter.count("a", size) for _ in range(taken)] == [False] * taken
    assert meter.count("a", size)
    assert meter.over("a")


def test_meter_never_minds_what_keeps_to_the_rate(clock: Clock) -> None:
    meter = Meter(LITTLE, clock)
    for _ in range(1_000):
        assert not meter.count("a", 40)
        clock.now_s += 0.5


def test_meter_counts_each_name_by_itself_and_one_that_was_over_stays_so_until_forgiven(clock: Clock) -> None:
    meter = Meter(LITTLE, clock)
    while not meter.count("a", 1):
        pass
    assert not meter.count("b", 1)
    clock.now_s += 1_000
    assert meter.over("a")
    assert not meter.over("b")
    meter.forgive("a")
    assert not meter.over("a")
    assert not meter.count("a", 1)


def test_meter_allows_the_fastest_replay_of_an_agent(clock: Clock) -> None:
    """20 batches a second of the largest size for an hour, after a day's worth of live ones at once."""
    meter = Meter(Allowance(), clock)
    assert not any(meter.count("a", 1_000) for _ in range(9_000))
    for _ in range(20 * 3_600):
        clock.now_s += 0.05
        assert not meter.count("a", 256 * 1024)
