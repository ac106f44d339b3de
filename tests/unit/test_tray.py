"""Files between look and apply: for their sender alone, and for an hour."""

from pathlib import Path

import pytest

from controller.timetable.tray import KEEP_MS, MOST, Sent, Tray


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tray(tmp_path: Path, clock: Clock) -> Tray:
    return Tray(tmp_path / "imports", clock)


def sent(content: bytes = b"a;b\n\xff\n") -> Sent:
    return Sent("u1", "an-phu", "bells", "giờ.csv", content)


def test_a_file_is_found_by_its_sender_until_it_is_removed(tray: Tray) -> None:
    token = tray.put(sent())
    assert tray.find(token, "u1") == sent()
    assert tray.find(token, "u2") is None
    tray.remove(token)
    assert tray.find(token, "u1") is None


def test_nothing_else_is_reached_by_a_token(tray: Tray, tmp_path: Path) -> None:
    tray.put(sent())
    (tmp_path / "secret").write_bytes(b'[0,"u1","","",""]\n')
    for token in ("../secret", "", "0" * 32, "secret"):
        assert tray.find(token, "u1") is None
        tray.remove(token)
    assert (tmp_path / "secret").exists()


def test_after_an_hour_it_is_gone_from_sight_and_with_the_next_one_from_disk(
    tray: Tray, clock: Clock, tmp_path: Path
) -> None:
    token = tray.put(sent())
    clock.ms += KEEP_MS
    assert tray.find(token, "u1") is None
    fresh = tray.put(sent())
    assert [each.name for each in (tmp_path / "imports").iterdir()] == [fresh]


def test_of_too_many_the_oldest_go(tray: Tray, clock: Clock, tmp_path: Path) -> None:
    tokens = []
    for _ in range(MOST + 3):
        clock.ms += 1
        tokens.append(tray.put(sent()))
    assert {each.name for each in (tmp_path / "imports").iterdir()} == set(tokens[3:])
