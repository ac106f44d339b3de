"""The agent's sense of time, and when it may be trusted."""

from agent.clock import Clock, Jump, boot_id, monotonic_ms, synchronised

YEAR_MS = 365 * 86_400_000


class Hands:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self) -> None:
        self.wall_ms = 1_795_000_000_000
        self.mono_ms = 50_000

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.mono_ms += ms

    def clock(self, *, trusted: bool = False) -> Clock:
        return Clock(lambda: self.wall_ms, lambda: self.mono_ms, "boot", lambda: trusted)


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


def test_system_clocks_answer() -> None:
    assert monotonic_ms() <= monotonic_ms()
    assert boot_id() == boot_id() != ""
    assert synchronised() in (True, False)
