"""Tokens of forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web import csrf


def test_csrf_token_is_valid_for_its_own_cookie_alone() -> None:
    token = csrf.issue("cookie of one browser")

    assert csrf.valid(token, "cookie of one browser")
    assert not csrf.valid(token, "cookie of another")


def test_csrf_token_looks_different_on_every_page() -> None:
    assert len({csrf.issue("secret") for _ in range(50)}) == 50


@given(st.text(max_size=200))
def test_csrf_refuses_whatever_was_not_issued(text: str) -> None:
    assert not csrf.valid(text, "secret")


@pytest.mark.parametrize("spoil", [lambda token: token[:-2], lambda token: token + "AA", lambda _: ""])
def test_csrf_refuses_a_token_of_another_length(spoil: object) -> None:
    assert callable(spoil)
    assert not csrf.valid(spoil(csrf.issue("secret")), "secret")
