"""The audit log is sealed on both databases, while others append, and what is done to it is named."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from controller.identity import store
from controller.identity.sealer import Sealer, newest, parts, unsealed
from controller.identity.verify import faults, main, noted
from tests.integration.mqtt import eventually

pytestmark = pytest.mark.integration
Forgery = Callable[[Engine], None]


def now_ms() -> int:
    return 1_800_000_000_000


def append(engine: Engine, count: int, action: str = "sign-in") -> None:
    for _ in range(count):
        with Session(engine) as db:
            store.audit(db, now_ms(), action, actor="u1", address="10.0.0.1", detail="Phòng 1")
            db.commit()


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def found(engine: Engine, seal: str = "") -> list[str]:
    with engine.connect() as connection:
        return list(faults(connection, noted(seal) if seal else None))


def test_log_is_sealed_and_forgeries_are_named(either_database: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine = either_database
    sealer = Sealer(engine, now_ms)
    assert sealer.turn() == 0
    for count in (3, 2, 4):
        append(engine, count)
        assert sealer.turn() == 1
    append(engine, 1)
    assert (found(engine), main(engine)) == ([], 0)
    seal = capsys.readouterr().out.strip().rsplit(" ", 1)[1]
    assert "1 lines not sealed yet; last seal 3:" in main_output(engine, capsys)
    assert found(engine, seal) == []

    run(engine, "UPDATE audit_line SET detail = 'x' WHERE id = 2")
    run(engine, "DELETE FROM audit_line WHERE id = 4")
    run(engine, "INSERT INTO audit_line (id, at_ms, actor, action, subject, address, detail)"
                " VALUES (-7, 0, '', 'sign-in', '', '', '')")  # fmt: skip
    assert found(engine) == [
        "line -7 of segment 1 was inserted",
        "line 2 of segment 1 was altered",
        "line 4 of segment 2 was removed",
    ]
    assert main(engine) == 1
    assert "NOT audit log: line 4 of segment 2 was removed" in capsys.readouterr().out

    # The end cut off: only who noted the seal can tell.
    run(engine, "DELETE FROM audit_segment WHERE number = 3")
    run(engine, "DELETE FROM audit_line WHERE id > 5")
    assert [each for each in found(engine) if "segment 3" in each] == []
    assert found(engine, seal)[-1] == "segment 3, whose seal was noted, was removed"
    append(engine, 2, "sign-out")
    sealer.turn()
    assert found(engine, seal)[-1].endswith("the log was written anew")


def main_output(engine: Engine, capsys: pytest.CaptureFixture[str]) -> str:
    main(engine)
    return capsys.readouterr().out


def test_line_that_is_committed_late_is_never_left_behind(either_database: Engine) -> None:
    """PostgreSQL gives an id long before its commit; the sealer must not seal past it."""
    engine, stop = either_database, threading.Event()

    def busy() -> None:
        while not stop.is_set():
            append(engine, 1)

    writers = [threading.Thread(target=busy) for _ in range(4)]
    for each in writers:
        each.start()
    sealer = Sealer(engine, now_ms)
    made = 0
    while made < 8:
        made += sealer.turn()
    stop.set()
    for each in writers:
        each.join()
    made += sealer.turn()

    with engine.connect() as connection:
        segments = list(parts(connection))
        assert unsealed(connection) == 0
        assert connection.execute(text("SELECT count(*) FROM audit_line")).scalar_one() == sum(
            segment.count for segment, _ in segments
        )
        last = newest(connection)
    assert found(engine) == []
    assert last is not None
    assert last.number == made


def test_sealer_seals_when_it_stops_and_goes_on_after_trouble(either_database: Engine) -> None:
    engine = either_database
    run(engine, "ALTER TABLE audit_segment RENAME TO away")
    sealer = Sealer(engine, now_ms, every_s=0.05)
    append(engine, 1)
    sealer.start()
    run(engine, "ALTER TABLE away RENAME TO audit_segment")

    def sealed() -> bool:
        with engine.connect() as connection:
            return unsealed(connection) == 0

    eventually(sealed, "it seals again")
    patient = Sealer(engine, now_ms)
    sealer.stop()
    patient.start()
    append(engine, 1)
    patient.stop()
    assert sealed()
