"""Refused attacks are told in few lines that say how many there were."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from controller.database import make_engine
from controller.identity import store
from controller.identity.refusals import WINDOW_MS, Kind, Refusals
from controller.identity.tables import AuditLine
from controller.sparing import Sparing
from tests.databases import fresh


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = fresh(tmp_path / "db")
    yield made
    made.dispose()


def lines(engine: Engine) -> list[AuditLine]:
    with Session(engine) as db:
        found = list(store.audit_lines(db))
        db.expunge_all()
        return found


def test_many_of_one_kind_and_address_are_one_line_and_the_next_counts_them(engine: Engine) -> None:
    clock = Clock()
    told = Refusals(engine, clock)
    for _ in range(50):
        told.tell(Kind.FORM, "10.0.0.1", actor="u1", school_id="an-phu", detail="POST /signout")
    told.tell(Kind.FORM, "10.0.0.2")
    told.tell(Kind.TOKEN, "10.0.0.1")
    clock.ms += WINDOW_MS
    told.tell(Kind.FORM, "10.0.0.1", detail="POST /x")

    assert [(line.action, line.address, line.detail) for line in lines(engine)] == [
        ("form-refused", "10.0.0.1", "POST /signout"),
        ("form-refused", "10.0.0.2", ""),
        ("token-refused", "10.0.0.1", ""),
        ("form-refused", "10.0.0.1", "POST /x; 49 more since the last line"),
    ]
    assert (lines(engine)[0].actor, lines(engine)[0].school_id) == ("u1", "an-phu")


def test_addresses_of_one_ipv6_network_are_one_sender(engine: Engine) -> None:
    told = Refusals(engine, Clock())
    for number in range(1, 50):
        told.tell(Kind.PATH, f"2001:db8:1:2::{number:x}")

    assert [line.address for line in lines(engine)] == ["2001:db8:1:2::1"]


def test_agent_that_goes_on_asking_the_broker_is_a_line_an_hour(engine: Engine) -> None:
    clock = Clock()
    told = Refusals(engine, clock)
    for _ in range(60):
        told.tell(Kind.BROKER, "10.0.0.1")
        clock.ms += WINDOW_MS
    told.tell(Kind.BROKER, "10.0.0.1", detail="an-phu.pc-1")
    assert [line.detail for line in lines(engine)] == ["", "an-phu.pc-1; 59 more since the last line"]


def test_keys_that_are_remembered_are_bounded() -> None:
    sparing: Sparing[str] = Sparing(most=3)
    assert [sparing.besides(f"10.0.0.{number}", 0, WINDOW_MS) for number in range(10)] == [0] * 10
    assert len(sparing) == 3
    assert sparing.besides("10.0.0.9", 1, WINDOW_MS) is None
    assert sparing.besides("10.0.0.0", 1, WINDOW_MS) == 0, "it was forgotten"


def test_refusal_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'none.db'}")
    Refusals(engine, Clock()).tell(Kind.TOKEN, "10.0.0.1")
    engine.dispose()
