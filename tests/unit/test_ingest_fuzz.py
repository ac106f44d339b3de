"""The two decoders of the wire take and refuse the same payloads, and neither ever fails in another way.

One kind of difference is known and harmless: in members that nobody knows, msgspec reads integers of any length and
its own depth of nesting. The payloads here have neither.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contract import wire
from contract.messages import Ack, Config, Inventory, LeaseBook, Order, Report, ReportHead, Status
from contract.model import ContractError
from controller.ingest.codec import Codec, Undecodable, decode_head, decode_report
from controller.ingest.messages import Arrival, decode

KINDS = [Status, Inventory, Report, ReportHead, Ack, LeaseBook, Order, Config]
CODECS: dict[type, Codec[Any]] = {kind: Codec(kind) for kind in KINDS}
EPOCH = "0123456789abcdef"

TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "pc", "cpu", EPOCH, "online", "float", "done", "a b", "\0", "\ud800", "Máy", "*", "x" * 2000]
    ),
    st.text(max_size=6),
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**53, -(2**53), 2**63, 2**64, 10**399, 1e308, 0.5, -0.0, 1.0]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
POINTS = st.lists(st.one_of(st.tuples(st.integers(-5, 5), SCALARS), ANYTHING), max_size=3)
SERIES = st.dictionaries(TEXTS, st.dictionaries(TEXTS, POINTS, max_size=2), max_size=2)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "epoch": st.one_of(st.just(EPOCH), ANYTHING),
    "number": st.one_of(st.just(1), NUMBERS),
    "first": st.one_of(st.just(1), NUMBERS),
    "last": st.one_of(st.just(1), NUMBERS),
    "count": st.one_of(st.integers(0, 3), NUMBERS),
    "base_ms": st.one_of(st.just(0), NUMBERS),
    "series": st.one_of(SERIES, ANYTHING),
    "gaps": st.lists(st.fixed_dictionaries({"from_ms": NUMBERS, "to_ms": NUMBERS, "count": NUMBERS}), max_size=2),
    "events": st.lists(
        st.fixed_dictionaries({"kind": TEXTS, "at_ms": NUMBERS}, optional={"device": TEXTS}), max_size=2
    ),
    "outcomes": st.lists(st.fixed_dictionaries({"command_id": TEXTS, "status": SCALARS, "at_ms": NUMBERS}), max_size=2),
    "v": st.one_of(st.just(1), SCALARS),
    "presence": st.one_of(st.sampled_from(["online", "offline"]), SCALARS),
    "connection": NUMBERS,
    "agent_version": TEXTS,
    "since_ms": st.one_of(st.just(0), NUMBERS),
    "held": st.lists(st.fixed_dictionaries({"epoch": TEXTS, "first": NUMBERS, "last": NUMBERS}), max_size=2),
    "profiles": st.one_of(
        st.just({"d": {"slug": "s", "name": "n", "metrics": {"cpu": {"unit": "%", "kind": "float"}}}}), ANYTHING
    ),
    "devices": st.lists(
        st.fixed_dictionaries({"id": TEXTS, "name": TEXTS, "profile": st.just("d"), "state": TEXTS}), max_size=2
    ),
    "generation": NUMBERS,
    "at_ms": NUMBERS,
    "issued_ms": NUMBERS,
    "agent": TEXTS,
    "committed": st.one_of(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), max_size=3), ANYTHING),
    "settings": st.one_of(st.dictionaries(TEXTS, SCALARS, max_size=3), ANYTHING),
    "command": st.one_of(
        st.fixed_dictionaries({"id": TEXTS, "device": TEXTS, "action": TEXTS}, optional={"args": ANYTHING}), ANYTHING
    ),
    "nobody-knows": ANYTHING,
}


@st.composite
def trees(draw: st.DrawFn) -> Any:
    """Mostly messages that are nearly right."""
    names = draw(st.lists(st.sampled_from(list(MEMBERS)), unique=True))
    start = {"epoch": EPOCH, "number": 1, "first": 1, "count": 0, "base_ms": 0} if draw(st.booleans()) else {}
    return draw(st.one_of(st.just(start | {name: draw(MEMBERS[name]) for name in names}), ANYTHING))


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """JSON of such a tree, whole or damaged: cut, with a byte changed, or with one put in."""
    text = json.dumps(draw(trees()), ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    payload = text.encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from(["none", "none", "none", "cut", "change", "insert", "bytes"]))
    at = draw(st.integers(0, max(len(payload) - 1, 0)))
    byte = bytes([draw(st.integers(0, 255))])
    if damage == "cut":
        return payload[:at]
    if damage == "change":
        return payload[:at] + byte + payload[at + 1 :]
    if damage == "insert":
        return payload[:at] + byte + payload[at:]
    return draw(st.binary(max_size=40)) if damage == "bytes" else payload


def by_contract(kind: type, payload: bytes) -> object:
    """The message, or None if it is refused."""
    try:
        return wire.decode(kind, payload)
    except ContractError:
        return None


def by_codec(kind: type, payload: bytes) -> object:
    try:
        return CODECS[kind].decode(payload)
    except Undecodable as error:
        error.detail.encode()
        return None


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(payload=payloads())
@example(payload=b'{"epoch":"\\ud800"}')
@example(payload=b'{"x":"\xed\xa0\x80"}')
@example(payload=b'{"x":"\xff"}')
@example(payload=b"\xef\xbb\xbf{}")
@example(payload=b'{"v":2}')
def test_both_decoders_take_the_same_and_refuse_the_same(kind: type, payload: bytes) -> None:
    assert repr(by_codec(kind, payload)) == repr(by_contract(kind, payload))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(payload=payloads(), channel=st.sampled_from(["report", "status", "inventory", "ack", "x"]))
def test_no_message_whatsoever_raises(payload: bytes, channel: str) -> None:
    decode(Arrival(f"ff/1/alpha/room-1/{channel}", payload, 0))
    decode_head(payload)


@settings(max_examples=60)
@given(topic=st.text(max_size=60))
def test_no_topic_whatsoever_raises(topic: str) -> None:
    assert isinstance(decode(Arrival(topic, b"{}", 0)).content, Undecodable)


@settings(max_examples=40)
@given(payload=payloads())
def test_a_report_without_the_right_digest_is_never_taken(payload: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_report(payload)
