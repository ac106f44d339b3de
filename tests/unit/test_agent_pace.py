"""How fast the uplink goes."""

from hypothesis import given
from hypothesis import strategies as st

from agent.pace import Budget, Flight, Pace, full_jitter_ms

PACE = Pace(retry_ms=500, retry_most_ms=30_000, ack_timeout_ms=10_000, ack_timeout_most_ms=60_000)


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_full_jitter_lies_between_nothing_and_a_limit_that_doubles(failures: int, chance: float) -> None:
    wait_ms = full_jitter_ms(failures, PACE, lambda: chance)
    assert 0 <= wait_ms <= min(30_000, 500 * 2 ** min(failures, 20))


def test_full_jitter_spreads_a_thousand_agents_over_the_whole_time() -> None:
    waits = [full_jitter_ms(10, PACE, lambda i=i: i / 1_000) for i in range(1_000)]  # type: ignore[misc]
    assert min(waits) < 1_000
    assert max(waits) > 29_000


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 100)), max_size=50))
def test_budget_never_lets_more_through_than_its_rate(steps: list[tuple[int, int]]) -> None:
    budget = Budget(20.0, 0)
    now_ms = spent = 0
    for wait_ms, wanted in steps:
        now_ms += wait_ms
        granted = min(wanted, budget.available(now_ms))
        budget.spend(granted)
        spent += granted
        assert spent <= 20 + 20 * now_ms / 1000


def test_budget_says_when_the_next_is_let_through() -> None:
    budget = Budget(20.0, 0)
    budget.spend(budget.available(0))
    due_ms = budget.next_ms(0)
    assert 40 <= due_ms <= 60
    assert budget.available(due_ms) == 1


def test_flight_sends_again_later_and_later() -> None:
    flight = Flight(PACE, lambda: 0.5)
    flight.sent("e", 7, 70, 0)
    assert flight.overdue(9_999) == []
    waits = []
    now_ms = 0
    for _ in range(5):
        due_ms = flight.next_ms()
        assert due_ms is not None
        assert flight.overdue(due_ms) == [("e", 7, 70)]
        waits.append(due_ms - now_ms)
        now_ms = due_ms
        flight.sent("e", 7, 70, now_ms)
    assert waits == [10_000, 20_000, 40_000, 60_000, 60_000]


def test_flight_forgets_what_landed_and_keeps_other_epochs() -> None:
    flight = Flight(PACE, lambda: 0.5)
    for epoch, number in (("a", 1), ("a", 2), ("a", 5), ("b", 1)):
        flight.sent(epoch, number, number, 0)
    flight.landed("a", ((1, 2), (4, 4)))
    assert (("a", 1) in flight, ("a", 5) in flight, ("b", 1) in flight, len(flight)) == (False, True, True, 2)
    flight.forget("a", 5)
    flight.forget("a", 6)
    assert len(flight) == 1
