"""Drafts can be made smaller, and nothing that was in them goes uncounted."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.draft import Draft, given_up, halved, joined, merged, read_draft
from contract.messages import Report, encode
from contract.model import CommandStatus, ContractError, Event, Gap, Outcome
from contract.wire import decode

BASE_MS = 1_795_000_000_000
EPOCH = "0123456789abcdef"
TIMES = st.lists(st.integers(-50_000, 50_000), min_size=1, max_size=30, unique=True).map(sorted)
SERIES = st.dictionaries(
    st.sampled_from(["printer", "laser"]),
    st.dictionaries(
        st.sampled_from(["heat", "speed", "state"]),
        TIMES.map(lambda times: tuple((dt_ms, float(dt_ms)) for dt_ms in times)),
        min_size=1,
    ),
    max_size=2,
)
EVENTS = st.lists(st.builds(Event, st.just("door"), st.integers(0, 10**12)), max_size=3).map(tuple)
OUTCOMES = st.lists(
    st.builds(Outcome, st.just("c-1"), st.sampled_from(list(CommandStatus)), st.integers(0, 10**12)), max_size=3
).map(tuple)
GAPS = st.lists(st.builds(Gap, st.just(5), st.just(9), st.integers(1, 50), st.just("disk-full")), max_size=2).map(tuple)
DRAFTS = st.builds(
    Draft,
    st.integers(BASE_MS, BASE_MS + 10**6),
    series=SERIES,
    outcomes=OUTCOMES,
    events=EVENTS,
    gaps=GAPS,
)


def points(draft: Draft) -> dict[tuple[str, str], list[tuple[int, object]]]:
    """Each series with wall times."""
    return {
        (device, metric): [(draft.base_ms + dt_ms, value) for dt_ms, value in series]
        for device, metrics in draft.series.items()
        for metric, series in metrics.items()
    }


@given(DRAFTS)
def test_draft_survives_the_wire(draft: Draft) -> None:
    payload = encode(draft.numbered(EPOCH, 1, 1))
    assert read_draft(payload) == draft
    assert decode(Report, payload) == draft.numbered(EPOCH, 1, 1)


@given(DRAFTS, st.data())
def test_read_draft_of_anything_else_is_an_error_of_the_contract(draft: Draft, data: st.DataObject) -> None:
    payload = bytearray(encode(draft.numbered(EPOCH, 1, 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ContractError):
        read_draft(bytes(payload))
    with pytest.raises(ContractError):
        read_draft(bytes(payload[: len(payload) // 2]))


@given(DRAFTS)
def test_halved_keeps_the_last_of_each_series_and_counts_the_rest(draft: Draft) -> None:
    half = halved(draft, "outbox-full")
    assert half.count == draft.count
    assert (half.outcomes, half.events) == (draft.outcomes, draft.events)
    for key, before in points(draft).items():
        after = points(half)[key]
        assert after[-1] == before[-1]
        assert len(after) == (len(before) + 1) // 2
        assert set(after) <= set(before)


@given(DRAFTS)
def test_given_up_keeps_outcomes_and_events_and_counts_the_readings(draft: Draft) -> None:
    empty = given_up(draft, "outbox-full")
    assert (empty.readings, empty.count) == (0, draft.count)
    assert (empty.outcomes, empty.events) == (draft.outcomes, draft.events)
    if draft.readings:
        gap = next(gap for gap in empty.gaps if gap.reason == "outbox-full")
        times = [at_ms for series in points(draft).values() for at_ms, _ in series]
        assert (gap.from_ms, gap.to_ms, gap.count) == (min(times), max(times), draft.readings)


@given(DRAFTS, DRAFTS)
def test_merged_loses_nothing_or_declines(early: Draft, late: Draft) -> None:
    together = merged(early, late)
    overlap = any(
        points(early)[key][-1][0] >= points(late)[key][0][0] for key in points(early).keys() & points(late).keys()
    )
    assert (together is None) is overlap
    if together is not None:
        expected = points(early)
        for key, series in points(late).items():
            expected[key] = expected.get(key, []) + series
        assert points(together) == expected
        assert together.count == early.count + late.count
        assert together.events == early.events + late.events


def test_merged_declines_what_is_of_another_boot() -> None:
    assert merged(Draft(1, boot="a"), Draft(2, boot="b")) is None


def test_joined_makes_one_gap_a_reason_as_wide_as_all() -> None:
    gaps = (Gap(5, 9, 2, "a"), Gap(1, 3, 1, "b"), Gap(2, 7, 4, "a"))
    assert joined(gaps) == (Gap(2, 9, 6, "a"), Gap(1, 3, 1, "b"))
