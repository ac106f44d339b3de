"""The wire: every message survives a round trip, both decoders agree, and what is out of bounds is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import (
    MAX_ITEMS,
    MAX_PAYLOAD,
    Ack,
    BridgeState,
    Config,
    DeviceEntry,
    Held,
    Inventory,
    LeaseBook,
    MetricEntry,
    Order,
    Presence,
    ProfileEntry,
    Refusal,
    Report,
    Status,
    digest_of,
    encode,
)
from contract.model import (
    MAX_INTEGER,
    Command,
    CommandStatus,
    ContractError,
    Event,
    Gap,
    Kind,
    Lease,
    Outcome,
)
from contract.wire import decode

EPOCH = "0123456789abcdef"
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
moments = st.integers(0, MAX_INTEGER)
values = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
points = st.dictionaries(st.integers(-10_000_000, 10_000_000), values, max_size=5).map(
    lambda by_time: tuple(sorted(by_time.items()))
)
series = st.dictionaries(names, st.dictionaries(names, points, max_size=4), max_size=4)
gaps = st.tuples(moments, st.integers(1, 10_000), texts).map(lambda g: Gap(g[0], g[0], g[1], g[2]))
outcomes = st.builds(Outcome, names, st.sampled_from(CommandStatus), moments, texts)
events = st.builds(Event, names, moments, names | st.just(""), texts)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    held = draw(series)
    made = draw(st.lists(outcomes, max_size=3)), draw(st.lists(events, max_size=3)), draw(st.lists(gaps, max_size=3))
    count = sum(len(p) for metrics in held.values() for p in metrics.values())
    count += len(made[0]) + len(made[1]) + sum(gap.count for gap in made[2])
    number = draw(st.integers(1, 10**9))
    first = draw(st.integers(1, number))
    base_ms = draw(st.integers(0, 4_000_000_000_000))
    return Report(EPOCH, number, first, count, base_ms, 7, "boot", held, tuple(made[0]), tuple(made[1]), tuple(made[2]))


leases = st.builds(
    Lease, names, texts, st.just(5), st.integers(5, MAX_INTEGER), names, st.integers(0, 3), st.booleans()
)
messages: st.SearchStrategy[Any] = st.one_of(
    reports(),
    st.builds(
        Status,
        st.just(EPOCH),
        st.sampled_from(Presence),
        st.integers(0, 9),
        st.just("1.0"),
        moments,
        texts,
        st.booleans(),
        st.lists(st.just(Held(EPOCH, 1, 9)), max_size=3).map(tuple),
    ),
    st.just(
        Inventory(
            EPOCH,
            1,
            {"d1": ProfileEntry("demo/printer", "Printer", {"disk-*-used": MetricEntry("%", Kind.FLOAT)})},
            (DeviceEntry("p1", "Máy in 3D B", "d1", BridgeState.OPEN),),
        )
    ),
    st.builds(
        Ack,
        st.integers(0, 9),
        moments,
        st.just(EPOCH),
        st.lists(st.just((1, 4)), max_size=3).map(tuple),
        st.lists(st.builds(Refusal, st.integers(1, 9), texts), max_size=2).map(tuple),
        st.booleans(),
    ),
    st.builds(LeaseBook, texts, st.integers(0, 9), st.integers(0, 9), moments, st.lists(leases, max_size=3).map(tuple)),
    st.builds(
        Order, st.builds(Command, names, names, names, st.dictionaries(names, values.filter(lambda v: v is not None)))
    ),
    st.builds(
        Config, st.integers(0, 9), st.integers(0, 9), st.dictionaries(names, values.filter(lambda v: v is not None))
    ),
)


@given(messages)
def test_every_message_survives_the_wire_in_both_decoders(message: Any) -> None:
    payload = encode(message)
    assert decode(type(message), payload) == message
    assert msgspec.json.decode(payload, type=type(message)) == message


@given(messages)
def test_unknown_members_are_ignored(message: Any) -> None:
    tree = json.loads(encode(message)) | {"from-the-future": [{"x": 1}]}
    assert decode(type(message), json.dumps(tree).encode()) == message


def a_report(**members: Any) -> bytes:
    tree: dict[str, Any] = {
        "epoch": EPOCH,
        "number": 1,
        "first": 1,
        "count": 1,
        "base_ms": 1000,
        "series": {"pc": {"cpu": [[0, 1.5]]}},
    }
    return json.dumps(tree | members).encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"epoch": "0123', "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'"' + b"x" * MAX_PAYLOAD + b'"', "at most"),
        (b"\xff\xfe", "UTF-8"),
        (a_report(series={"pc": {"cpu": [[0, float("nan")]]}}), "NaN"),
        (a_report(series={"pc": {"cpu": [[0, 10**399]]}}), "out of range"),
        (a_report(series={"pc": {"cpu": [[0, "a\0b"]]}}), "NUL"),
        (a_report(series={"pc": {"cpu": [[0, "\ud800"]]}}), "surrogate"),
        (a_report(series={"pc": {"cpu": [[5, 1], [5, 2]]}}, count=2), "do not rise"),
        (a_report(series={"pc": {"cpu": [[10**13, 1]]}}), "too far"),
        (a_report(series={"pc": {"cpu": [[0, [1]]]}}), "list came where"),
        (a_report(series={"pc": {"cpu": [[0]]}}), "1 members"),
        (a_report(series={"pc": {"cpu": [[i, i] for i in range(MAX_ITEMS + 1)]}}, count=MAX_ITEMS + 1), "at most 5000"),
        (a_report(count=2), "count"),
        (a_report(number=0), "out of range"),
        (a_report(epoch="nope"), "epoch"),
        (a_report(v=2), "version 2"),
        (a_report(base_ms="now"), "base_ms: str came where int is wanted"),
        (b"{}", "missing"),
        (b"[]", "not an object"),
    ],
)
def test_a_bad_report_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        decode(Report, payload)


@given(reports(), st.data())
def test_the_digest_tells_any_changed_byte(report: Report, data: st.DataObject) -> None:
    payload = encode(report)
    assert digest_of(payload) == json.loads(payload)["digest"]
    at = data.draw(st.integers(0, len(payload) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != payload[at]))
    assert digest_of(payload[:at] + bytes([other]) + payload[at + 1 :]) is None


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | st.recursive(values, st.lists).map(lambda t: json.dumps(t).encode())
)
def test_no_payload_makes_the_decoder_fail_in_another_way(payload: bytes) -> None:
    for kind in (Report, Status, Inventory, Ack, LeaseBook, Order, Config):
        try:
            decode(kind, payload)
        except ContractError:
            continue
