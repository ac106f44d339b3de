"""Refused attacks are told in few lines that say how many there were."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from controller.database import make_engine
from controller.identity import refusals, store
from controller.identity.refusals import WINDOW_MS, Kind, Refusals
from controller.identity.tables import AuditLine
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


def test_addresses_that_are_remembered_are_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_MOST", 3)
    told = Refusals(engine, Clock())
    for number in range(10):
        told.tell(Kind.TOKEN, f"10.0.0.{number}")
    assert len(told._seen) == 3


def test_refusal_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'none.db'}")
    Refusals(engine, Clock()).tell(Kind.TOKEN, "10.0.0.1")
    engine.dispose()
