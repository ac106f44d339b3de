"""A large day is archived and proven piece by piece: what is done stays, and no more than a piece is held."""

import os
import sys
import threading
from itertools import chain
from pathlib import Path
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from controller.fleet.tables import Agent, Device
from controller.ingest.verify import verify
from controller.telemetry import child as talking
from controller.telemetry import register
from controller.telemetry.archive import Archive, folder_of, path_of
from controller.telemetry.child import ArchiveError, Child
from controller.telemetry.days import DAY_MS, table_of
from controller.telemetry.roller import Roller
from controller.telemetry.rows import Span, rows_in
from controller.telemetry.tables import LAST_SERIES
from controller.telemetry.verify import faults
from tests.integration.archive import NOW, TODAY, Annals

pytestmark = pytest.mark.integration

DAY = TODAY - 2


@pytest.fixture(name="annals")
def _annals(either_database: Engine) -> Annals:
    annals = Annals(either_database)
    values: dict[int, float | str | None] = {1: 1.5, 2: 2, 3: 1, 4: "idle"}
    for begin in range(0, 600, 60):
        annals.take(
            [(each, DAY * DAY_MS + at, value) for each, value in values.items() for at in range(begin, begin + 60)]
        )
    Roller(either_database).roll()
    return annals


def spans(annals: Annals) -> list[tuple[int, int, int]]:
    with annals.engine.connect() as connection:
        return [(part.after_series, part.upto_series, part.row_count) for part in register.parts(connection)]


def test_a_day_becomes_pieces_of_whole_series(annals: Annals, tmp_path: Path) -> None:
    archive = Archive(annals.engine, tmp_path, 6, piece=1_200)
    assert archive.seal(NOW) == 2
    assert spans(annals) == [(0, 2, 1_200), (2, LAST_SERIES, 1_200)]
    assert list(faults(annals.engine, tmp_path)) == []
    for series in range(1, 5):
        assert len(archive.points(series, DAY * DAY_MS, NOW)) == 600
    late = annals.take([(series, DAY * DAY_MS + 700, 3) for series in (2, 3)])
    Roller(annals.engine).roll()
    assert archive.seal(NOW) == 1, "what is late and little is one piece again"
    assert spans(annals)[2] == (0, LAST_SERIES, len(late))
    with annals.engine.connect() as connection:
        assert archive.has_all(connection, DAY)


def test_pieces_that_are_done_stay_when_the_next_one_fails(annals: Annals, tmp_path: Path) -> None:
    archive = Archive(annals.engine, tmp_path, 6, piece=600)
    in_the_way = folder_of(tmp_path, DAY) / f".part-0002-{os.getpid()}.csv.part" / "something"
    in_the_way.mkdir(parents=True)
    with pytest.raises(ArchiveError):
        archive.seal(NOW)
    assert spans(annals) == [(0, 1, 600), (1, 2, 600)]
    with annals.engine.connect() as connection:
        assert not archive.has_all(connection, DAY), "the rows stay"
        kept = [path_of(tmp_path, part).stat().st_ino for part in register.parts(connection)]
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    annals.take([(1, DAY * DAY_MS + 800, 3.0)])
    Roller(annals.engine).roll()
    assert archive.seal(NOW) == 2
    assert [count for *_, count in spans(annals)] == [600, 600, 600, 600]
    assert archive.seal(NOW) == 1, "then what came meanwhile"
    with annals.engine.connect() as connection:
        parts = register.parts(connection)
        assert [path_of(tmp_path, part).stat().st_ino for part in parts[:2]] == kept, "not made anew"
        assert archive.has_all(connection, DAY)
    assert sum(part.row_count for part in parts) == 2_401
    assert list(faults(annals.engine, tmp_path)) == []


def test_a_day_is_read_in_portions_of_some_series_and_batches(annals: Annals) -> None:
    rows = rows_in(annals.engine)
    with annals.engine.connect() as connection:
        every = list(chain.from_iterable(rows.of_day(connection, DAY)))
        some = list(chain.from_iterable(rows.of_day(connection, DAY, Span(1, 3), Span(2, 4))))
        assert rows.piece(connection, DAY, 0, Span(0, 3), 10_000) == LAST_SERIES
        assert rows.piece(connection, DAY, 0, Span(0, 3), 3 * 60) == 1
        assert rows.piece(connection, DAY, 1, Span(0, 3), 10) == 2, "one series at least"
    assert len(every) == 2_400
    assert some == [row for row in every if 1 < row[0] <= 3 and 2 < row[2] <= 4]


def test_a_child_that_gets_no_further_is_given_up_and_one_that_does_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import sys, time\n"
        "for line in sys.stdin:\n"
        "    for at in range(30): print('.', flush=True); time.sleep(0.1)\n"
        "    print(line.strip(), flush=True)\n"
        "    if 'stuck' in line: time.sleep(600)\n"
        "    print(flush=True)\n"
    )
    monkeypatch.setattr(talking, "_COMMAND", (sys.executable, str(script)))
    before = threading.active_count()
    with Child(2.0) as child:
        assert list(child.ask({"do": "work"})) == [{"do": "work"}], "longer than its patience in all"
        began = monotonic()
        with pytest.raises(ArchiveError, match="no further for 2 s"):
            list(child.ask({"do": "stuck"}))
        assert monotonic() - began < 60
        for answer in child.ask({"do": "work"}):
            sleep(2.5)  # who listens may take as long as it likes
            assert answer == {"do": "work"}
    assert threading.active_count() == before


def test_proof_of_the_ledger_finds_every_kind_of_damage(annals: Annals) -> None:
    annals.take([(1, (DAY + 1) * DAY_MS - 5, 1.0), (1, (DAY + 1) * DAY_MS + 5, 1.0)])  # over midnight
    proof = verify(annals.engine)
    assert (proof.ok, proof.rows, proof.epochs[0].batches_checked) == (True, 2_402, 11)
    with annals.engine.begin() as connection:
        name = table_of(DAY)
        column = "value" if annals.engine.dialect.name == "sqlite" else "number"
        connection.execute(text(f"UPDATE {name} SET {column} = 7 WHERE series = 1 AND batch = 2 AND at_ms % 7 = 0"))
        connection.execute(text(f"DELETE FROM {name} WHERE batch = 3 AND series = 2"))
        connection.execute(text(f"DELETE FROM {name} WHERE batch = 5"))
        connection.execute(text(f"UPDATE {name} SET batch = 999 WHERE batch = 7 AND series = 4"))
    proof = verify(annals.engine)
    assert proof.epochs[0].damaged == [
        "batch 2: rows were changed",
        "batch 3: 180 rows of 240",
        "batch 5: 0 rows of 240",
        "batch 7: 180 rows of 240",
    ]
    assert proof.stray_rows == 60
    with Session(annals.engine) as session:
        session.add(Agent(id=9, school_id="alpha", name="room-9"))
        session.commit()
        session.get_one(Device, 1).agent_id = 9
        session.commit()
    again = verify(annals.engine)
    assert again.epochs[0].damaged == proof.epochs[0].damaged, "wherever the device is now"
    assert (again.stray_rows, again.rows) == (proof.stray_rows, proof.rows)
