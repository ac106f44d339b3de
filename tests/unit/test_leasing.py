"""One lease a booking and machine: what is granted, changed and taken back when bookings change."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.scheduling.leasing import Given, Need, changes

HOUR = 3_600_000
HERS = Need("b1", 1, "ha", 2 * HOUR, 3 * HOUR, hazard=1)
GRANTED = Given("b1-1-1", HERS)


def test_booking_gets_its_lease_once() -> None:
    assert changes([HERS], []).begin == (HERS,)
    assert not changes([HERS], [GRANTED])


def test_each_machine_of_a_booking_gets_a_lease() -> None:
    second = replace(HERS, device_id=2)
    assert changes([HERS, second], [GRANTED]).begin == (second,)


def test_booking_that_is_gone_loses_its_lease() -> None:
    found = changes([], [GRANTED])
    assert (found.begin, found.end) == ((), ("b1-1-1",))


def test_moved_booking_gets_another_lease() -> None:
    moved = replace(HERS, until_ms=4 * HOUR)
    found = changes([moved], [GRANTED])
    assert (found.begin, found.amend, found.end) == ((moved,), (), ("b1-1-1",))


def test_substitute_and_supervisor_change_the_lease_in_place() -> None:
    for taken in (replace(HERS, holder="duc"), replace(HERS, supervised=True), replace(HERS, hazard=3)):
        found = changes([taken], [GRANTED])
        assert (found.begin, found.amend, found.end) == ((), (Given("b1-1-1", taken),), ())


def test_book_has_no_more_leases_than_fit_and_the_nearest_first() -> None:
    needs = [replace(HERS, booking_id=f"b{hour}", from_ms=hour * HOUR, until_ms=(hour + 1) * HOUR) for hour in range(9)]
    assert changes(reversed(needs), [], most=3).begin == tuple(needs[:3])
    far = Given("b8-1-1", needs[8])
    assert changes(needs, [far], most=3).end == ("b8-1-1",)


needs_drawn = st.builds(
    Need,
    booking_id=st.sampled_from(["a", "b", "c"]),
    device_id=st.integers(1, 2),
    holder=st.sampled_from(["ha", "duc"]),
    from_ms=st.sampled_from([0, HOUR]),
    until_ms=st.sampled_from([2 * HOUR, 3 * HOUR]),
    supervised=st.booleans(),
)


@given(st.lists(needs_drawn, unique_by=lambda need: need.key), st.lists(needs_drawn))
def test_after_the_changes_there_is_exactly_what_is_needed(needs: list[Need], before: list[Need]) -> None:
    have = {f"lease-{number}": need for number, need in enumerate(before)}
    found = changes(needs, [Given(name, need) for name, need in have.items()])
    for name in found.end:
        del have[name]
    for each in found.amend:
        assert have[each.name].span_ms == each.need.span_ms
        have[each.name] = each.need
    after = [*have.values(), *found.begin]
    assert sorted(after, key=str) == sorted(needs, key=str)
