"""Frames of the stream and the channels that share them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from controller.fleet import frames
from controller.fleet.frames import KEPT, Channel


def told(frame: bytes) -> tuple[str, dict[str, object]]:
    first, second, *rest = frame.decode().split("\n")
    assert rest == ["", ""]
    return first.removeprefix("event: "), json.loads(second.removeprefix("data: "))


def test_frame_of_devices_is_one_event_with_rows() -> None:
    rows = [frames.row(1, "ok", 21.5, 1_000), frames.row(2, "offline", None, 0), frames.row(3, "fault", "đỏ\n", 5)]

    assert told(frames.devices("snapshot", 7, rows, broker=True)) == (
        "snapshot",
        {
            "at": 7,
            "broker": True,
            "devices": [[1, "ok", 21.5, 1_000], [2, "offline", None, None], [3, "fault", "đỏ\n", 5]],
        },
    )


def test_frame_says_the_brokers_state_only_when_it_is_given() -> None:
    assert told(frames.devices("delta", 7, [], broker=None)) == ("delta", {"at": 7, "devices": []})
    assert told(frames.devices("delta", 7, [], broker=False))[1]["broker"] is False


def test_frame_of_one_device_has_its_values_by_metric() -> None:
    frame = frames.device(4, "ok", 9, {"cpu": (8, True, "good"), "note": (9, None, "bad")})

    assert told(frame) == (
        "device",
        {"id": 4, "state": "ok", "heard": 9, "values": {"cpu": [8, True, "good"], "note": [9, None, "bad"]}, "turn": 0},
    )


def test_beat_says_the_time_alone() -> None:
    assert told(frames.beat(12)) == ("beat", {"at": 12})


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=60))
def test_listener_gets_every_frame_in_order_or_is_told_to_catch_up(steps: list[int | None]) -> None:
    """Steps: publish that many frames, or (None) have the listener look."""
    channel, number, published, heard = Channel(0), 0, 0, 0
    for step in steps:
        if step is not None:
            for _ in range(step):
                published += 1
                channel.publish(b"%d " % published, published)
            continue
        news = channel.since(number)
        if news is None:
            assert published - heard > KEPT
            number = heard = channel.number
        else:
            number, data = news
            assert [int(part) for part in data.split()] == list(range(heard + 1, published + 1))
            heard = published
    assert channel.number == published
