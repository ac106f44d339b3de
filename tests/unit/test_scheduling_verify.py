"""`fabfleet verify` finds a machine that was given to two, however it came about."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from controller.cli import main
from controller.config import ControllerConfig
from controller.fleet.tables import Agent, Device, School
from controller.scheduling.tables import LeaseGrant
from controller.scheduling.verify import SHOWN, lines, verify
from tests.databases import fresh


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Iterator[Engine]:
    config = ControllerConfig(state=tmp_path)
    config.folder.mkdir(parents=True)
    engine = fresh(config.folder / "fabfleet.db")
    with Session(engine) as db:
        db.add(School(id="an-phu", name="THCS An Phú"))
        db.flush()
        db.add(Agent(school_id="an-phu", name="may-1"))
        db.flush()
        for slug in ("printer", "laser"):
            db.add(Device(school_id="an-phu", agent_id=1, slug=slug, name=slug, profile_slug="a/b", profile_digest="d"))
        db.commit()
    yield engine
    engine.dispose()


def plant(
    engine: Engine, holder: str, from_ms: int, until_ms: int, *, device_id: int = 1, revoked_ms: int | None = None
) -> None:
    with Session(engine) as db:
        db.add(
            LeaseGrant(
                school_id="an-phu",
                agent_id=1,
                device_id=device_id,
                holder=holder,
                booking=f"{holder}-{device_id}-{from_ms}",
                from_ms=from_ms,
                until_ms=until_ms,
                revoked_ms=revoked_ms,
                book_number=1,
            )
        )
        db.commit()


def test_verify_finds_nothing_where_turns_only_meet(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(engine, "an", 0, 100)
    plant(engine, "an", 50, 150)
    plant(engine, "binh", 150, 200)
    plant(engine, "chi", 0, 200, device_id=2)
    plant(engine, "dung", 0, 200, revoked_ms=1)
    assert verify(engine) == []
    main(["verify", "--state", str(tmp_path)])
    assert "leases: no machine is given to two at one time" in capsys.readouterr().out


def test_verify_names_a_machine_that_is_given_to_two(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(engine, "an", 0, 1_000)
    plant(engine, "binh", 10, 20)
    plant(engine, "chi", 999, 1_100)
    plant(engine, "binh", 500, 600, device_id=2)
    assert main(["verify", "--state", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "NOT device 1: an-1-0 and binh-1-10 have it both for 10 ms" in printed
    assert "NOT device 1: an-1-0 and chi-1-999 have it both for 1 ms" in printed
    assert printed.count("have it both") == 2


def test_verify_of_very_many_clashes_says_how_many_more(engine: Engine) -> None:
    for number in range(SHOWN + 3):
        plant(engine, f"u{number}", number, 1_000)
    found = verify(engine)
    assert len(found) == (SHOWN + 3) * (SHOWN + 2) // 2
    assert f"NOT {len(found) - SHOWN} more of these" in list(lines(found))
