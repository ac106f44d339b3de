"""HTTP Digest: the examples of the standards, and challenges that are none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.base import BadReply
from firmware_bridges.digest_core import Challenge, authorization, challenge


def test_example_of_rfc_7616_is_answered_as_it_says() -> None:
    asked = challenge(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    told = authorization(
        asked,
        "Mufasa",
        "Circle of Life",
        "GET",
        "/dir/index.html",
        count=1,
        chosen="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in told
    assert "nc=00000001" in told
    assert "Circle" not in told


def test_example_of_rfc_2069_without_protection_is_answered() -> None:
    asked = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    told = authorization(asked, "Mufasa", "CircleOfLife", "GET", "/dir/index.html", count=1, chosen="x")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in told


@pytest.mark.parametrize(
    "header",
    [
        "",
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest realm="x", nonce="1", algorithm=SHA-256',
        'Digest realm="x", nonce="1", qop="auth-int"',
    ],
)
def test_challenge_that_nobody_here_answers_is_a_bad_reply(header: str) -> None:
    with pytest.raises(BadReply):
        challenge(header)


@given(st.text(max_size=80).map(lambda text: f"Digest {text}"))
def test_whatever_challenge_comes_is_read_or_a_bad_reply(header: str) -> None:
    with contextlib.suppress(BadReply):
        challenge(header)
