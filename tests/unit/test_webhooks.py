"""What webhooks are told: bodies, signatures, and what counts as a change."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.alerts.rules import OF_THE_AGENT, DeviceState, Reason
from controller.fleet.picture import Attention, DeviceView
from controller.notifications.channels import Installation
from controller.scheduling.booking_states import BookingState
from controller.scheduling.outward import kind_of
from controller.webhooks.body import body, moment
from controller.webhooks.errors import WrongWebhook
from controller.webhooks.kinds import CHOICES, EventKind
from controller.webhooks.sender import PACE
from controller.webhooks.settings import checked_url
from controller.webhooks.signing import headers, new_secret, signature
from controller.webhooks.watch import Change, Note, changes
from device_profiles.profile import Words

INSIDE, OUTSIDE = Installation(private=True), Installation()
FAULT = Reason("hot", DeviceState.FAULT, Words("Hot", "Nóng"), 5_000)
GONE = Reason(min(OF_THE_AGENT), DeviceState.OFFLINE, Words("Gone", "Mất"), 6_000)


def test_signature_is_that_of_the_specifications_own_example() -> None:
    """Standard Webhooks, the test of its reference libraries."""
    made = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_headers_name_id_and_time_of_the_attempt_and_secrets_differ() -> None:
    secret = new_secret()
    told = headers(secret, "evt_1", 1_700_000_000, b"{}")
    assert (told["webhook-id"], told["webhook-timestamp"]) == ("evt_1", "1700000000")
    assert told["webhook-signature"] == signature(secret, "evt_1", 1_700_000_000, b"{}")
    assert len({new_secret() for _ in range(20)}) == 20
    assert secret.startswith("whsec_")


def test_body_says_version_id_time_school_and_kind() -> None:
    told = json.loads(body("evt_1", 1_700_000_000_123, "an-phu", "device.state", {"name": "Máy in"}))
    assert told == {
        "version": 1,
        "id": "evt_1",
        "time": "2023-11-14T22:13:20.123Z",
        "school": "an-phu",
        "kind": "device.state",
        "data": {"name": "Máy in"},
    }


@pytest.mark.parametrize("url", ["https://hooks.example.vn/a?b=c", "https://8.8.8.8/x"])
def test_an_address_of_the_internet_with_tls_may_be_told(url: str) -> None:
    assert checked_url(f" {url} ", OUTSIDE) == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.vn/", "scheme"),
        ("https://127.0.0.1/", "private"),
        ("https://localhost/", "private"),
        ("https://192.168.1.4:8123/", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://169.254.169.254/latest", "private"),
        ("ftp://hooks.example.vn/", "scheme"),
        ("hooks.example.vn", "scheme"),
        ("https://", "malformed"),
        ("", "empty"),
        ("https://example.vn/" + 1_000 * "x", "too-long"),
    ],
)
def test_an_address_that_may_not_be_told_says_why(url: str, code: str) -> None:
    with pytest.raises(WrongWebhook) as wrong:
        checked_url(url, OUTSIDE)
    assert (wrong.value.field, wrong.value.code) == ("url", code)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8123/x", "http://ha.local/", "https://10.0.0.4/"])
def test_the_inside_may_be_told_where_the_administrator_allows_it(url: str) -> None:
    assert checked_url(url, INSIDE) == url


def test_bookings_are_told_by_what_they_come_to() -> None:
    told = {state: kind_of(state) for state in BookingState}
    assert told[BookingState.CHECKED_IN] is EventKind.BOOKING_CHECKED_IN
    assert {state for state in BookingState if told[state] is EventKind.BOOKING_CANCELLED} == {
        BookingState.CANCELLED,
        BookingState.REFUSED,
        BookingState.EXPIRED,
    }
    assert EventKind.TEST not in CHOICES


def test_sixty_at_once_and_then_one_a_second() -> None:
    mark, sent = 0, 0
    while (after := PACE.after_ms(mark, 1_000)) is not None:
        mark, sent = after, sent + 1
    assert sent == 60
    assert PACE.after_ms(mark, 2_000) is not None


# what changed


def device(number: int, state: DeviceState = DeviceState.OK, *reasons: Reason) -> DeviceView:
    return DeviceView(
        id=number, slug=f"d{number}", name=f"Máy {number}", school_id="an-phu", school="An Phú", room_id=1,
        room="P.201", agent_id=3, agent="pc-1", profile_slug="demo/printer-3d", state=state, since_ms=0,
        reasons=reasons, heard_ms=1, metric="", unit="1", value=None,
    )  # fmt: skip


def cause(reason: Reason, *devices: DeviceView) -> Attention:
    return Attention(reason.state, reason.since_ms, reason, devices)


def noted(before: Mapping[str, Note], found: Sequence[Change]) -> dict[str, Note]:
    after = dict(before)
    for each in found:
        if each.note is None:
            del after[each.key]
        else:
            after[each.key] = each.note
    return after


class Fleet:
    """A school, looked at again and again."""

    def __init__(self, *devices: DeviceView) -> None:
        self._ids = (f"i{number}" for number in count(1))
        self.notes: dict[str, Note] = {}
        assert self.look(*devices) == []

    def look(self, *devices: DeviceView, causes: Sequence[Attention] = ()) -> list[tuple[EventKind, Mapping[str, Any]]]:
        found = changes(self.notes, devices, causes, 60_000, lambda: next(self._ids))
        self.notes = noted(self.notes, found)
        return [(each.told.kind, each.told.data) for each in found if each.told is not None]


def test_a_change_of_state_is_told_once_with_what_it_was() -> None:
    fleet = Fleet(device(1), device(2))
    assert fleet.look(device(1), device(2)) == []
    ((kind, data),) = fleet.look(device(1, DeviceState.FAULT, FAULT), device(2))
    assert kind is EventKind.DEVICE_STATE
    assert (data["device"], data["agent"], data["state"], data["before"], data["reasons"]) == (
        "d1", "pc-1", "fault", "ok", ["hot"],
    )  # fmt: skip
    assert fleet.look(device(1, DeviceState.FAULT, FAULT), device(2)) == []


def test_an_incident_has_one_id_from_its_beginning_to_its_end() -> None:
    faulty = device(1, DeviceState.FAULT, FAULT)
    fleet = Fleet(faulty)
    ((kind, opened),) = fleet.look(faulty, causes=[cause(FAULT, faulty)])
    assert (kind, opened["reason"], opened["cause"]) == (
        EventKind.INCIDENT_OPENED, "hot", {"device": "d1", "agent": "pc-1"},
    )  # fmt: skip
    assert fleet.look(faulty, causes=[cause(FAULT, faulty)]) == []
    ((kind, closed),) = fleet.look(faulty)
    assert (kind, closed["incident"]) == (EventKind.INCIDENT_CLOSED, opened["incident"])
    ((_, again),) = fleet.look(faulty, causes=[cause(FAULT, faulty)])
    assert again["incident"] != opened["incident"]


def test_an_agent_out_of_reach_is_one_incident_with_all_its_devices() -> None:
    gone = [device(number, DeviceState.OFFLINE, GONE) for number in range(1, 80)]
    fleet = Fleet(*gone)
    ((_, opened),) = fleet.look(*gone, causes=[cause(GONE, *gone)])
    assert (opened["cause"], opened["count"], len(opened["devices"])) == ({"agent": "pc-1"}, 79, 50)


def test_a_school_that_is_looked_at_for_the_first_time_is_told_nothing() -> None:
    faulty = device(1, DeviceState.FAULT, FAULT)
    found = changes({}, [faulty], [cause(FAULT, faulty)], 60_000, lambda: "i1")
    assert [each.told for each in found] == [None, None]
    assert set(noted({}, found)) == {"device 1", "cause device 1"}


def test_a_device_that_is_gone_or_new_is_no_change_of_state() -> None:
    fleet = Fleet(device(1), device(2))
    assert fleet.look(device(1), device(3)) == []
    assert set(fleet.notes) == {"device 1", "device 3"}


@given(st.lists(st.lists(st.sampled_from(list(DeviceState)), min_size=2, max_size=2), max_size=8))
def test_whoever_follows_the_events_knows_the_states(steps: list[list[DeviceState]]) -> None:
    fleet = Fleet(device(0), device(1))
    known = {"d0": "ok", "d1": "ok"}
    for states in steps:
        for _, data in fleet.look(*(device(number, state) for number, state in enumerate(states))):
            assert known[data["device"]] == data["before"]
            known[data["device"]] = data["state"]
        assert list(known.values()) == [state.value for state in states]


def test_moments_are_utc_to_the_millisecond() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
