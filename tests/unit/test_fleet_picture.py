"""The fleet in memory: what changes when rows and values come, and when time passes."""

import pytest

from contract.messages import BridgeState
from contract.model import Quality, Value
from controller.alerts.rules import DeviceState
from controller.fleet.picture import (
    AgentRow,
    DeclaredMetric,
    DeviceRow,
    LatestRow,
    Picture,
    RoomRow,
    Roster,
    SchoolRow,
    search,
)
from controller.scope import CLUSTER, Scope
from device_profiles.profile import DeviceProfile, parse

NOW = 1_800_000_000_000
PROFILE = parse(
    "test/pc",
    """
name = "PC"
label = { en = "PC", vi = "Máy tính" }
family = "computer"
bridge = "host"
enforces = "none"
source = "made for the tests"

[metrics.cpu]
label = { en = "Load", vi = "Tải" }
unit = "%"
kind = "float"
heartbeat_s = 60.0
chart = true

[[alerts]]
metric = "cpu"
level = "warning"
label = { en = "Busy", vi = "Bận" }
above = 90.0
for_s = 30.0
""",
)
DECLARED = {"uptime": DeclaredMetric("h", "float"), "cpu": DeclaredMetric("%", "float")}


def agent(number: int = 1, school: str = "a", presence: str = "online", offset_ms: int = 0) -> AgentRow:
    return AgentRow(number, school, f"agent-{number}", presence, NOW - 5_000, NOW, offset_ms, revoked=False)


def device(
    number: int, agent_id: int = 1, school: str = "a", state: str = BridgeState.OPEN, name: str = ""
) -> DeviceRow:
    shown = name or f"PC {number}"
    slug, profile, digest = f"pc-{number}", "test/pc", "d1"
    return DeviceRow(number, school, agent_id, 1, slug, shown, profile, digest, "", state, NOW, "", True, DECLARED)


def roster(*devices: DeviceRow, agents: tuple[AgentRow, ...] = (), latest: tuple[LatestRow, ...] = ()) -> Roster:
    schools = (SchoolRow("a", "THCS An Phú", "AP"), SchoolRow("b", "THPT Bình Minh", "BM"))
    rooms = (RoomRow(1, "a", "p1", "Phòng 1"),)
    return Roster(schools, rooms, agents or (agent(),), devices, latest)


def profile_for(slug: str) -> DeviceProfile | None:
    return PROFILE if slug == "test/pc" else None


@pytest.fixture
def picture() -> Picture:
    """Two devices of one agent, with the broker reached."""
    made = Picture(profile_for)
    made.replace(roster(device(1), device(2)))
    made.set_broker(True, NOW)
    made.rejudge(NOW)
    return made


def states(picture: Picture) -> list[DeviceState]:
    return [tile.verdict.state for tile in picture.select(CLUSTER)]


def say(picture: Picture, value: Value | None, device_id: int = 1, at_ms: int = NOW) -> None:
    picture.value(device_id, "cpu", at_ms, value, at_ms)


def test_picture_changes_only_the_device_that_spoke(picture: Picture) -> None:
    say(picture, 12.5)

    assert [tile.row.id for tile in picture.rejudge(NOW)] == [1]
    assert picture.rejudge(NOW) == []
    view = picture.view(picture.tiles[1])
    assert (view.value, view.unit, view.metric, view.heard_ms) == (12.5, "%", "cpu", NOW)


def test_picture_ignores_history_that_comes_late(picture: Picture) -> None:
    say(picture, 12.5)
    say(picture, 99.0, at_ms=NOW - 60_000)
    picture.rejudge(NOW)

    assert picture.tiles[1].value == 12.5


def test_picture_judges_again_when_time_is_up_without_any_news(picture: Picture) -> None:
    say(picture, 95.0)
    picture.rejudge(NOW)
    assert states(picture)[0] is DeviceState.OK

    assert picture.rejudge(NOW + 29_999) == []
    (changed,) = picture.rejudge(NOW + 30_000)
    assert (changed.row.id, changed.verdict.state, changed.since_ms) == (1, DeviceState.WARNING, NOW)


def test_picture_says_offline_when_nothing_was_heard_for_longer_than_expected(picture: Picture) -> None:
    say(picture, 1.0)
    picture.rejudge(NOW)

    changed = picture.rejudge(NOW + 135_000)

    assert {tile.row.id for tile in changed} == {1, 2}
    assert states(picture) == [DeviceState.OFFLINE] * 2
    assert picture.tiles[1].verdict.reasons[0].code == "silent"


def test_picture_blames_nobody_for_silence_while_the_broker_is_away(picture: Picture) -> None:
    say(picture, 1.0)
    picture.set_broker(False, NOW)

    picture.rejudge(NOW + 3_600_000)
    assert states(picture) == [DeviceState.OK] * 2
    assert picture.quality(picture.tiles[1], "cpu", NOW) is Quality.STALE

    picture.set_broker(True, NOW + 3_600_000)
    picture.rejudge(NOW + 3_600_000 + 134_999)
    assert states(picture) == [DeviceState.OK] * 2
    picture.rejudge(NOW + 3_600_000 + 135_000)
    assert states(picture) == [DeviceState.OFFLINE] * 2


def test_picture_counts_one_cause_when_an_agent_is_gone(picture: Picture) -> None:
    picture.replace(roster(device(1), device(2), agents=(agent(presence="offline"),)))
    picture.rejudge(NOW)

    (cause,) = picture.attention(CLUSTER)
    assert cause.by_agent
    assert (cause.state, cause.since_ms, len(cause.devices)) == (DeviceState.OFFLINE, NOW - 5_000, 2)


def test_picture_lists_the_most_severe_and_newest_first(picture: Picture) -> None:
    picture.replace(roster(device(1, state=BridgeState.LOST), device(2)))
    say(picture, 95.0, device_id=2, at_ms=NOW)
    picture.rejudge(NOW + 30_000)

    assert [(each.state, each.devices[0].id) for each in picture.attention(CLUSTER)] == [
        (DeviceState.OFFLINE, 1),
        (DeviceState.WARNING, 2),
    ]


def test_picture_reckons_with_an_agents_wrong_clock() -> None:
    made = Picture(profile_for)
    made.replace(roster(device(1), agents=(agent(offset_ms=-600_000),)))
    made.set_broker(True, NOW)

    made.value(1, "cpu", NOW - 600_000, 5.0, NOW)
    made.rejudge(NOW)

    assert made.tiles[1].heard_ms == NOW
    assert made.quality(made.tiles[1], "cpu", NOW) is Quality.GOOD


def test_picture_never_hears_from_the_future() -> None:
    made = Picture(profile_for)
    made.replace(roster(device(1)))
    made.value(1, "cpu", NOW + 900_000, 5.0, NOW)

    assert made.tiles[1].heard_ms == NOW


def test_picture_keeps_values_when_a_device_is_renamed(picture: Picture) -> None:
    say(picture, 12.5)
    picture.replace(roster(device(1, name="Máy mới"), device(2)))
    picture.rejudge(NOW)

    assert picture.view(picture.tiles[1]).value == 12.5
    assert [tile.row.id for tile in search(picture.select(CLUSTER), "may moi")] == [1]


def test_picture_takes_latest_values_along_with_the_rows() -> None:
    made = Picture(profile_for)
    made.replace(roster(device(1), latest=(LatestRow(1, "cpu", NOW, 33.0, NOW),)))

    assert made.tiles[1].value == 33.0


def test_picture_shows_a_school_what_is_its_own() -> None:
    made = Picture(profile_for)
    made.replace(roster(device(1), device(2, 2, "b"), agents=(agent(), agent(2, "b"))))

    assert [tile.row.id for tile in made.select(Scope("b"))] == [2]
    assert [tile.row.id for tile in made.select(CLUSTER)] == [1, 2]
    assert list(made.select(Scope(""))) == []


def test_picture_orders_names_as_people_count() -> None:
    made = Picture(profile_for)
    made.replace(roster(device(1, name="PC 10"), device(2, name="PC 2"), device(3, name="Đèn")))

    assert [tile.row.name for tile in made.select(CLUSTER)] == ["Đèn", "PC 2", "PC 10"]


def test_picture_lists_declared_metrics_that_have_no_value_yet(picture: Picture) -> None:
    say(picture, 12.5)
    picture.rejudge(NOW)

    values = picture.values(picture.tiles[1], NOW)

    assert [(each.metric, each.value, each.quality, each.unit) for each in values] == [
        ("cpu", 12.5, Quality.GOOD, "%"),
        ("uptime", None, Quality.BAD, "h"),
    ]


def test_picture_does_not_grow_with_the_number_of_values(picture: Picture) -> None:
    for step in range(5_000):
        say(picture, 95.0 if step % 2 else 10.0, at_ms=NOW + step)
        picture.rejudge(NOW + step)

    assert picture.waiting <= 10
