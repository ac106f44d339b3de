"""The agent's sense of time, and when it may be trusted."""

from pathlib import Path

from agent.clock import Anchor, Clock, Jump, boot_id, monotonic_ms, ntp_holds, synchronised
from agent.clock_keeper import FILE, ClockKeeper

YEAR_MS = 365 * 86_400_000


class Hands:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self) -> None:
        self.wall_ms = 1_795_000_000_000
        self.mono_ms = 50_000

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.mono_ms += ms

    def clock(self, *, trusted: bool = False, vouched: bool = False) -> Clock:
        return Clock(lambda: self.wall_ms, lambda: self.mono_ms, "boot", lambda: trusted, lambda: vouched)


def test_clock_tells_a_jump_once_with_its_size() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.pass_ms(10_000)
    assert clock.jump() is None
    hands.wall_ms += YEAR_MS
    assert clock.jump() == Jump(hands.wall_ms, YEAR_MS)
    assert clock.jump() is None
    hands.wall_ms -= 2 * YEAR_MS
    assert clock.jump() == Jump(hands.wall_ms, -2 * YEAR_MS)


def test_clock_takes_slewing_for_no_jump() -> None:
    hands = Hands()
    clock = hands.clock()
    for _ in range(100):
        hands.pass_ms(5_000)
        hands.wall_ms += 1_000
        assert clock.jump() is None


def test_clock_is_certain_once_the_controller_was_heard() -> None:
    hands = Hands()
    clock = hands.clock()
    assert (clock.certain, clock.offset_ms) == (False, None)
    clock.heard(hands.wall_ms + 7_000)
    assert (clock.certain, clock.offset_ms) == (True, 7_000)


def test_clock_is_certain_when_the_system_vouches_for_it() -> None:
    assert Hands().clock(trusted=True).certain


def test_clock_follows_the_controller_across_a_jump_of_its_own() -> None:
    hands = Hands()
    clock = hands.clock()
    truth_ms = hands.wall_ms
    clock.heard(truth_ms)
    hands.wall_ms += YEAR_MS
    hands.pass_ms(1_000)
    assert clock.true_ms() == truth_ms + 1_000
    assert clock.now_ms() == truth_ms + YEAR_MS + 1_000
    assert clock.offset_ms == -YEAR_MS


def test_clock_without_a_controller_believes_the_system() -> None:
    hands = Hands()
    assert hands.clock().true_ms() == hands.wall_ms


def test_clock_that_was_set_without_a_controller_keeps_its_time_and_is_uncertain_until_it_is_set_back() -> None:
    hands = Hands()
    clock = hands.clock(trusted=True)
    truth_ms = hands.wall_ms
    hands.wall_ms += YEAR_MS
    assert (clock.true_ms(), clock.certain) == (truth_ms, False), "before anybody looked for jumps"
    assert clock.jump()
    hands.pass_ms(60_000)
    assert clock.jump() is None
    assert (clock.true_ms(), clock.certain) == (truth_ms + 60_000, False)
    hands.wall_ms -= YEAR_MS
    assert clock.jump()
    assert (clock.true_ms(), clock.certain) == (hands.wall_ms, True)


def test_clock_that_ntp_sets_is_followed() -> None:
    hands = Hands()
    clock = hands.clock(trusted=True, vouched=True)
    hands.wall_ms += YEAR_MS
    assert clock.jump()
    assert (clock.true_ms(), clock.certain) == (hands.wall_ms, True)


def test_clock_that_slews_is_followed() -> None:
    hands = Hands()
    clock = hands.clock(trusted=True)
    for _ in range(100):
        hands.pass_ms(5_000)
        hands.wall_ms += 1_000
        clock.jump()
    assert (clock.true_ms(), clock.certain) == (hands.wall_ms, True)


def test_clock_of_a_restarted_agent_goes_on_from_what_was_known_in_this_boot(tmp_path: Path) -> None:
    hands = Hands()
    clock = hands.clock()
    truth_ms = hands.wall_ms + 7_000
    clock.heard(truth_ms)
    ClockKeeper(tmp_path, "boot").keep(clock.anchor)

    hands.wall_ms += YEAR_MS
    known = ClockKeeper(tmp_path, "boot").known
    assert known == Anchor(truth_ms - hands.mono_ms, heard=True)
    again = hands.clock()
    again.resume(known)
    assert (again.true_ms(), again.certain) == (truth_ms, True)
    assert ClockKeeper(tmp_path, "next boot").known is None


def test_clock_that_is_set_while_the_agent_is_down_is_not_believed(tmp_path: Path) -> None:
    hands = Hands()
    truth_ms = hands.wall_ms
    ClockKeeper(tmp_path, "boot").keep(hands.clock().anchor)
    hands.wall_ms += YEAR_MS
    known = ClockKeeper(tmp_path, "boot").known
    assert known
    again = hands.clock(trusted=True)
    again.resume(known)
    assert again.jump() == Jump(hands.wall_ms, YEAR_MS)
    assert (again.true_ms(), again.certain) == (truth_ms, False)


def test_time_is_written_down_only_when_it_says_something_new(tmp_path: Path) -> None:
    keeper = ClockKeeper(tmp_path, "boot")
    keeper.keep(Anchor(1_000_000))
    written = (tmp_path / FILE).stat().st_mtime_ns
    keeper.keep(Anchor(1_001_000))
    assert (tmp_path / FILE).stat().st_mtime_ns == written
    keeper.keep(Anchor(1_001_000, heard=True))
    assert ClockKeeper(tmp_path, "boot").known == Anchor(1_001_000, heard=True)
    (tmp_path / FILE).write_bytes(b"{")
    assert ClockKeeper(tmp_path, "boot").known is None


def test_system_clocks_answer() -> None:
    assert monotonic_ms() <= monotonic_ms()
    assert boot_id() == boot_id() != ""
    assert synchronised() in (True, False)
    assert ntp_holds() in (True, False)
