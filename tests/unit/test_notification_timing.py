"""When notifications are sent: quiet hours over midnight, full jitter, and the pace of a channel."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from controller.notifications import timing
from controller.notifications.timing import CHANNEL_PACE, MINUTES, Quiet
from controller.notifications.topics import TOPIC_OF, matters_by_ms

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NIGHT = Quiet(21 * 60, 6 * 60)
instants = some.integers(1_600_000_000_000, 2_000_000_000_000)
minutes = some.integers(0, MINUTES - 1)
quiets = some.builds(Quiet, minutes, minutes)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


def minute(at_ms: int) -> int:
    there = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE)
    return there.hour * 60 + there.minute


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        ("2026-11-23T20:59", "2026-11-23T20:59"),
        ("2026-11-23T21:00", "2026-11-24T06:00"),
        ("2026-11-24T00:30", "2026-11-24T06:00"),
        ("2026-11-24T06:00", "2026-11-24T06:00"),
    ],
)
def test_quiet_hours_over_midnight_hold_back_until_they_end(now: str, sent: str) -> None:
    assert timing.quiet_until_ms(at(now), NIGHT, ZONE) == at(sent)


@given(instants, quiets)
def test_quiet_hours_end_within_a_day_and_what_they_end_with_is_not_quiet(now_ms: int, quiet: Quiet) -> None:
    ends_ms = timing.quiet_until_ms(now_ms, quiet, ZONE)
    assert now_ms <= ends_ms <= now_ms + 86_400_000
    assert timing.quiet_until_ms(ends_ms, quiet, ZONE) == ends_ms
    if ends_ms > now_ms:
        assert minute(ends_ms) == quiet.until_min
        before_ms = ends_ms - 60_000
        assert before_ms < now_ms or timing.quiet_until_ms(before_ms, quiet, ZONE) == ends_ms


@given(instants, quiets, some.integers(-86_400_000, 2 * 86_400_000))
def test_news_waits_unless_it_would_no_longer_matter(now_ms: int, quiet: Quiet, ahead_ms: int) -> None:
    matters_ms = now_ms + ahead_ms
    due_ms = timing.due_ms(now_ms, quiet, ZONE, matters_ms)
    ends_ms = timing.quiet_until_ms(now_ms, quiet, ZONE)
    assert due_ms in (now_ms, ends_ms)
    if due_ms == ends_ms > now_ms:
        assert matters_ms > ends_ms or matters_ms <= now_ms
    assert timing.due_ms(now_ms, quiet, ZONE, None) == ends_ms
    assert timing.due_ms(now_ms, None, ZONE, matters_ms) == now_ms


@given(some.integers(1, 10_000), some.floats(0, 1))
def test_attempts_are_spread_over_ever_longer_times_up_to_an_hour(attempts: int, chance: float) -> None:
    whole_ms = timing.again_ms(attempts, 1.0)
    assert timing.FIRST_MS <= whole_ms <= timing.LONGEST_MS
    assert 0 <= timing.again_ms(attempts, chance) <= whole_ms
    assert timing.again_ms(attempts, 0.0) == 0
    assert timing.again_ms(attempts + 1, 1.0) >= whole_ms


@given(some.lists(some.integers(0, 10 * CHANNEL_PACE.each_ms), max_size=80))
def test_a_channel_takes_a_burst_and_then_one_a_minute(waits_ms: list[int]) -> None:
    now_ms, mark_ms, sent = 1_800_000_000_000, 0, []
    for wait_ms in waits_ms:
        now_ms += wait_ms
        found = CHANNEL_PACE.after_ms(mark_ms, now_ms)
        assert (found is not None) is (mark_ms <= CHANNEL_PACE.open_ms(now_ms))
        if found is not None:
            mark_ms = found
            sent.append(now_ms)
    for place, first_ms in enumerate(sent):
        for more, last_ms in enumerate(sent[place:], 1):
            assert more <= CHANNEL_PACE.burst + (last_ms - first_ms) // CHANNEL_PACE.each_ms


def test_a_burst_is_let_through_at_once() -> None:
    mark_ms, now_ms = 0, 1_800_000_000_000
    for _ in range(CHANNEL_PACE.burst):
        found = CHANNEL_PACE.after_ms(mark_ms, now_ms)
        assert found is not None
        mark_ms = found
    assert CHANNEL_PACE.after_ms(mark_ms, now_ms) is None
    assert CHANNEL_PACE.after_ms(mark_ms, now_ms + CHANNEL_PACE.each_ms) is not None


def test_a_minute_outside_of_the_day_is_no_quiet_hour() -> None:
    with pytest.raises(ValueError, match="minute"):
        Quiet(0, MINUTES)


def test_what_is_about_a_booking_matters_until_it_begins_and_an_offer_until_it_runs_out() -> None:
    assert matters_by_ms("booking-cancelled", {"start_ms": 5}) == 5
    assert matters_by_ms("waitlist-offer", {"start_ms": 9, "until_ms": 7}) == 7
    assert matters_by_ms("job-failed", {"start_ms": 5}) is None
    assert all(matters_by_ms(kind, {}) is None for kind in TOPIC_OF)
