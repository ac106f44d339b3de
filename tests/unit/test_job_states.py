"""The states of a print job: what leads where, and that everything ends."""

from hypothesis import given
from hypothesis import strategies as st

from controller.jobs.states import NEXT, JobState
from controller.jobs.store import ACTIVE, OPEN


def test_every_state_has_its_next_ones() -> None:
    assert set(NEXT) == set(JobState)


def test_the_last_six_are_final() -> None:
    assert [state for state in JobState if state.final] == list(JobState)[-6:]
    assert list(OPEN) == list(JobState)[:-6]


def test_nothing_prints_that_was_not_checked_and_released() -> None:
    assert [state for state in JobState if JobState.WAITING in NEXT[state]] == [JobState.CHECKING, JobState.RELEASED]
    assert [state for state in JobState if JobState.RELEASED in NEXT[state]] == [JobState.WAITING]
    assert [state for state in JobState if JobState.PRINTING in NEXT[state]] == [JobState.RELEASED]
    assert ACTIVE == (JobState.RELEASED, JobState.PRINTING)


@given(st.data())
def test_whatever_happens_an_end_stays_within_reach_and_is_for_good(data: st.DataObject) -> None:
    state = JobState.CHECKING
    for _ in range(30):
        if state.final:
            assert not NEXT[state]
            return
        assert any(after.final for after in NEXT[state])
        state = data.draw(st.sampled_from(sorted(NEXT[state])))
