"""Leases: who may begin what, when, with the network up or down; and books that nobody can forge."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.lease import Circumstances, refusal, sign, supersedes, verify
from contract.messages import LeaseBook
from contract.model import Command, Lease

LEASE = Lease("printer-b", "lop-8a1", from_ms=1_000, until_ms=2_000)
LASER = Lease("laser", "lop-9a2", from_ms=1_000, until_ms=2_000, hazard=3)
PRINT = Command("c1", "printer-b", "print")
CUT = Command("c2", "laser", "cut")
OFFLINE = Circumstances(online=False)
UNSURE = Circumstances(clock_certain=False)


@pytest.mark.parametrize(
    ("command", "leases", "now_ms", "circumstances", "expected"),
    [
        (PRINT, [LEASE], 1_000, Circumstances(), None),
        (PRINT, [LEASE], 1_999, Circumstances(), None),
        (PRINT, [LEASE], 999, Circumstances(), "no-lease"),
        (PRINT, [LEASE], 2_000, Circumstances(), "no-lease"),
        (PRINT, [LASER], 1_500, Circumstances(), "no-lease"),
        (PRINT, [], 1_500, Circumstances(), "no-lease"),
        (replace(PRINT, expires_ms=1_500), [LEASE], 1_500, Circumstances(), "expired"),
        (replace(PRINT, expires_ms=1_501), [LEASE], 1_500, Circumstances(), None),
        (replace(PRINT, action="stop"), [], 1_500, Circumstances(), None),
        (replace(PRINT, action="stop", expires_ms=1_400), [LEASE], 1_500, Circumstances(), "expired"),
        (PRINT, [LEASE], 1_500, OFFLINE, None),
        (PRINT, [LEASE], 1_500, UNSURE, None),
        (CUT, [LASER], 1_500, Circumstances(), None),
        (CUT, [LASER], 1_500, UNSURE, "clock-uncertain"),
        (CUT, [LASER], 1_500, OFFLINE, "no-supervisor"),
        (CUT, [replace(LASER, supervised=True)], 1_500, OFFLINE, None),
    ],
)
def test_refusal_tells_why_or_lets_begin(
    command: Command, leases: list[Lease], now_ms: int, circumstances: Circumstances, expected: str | None
) -> None:
    assert refusal(command, leases, now_ms, circumstances) == expected


BOOK = LeaseBook("truong-a/may-1", generation=2, number=7, issued_ms=500, leases=(LEASE, LASER))


def test_a_signed_book_is_verified_with_its_own_key_only() -> None:
    book = sign(BOOK, b"key")
    assert verify(book, b"key")
    assert not verify(book, b"other")
    assert not verify(BOOK, b"key")


@given(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9), st.sampled_from(["truong-a/may-1", "truong-a/may-2"]))
def test_a_changed_book_is_not_verified(hazard: int, generation: int, number: int, agent: str) -> None:
    book = sign(BOOK, b"key")
    changed = replace(
        book, agent=agent, generation=generation, number=number, leases=(LEASE, replace(LASER, hazard=hazard))
    )
    assert verify(changed, b"key") == (changed == book)


@pytest.mark.parametrize(
    ("generation", "number", "newer"), [(2, 8, True), (3, 1, True), (2, 7, False), (2, 6, False), (1, 99, False)]
)
def test_only_a_newer_book_supersedes(generation: int, number: int, newer: bool) -> None:
    assert supersedes(replace(BOOK, generation=generation, number=number), BOOK) is newer
    assert supersedes(BOOK, None)
