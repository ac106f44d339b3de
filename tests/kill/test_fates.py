"""The reckoning of commands finds what must not be."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kill.fates import Fate, Watch, wrongs
from tests.kill.lab import heat, produce, show, stop

NOWHERE = Path("not/started")
ORDER = show("projector", 3)
LINE = (ORDER.machine, ORDER.line)
DONE = Fate("c-1", ORDER, "done", steps={"queued": 1, "sent": 2, "accepted": 3, "running": 3, "done": 4}, times=1)
REFUSED = Fate("c-1", ORDER, "refused", steps={"queued": 1, "sent": 2, "refused": 3})


def found(fate: Fate, *carried_out: tuple[str, str]) -> str:
    return "\n".join(wrongs([fate], carried_out))


def test_reckoning_finds_nothing_wrong_with_what_went_as_it_should() -> None:
    expired = Fate("c-1", ORDER, "expired", told=False, steps={"queued": 1, "expired": 2})
    unknown = replace(DONE, status="unknown", steps={"queued": 1, "sent": 2, "accepted": 3, "unknown": 4})

    assert found(DONE, LINE) == found(REFUSED) == found(expired) == ""
    assert found(replace(DONE, steps={**DONE.steps, "unknown": 9}), LINE) == "", "given up, and heard of after all"
    assert found(unknown, LINE) == found(replace(unknown, times=0)) == ""
    assert found(replace(DONE, order=stop("printer"), times=0)) == ""


@pytest.mark.parametrize(
    ("status", "times"), [("done", 0), ("done", 2), ("refused", 1), ("expired", 1), ("failed", 2), ("unknown", 2)]
)
def test_reckoning_finds_what_was_carried_out_too_often_or_not_at_all(status: str, times: int) -> None:
    fate = replace(DONE, status=status, steps={"queued": 1, "sent": 2, status: 3}, times=times)

    assert f"is {status} and was carried out {times} times" in found(fate)


def test_reckoning_lets_a_print_be_done_once_its_machine_hears_it_and_finds_two_of_them() -> None:
    fate = replace(DONE, order=produce("printer", 7))

    assert found(replace(fate, times=0)) == ""
    assert "carried out 2 times" in found(replace(fate, times=2))


def test_reckoning_finds_what_nobody_asked_for() -> None:
    assert "nobody asked for" in found(DONE, LINE, ("printer", heat("printer", 1).line))


@pytest.mark.parametrize("status", ["queued", "sent", "accepted", "running"])
def test_reckoning_finds_what_hangs(status: str) -> None:
    assert f"is {status} for ever" in found(replace(DONE, status=status))


@pytest.mark.parametrize(
    "steps",
    [
        {"sent": 2, "done": 4},
        {"queued": 1, "sent": 2, "running": 3},
        {"queued": 1, "sent": 2, "failed": 3, "done": 4},
    ],
)
def test_reckoning_finds_a_way_that_does_not_lead_to_the_end(steps: dict[str, int]) -> None:
    assert "by the way of" in found(replace(DONE, steps=steps))


def test_reckoning_finds_a_way_back() -> None:
    assert "went back" in found(replace(DONE, steps={"queued": 1, "sent": 5, "done": 4}))


def test_reckoning_does_not_believe_what_no_agent_said() -> None:
    assert "never said so" in found(replace(DONE, told=False))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("sent", False), ("queued", False)),
        (("running", False), ("accepted", False)),
        (("done", True), ("failed", True)),
    ],
)
def test_watch_notes_a_command_that_goes_back(before: tuple[str, bool], after: tuple[str, bool]) -> None:
    watch = Watch(NOWHERE)
    watch.look("c-1", *before)
    watch.look("c-1", *after)

    assert watch.wrongs == [f"c-1 was {before[0]} and is {after[0]}"]


def test_watch_lets_a_conclusion_give_way_to_the_agents_word() -> None:
    watch = Watch(NOWHERE)
    for status, told in (("sent", False), ("unknown", False), ("accepted", False), ("done", True)):
        watch.look("c-1", status, told)

    assert (watch.wrongs, watch.changes) == ([], 4)
