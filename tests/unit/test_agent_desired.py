"""What the controller wants of an agent: whole or not at all, tried, given up, and never in between after a crash."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import desired
from agent.config import load_config
from agent.desired import FILE, MOST_STARTS, NOTHING, DesiredKeeper, Kept, Rejected, read_kept
from agent.devices import keep_secret
from agent.errors import WrongConfig
from contract.desired import DesiredDevice, Rejection
from contract.messages import Config
from contract.model import ContractError

A = Config(1, 1, {"flush_s": 2.0})
B = Config(1, 2, {"flush_s": 2.0, "broker.port": 4711})
C = Config(1, 3, {"flush_s": 3.0})
PATIENCE_MS = 60_000
PROJECTOR = DesiredDevice("projector", "demo/projector", "sim:1", options={"fault_every": 0})


class Desk:
    """A keeper with a clock and an agent.toml of its own; `killed` starts it again from its disk."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.now_ms = 0
        self.told: list[tuple[str, str]] = []
        self.applied: list[Config] = []
        (state / "agent.toml").write_text(
            'school = "a"\nagent = "b"\n[[devices]]\nid = "pc"\nprofile = "demo/projector"\n'
        )
        self.keeper = self._make()

    def _make(self) -> DesiredKeeper:
        return DesiredKeeper(
            self.state,
            lambda kind, detail: self.told.append((kind, detail)),
            objection=self._objection,
            apply=self.applied.append,
            mono_ms=lambda: self.now_ms,
            patience_ms=PATIENCE_MS,
        )

    def _objection(self, config: Config) -> str:
        try:
            load_config(self.state / "agent.toml", self.state, {}).given.under(config)
        except WrongConfig as error:
            return str(error)
        return ""

    def restart(self) -> None:
        self.keeper = self._make()
        self.keeper.begin()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_configuration_is_on_trial_until_the_controller_answers_and_then_the_last_good_one(desk: Desk) -> None:
    desk.keeper.take(A)
    assert (desk.keeper.kept, desk.applied) == (Kept(trial=A, starts=1), [A])
    desk.keeper.reached()
    assert desk.keeper.kept == read_kept(desk.state) == Kept(good=A)
    desk.keeper.take(B)
    assert desk.keeper.kept == Kept(good=A, trial=B, starts=1)
    assert desk.keeper.stand().on_trial
    assert desk.kinds == ["config-taken", "config-in-force", "config-taken"]


def test_configuration_that_cuts_the_agent_off_is_rolled_back_told_and_never_tried_again(desk: Desk) -> None:
    desk.keeper.take(A)
    desk.keeper.reached()
    desk.keeper.take(B)
    desk.now_ms = PATIENCE_MS - 1
    desk.keeper.look("refused")
    assert desk.keeper.kept.in_force == B
    desk.now_ms = PATIENCE_MS
    desk.keeper.look("there is no way to elsewhere:4711")
    assert desk.keeper.kept.in_force == A == desk.applied[-1]
    assert desk.told[-1] == (
        "config-rolled-back", "1.2: no answer from the server within 60 s: there is no way to elsewhere:4711",
    )  # fmt: skip
    stand = desk.keeper.stand()
    assert (stand.number, stand.rejected_number, stand.how) == (1, 2, Rejection.ROLLED_BACK)
    desk.keeper.take(B)
    desk.restart()
    desk.keeper.take(B)
    assert desk.keeper.kept.in_force == A
    desk.keeper.take(C)
    assert desk.keeper.kept.in_force == C


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(1, 9, {"flush_s": 5.0, "broker.hots": "x"}), "broker.hots: not for the controller to set"),
        (Config(1, 9, {"flush_s": 5.0, "broker.port": 0}), "broker.port = 0: must be between 1 and 65535"),
        (Config(1, 9, {"flush_s": "5"}), "flush_s = '5': must be a number"),
        (Config(1, 9, {"outbox.kept_h": True}), "outbox.kept_h = True: must be a whole number"),
        (Config(1, 9, {"broker.host": "a b"}), "broker.host = 'a b': is none"),
        (Config(1, 9, {"controller.url": "ftp://x"}), "controller.url = 'ftp://x': is none"),
        (Config(1, 9, {"flush_s": 5.0}, (DesiredDevice("x", "no/such"),)), "devices.x: no/such"),
    ],
)
def test_configuration_with_one_bad_word_is_refused_whole(desk: Desk, config: Config, said: str) -> None:
    desk.keeper.take(A)
    desk.keeper.reached()
    desk.keeper.take(config)
    assert desk.keeper.kept.good == A == desk.applied[-1]
    assert desk.told[-1][0] == "config-refused"
    assert said in desk.keeper.stand().reason
    assert desk.keeper.stand().how == Rejection.REFUSED


def test_devices_alone_are_no_trial_and_going_back_to_the_last_good_settings_ends_one(desk: Desk) -> None:
    desk.keeper.take(A)
    desk.keeper.reached()
    more = Config(1, 2, A.settings, (PROJECTOR,))
    desk.keeper.take(more)
    assert desk.keeper.kept == Kept(good=more)
    desk.keeper.take(Config(1, 3, B.settings, (PROJECTOR,)))
    back = Config(1, 4, A.settings)
    desk.keeper.take(back)
    assert desk.keeper.kept == Kept(good=back)


def _take(desk: Desk) -> None:
    desk.keeper.take(B)


def _prove(desk: Desk) -> None:
    desk.keeper.reached()


def _give_up(desk: Desk) -> None:
    desk.now_ms += PATIENCE_MS
    desk.keeper.look("silence")


def _refuse(desk: Desk) -> None:
    desk.keeper.take(Config(1, 3, {"no": 1}))


def _start(desk: Desk) -> None:
    desk.restart()


@pytest.mark.parametrize("on_trial", [False, True])
@pytest.mark.parametrize("step", [_take, _prove, _give_up, _refuse, _start])
@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_kill_at_any_moment_leaves_the_state_before_or_after_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: Callable[[Desk], None], moment: str, on_trial: bool
) -> None:
    """The process ends inside the write of each step: before it, with a draft half written, or after it."""
    desk.keeper.take(A)
    desk.keeper.reached()
    if on_trial:
        desk.keeper.take(B)
    real = desired.write_kept
    states = [desk.keeper.kept]

    class Killed(BaseException):
        """Nothing of the process goes on."""

    def dying(state: Path, kept: Kept) -> None:
        if moment == "half":
            (state / f".{FILE}.new").write_text('{"good": {"gener')
        if moment == "after":
            real(state, kept)
        states.append(kept)
        raise Killed

    monkeypatch.setattr(desired, "write_kept", dying)
    with contextlib.suppress(Killed):
        step(desk)
    monkeypatch.setattr(desired, "write_kept", real)
    assert read_kept(desk.state) == (states[-1] if moment == "after" else states[0])
    desk.restart()
    assert desk.keeper.kept.in_force in (A, B)
    desk.keeper.take(Config(1, 4, {"flush_s": 4.0}))
    desk.keeper.reached()
    assert read_kept(desk.state).good.number == 4


def test_agent_that_dies_under_a_trial_gives_it_up_after_some_starts(desk: Desk) -> None:
    desk.keeper.take(A)
    desk.keeper.reached()
    desk.keeper.take(B)
    for _ in range(MOST_STARTS - 1):
        desk.restart()
        assert desk.keeper.kept.in_force == B
    desk.restart()
    assert desk.keeper.kept.in_force == A
    assert desk.told[-1][0] == "config-rolled-back"
    assert "started 3 times" in desk.told[-1][1]


def test_disk_that_takes_nothing_keeps_what_is_and_still_lets_the_agent_go_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as disk:
        disk.setattr(desired, "replace_file", full)
        desk.keeper.take(A)
        assert desk.keeper.kept.in_force == NOTHING
    desk.keeper.take(B)
    with monkeypatch.context() as disk:
        disk.setattr(desired, "replace_file", full)
        desk.now_ms += PATIENCE_MS
        desk.keeper.look("silence")
        assert desk.keeper.kept.in_force == NOTHING == desk.applied[-1]
        desk.keeper.look("silence")
    desk.keeper.look("")
    assert read_kept(desk.state) == desk.keeper.kept
    assert desk.keeper.kept.rejected == Rejected(1, 2, "rolled-back", desk.keeper.kept.rejected.reason)
    assert desk.kinds.count("config-not-written") == 2  # once each time


def test_digest_names_the_content_and_not_its_number(desk: Desk) -> None:
    assert Config(1, 1, {"flush_s": 2}).digest == Config(2, 7, {"flush_s": 2.0}).digest
    assert Config(1, 1, A.settings).digest != Config(1, 1, A.settings, (PROJECTOR,)).digest
    desk.keeper.take(A)
    assert desk.keeper.stand().digest == A.digest
    assert json.loads((desk.state / FILE).read_text())["trial"]["number"] == 1


def test_secret_of_an_adopted_device_lies_with_the_agent_alone(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('school = "a"\nagent = "b"\n')
    given = load_config(tmp_path / "agent.toml", tmp_path, {}).given
    wanted = Config(1, 1, {}, (DesiredDevice("printer", "klipper/printer", "http://p", options={"reply_s": 3.0}),))
    keep_secret(tmp_path, "printer", "key", "sekret")
    keep_secret(tmp_path, "printer", "auth_password", "more")
    assert given.under(wanted).devices[0].options == {"reply_s": 3.0, "key": "sekret", "auth_password": "more"}
    keep_secret(tmp_path, "printer", "key", "")
    assert given.under(wanted).devices[0].options == {"reply_s": 3.0, "auth_password": "more"}
    assert (tmp_path / "secrets" / "printer.json").stat().st_mode & 0o077 == 0
    for device, option in (("printer", "reply_s"), ("../printer", "key"), ("printer", "../key")):
        with pytest.raises(ContractError):
            keep_secret(tmp_path, device, option, "x")
    (tmp_path / "secrets" / "printer.json").write_text('{"reply_s": 1}')
    with pytest.raises(WrongConfig, match="must hold secret options"):
        given.under(wanted)
    assert given.under_what_can_be(wanted).devices == ()
