"""What plugs say over HTTP, and what the watts say of the machine behind them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import http_core as http
from firmware_bridges import smart_plug_core as core
from firmware_bridges.base import BadReply, Refused

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_response_is_read_by_its_length_and_by_its_chunks() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"
    for said in (OK, chunked):
        (event,) = http.HttpCore().receive(said)
        assert isinstance(event, http.Response)
        assert (event.status, event.body) == (200, b"{}")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 9000,
    ],
)
def test_what_is_no_response_is_noise(said: bytes) -> None:
    (event,) = http.HttpCore().receive(said)
    assert isinstance(event, http.Noise)


@given(said=st.binary(max_size=300), size=st.sampled_from([1, 7, 4096]))
def test_core_takes_any_bytes_and_says_at_most_one_thing(said: bytes, size: int) -> None:
    ours = http.HttpCore()
    events = [event for at in range(0, len(said), size) for event in ours.receive(said[at : at + size])]
    assert len(events) <= 1


def test_digest_is_that_of_the_standards_example() -> None:
    """RFC 7616, section 3.9.1, with SHA-256."""
    head = (
        'WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    (event,) = http.HttpCore().receive(f"HTTP/1.1 401 Unauthorized\r\n{head}\r\nContent-Length: 0\r\n\r\n".encode())
    assert isinstance(event, http.Response)
    challenge = http.challenge(event)
    assert challenge is not None
    proof = challenge.proof(
        ("GET", "/dir/index.html"),
        ("Mufasa", "Circle of Life"),
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        1,
    )
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in proof


def test_watts_are_judged_with_hysteresis_and_work_is_held() -> None:
    draw = core.Draw(core.Threshold(1.0, 0.5), core.Threshold(20.0, 15.0), hold_s=10.0)
    seen = []
    for now_s, watts in (
        (0, 0.6),
        (1, 1.0),
        (2, 25.0),
        (3, 16.0),
        (4, 2.0),
        (12, 2.0),
        (13, 2.0),
        (14, 0.4),
        (15, None),
    ):
        judged = draw.judge(watts, now_s)
        seen.append((judged["energised"], judged["working"]))
    assert seen == [
        (False, False), (True, False), (True, True), (True, True), (True, True),
        (True, True), (True, False), (False, False), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("maker", core.Maker)
@given(
    told=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["StatusSNS", "StatusSTS", "ENERGY", "POWER", "result", "output", "apower", "aenergy", "total"]
                ),
                inner,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(maker: core.Maker, told: object) -> None:
    for question in core.Question:
        try:
            values = core.values(maker, question, 0, core.answer(maker, json.dumps(told).encode()))
        except (BadReply, Refused):
            continue
        assert all(value is None or isinstance(value, bool | float | str) for value in values.values())
