"""Ingest with a real broker and a real database: what is stored, acknowledged and shown, and what survives."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contract.messages import Held, Presence, Status, encode
from contract.model import CommandStatus, Event, Gap, Outcome
from contract.topics import Channel
from controller.config import HistoryConfig
from controller.ingest.verify import main, verify
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import Keeper
from tests.integration.mqtt import eventually
from tests.integration.plant import EPOCH, ME, OTHER, Clock, Plant, batch, settle

pytestmark = pytest.mark.integration


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="plant")
def _plant(tmp_path: Path, clock: Clock, either_database: Engine) -> Iterator[Plant]:
    plant = Plant(tmp_path, clock, either_database)
    plant.enrol(ME, OTHER)
    plant.start()
    yield plant
    plant.stop()


def test_a_report_is_stored_then_acknowledged_then_told(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        base = plant.clock()
        agent.report(
            {
                "pc": {
                    "cpu": [(0, 12.5), (10, 13.0)],
                    "fans": [(0, 2)],
                    "on-mains": [(0, True)],
                    "system": [(0, "Máy 1")],
                }
            },
            base_ms=base,
        )
        ack = agent.acked(1)
        assert ack.committed == ((1, 1),)
        assert ack.at_ms >= base
        assert plant.readings() == [
            ("pc", "cpu", base, 12.5),
            ("pc", "fans", base, 2),
            ("pc", "on-mains", base, 1),
            ("pc", "system", base, "Máy 1"),
            ("pc", "cpu", base + 10, 13.0),
        ]
        eventually(lambda: len(plant.heard.fresh) == 4, "the observer hears one value a series")
        assert {(each.metric, each.value) for each in plant.heard.fresh} == {
            ("cpu", 13.0),
            ("fans", 2),
            ("on-mains", True),
            ("system", "Máy 1"),
        }
        assert all(each.value is True for each in plant.heard.fresh if each.metric == "on-mains")
    assert verify(plant.engine).ok


def test_a_report_that_comes_again_changes_nothing_and_is_acknowledged_again(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        payload = agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        agent.send(payload)
        assert agent.acked(1).committed == ((1, 1),)
        plant.restart_ingest()
        agent.send(payload)
        assert agent.acked(1).committed == ((1, 1),)
    assert len(plant.readings()) == 1
    assert plant.stats.duplicates == 1


def test_the_same_number_with_other_content_is_a_loud_conflict_and_never_acknowledged(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        agent.send(encode(batch(1, {"pc": {"cpu": [(0, 2.0)]}})))
        ack = agent.acked(1)
        assert ack.committed == ()
        assert [(each.number, each.reason) for each in ack.refused] == [(1, "conflict")]
    assert [value for *_, value in plant.readings()] == [1.0]
    assert plant.stats.conflicts == 1
    assert plant.quarantined() == {"conflict": 1}
    assert plant.rows("SELECT kind FROM event") == [("batch-conflict",)]
    result = verify(plant.engine)
    assert not result.ok
    assert [epoch.conflicts for epoch in result.epochs] == [1]


def test_events_outcomes_and_gaps_are_kept_and_accounted_for(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        now = plant.clock()
        agent.report(
            {"pc": {"cpu": [(0, 1.0)]}},
            events=(Event("started", now, "pc", "after an update"),),
            outcomes=(Outcome("c-1", CommandStatus.DONE, now),),
            gaps=(Gap(now - 60_000, now - 30_000, 25, "thinned"),),
        )
        agent.acked(1)
    assert plant.rows("SELECT kind, device, detail FROM event") == [("started", "pc", "after an update")]
    assert plant.rows("SELECT command_id, status, known FROM outcome") == [("c-1", "done", 0)]
    assert plant.rows("SELECT to_ms - from_ms, count, reason FROM declared_gap") == [(30_000, 25, "thinned")]
    assert plant.rows("SELECT produced, accepted, quarantined, rejected, given_up FROM ledger") == [(28, 2, 0, 1, 25)]
    assert verify(plant.engine).ok


def test_the_lease_book_that_an_agent_names_is_kept_until_it_names_another(plant: Plant) -> None:
    here = Status(EPOCH, Presence.ONLINE, 1, "1.0", 0, lease_generation=2, lease_number=7)

    def held() -> tuple[object, ...]:
        (row,) = plant.rows(
            "SELECT presence, held_generation, held_number FROM agent WHERE school_id = :school AND name = :name",
            school=ME.school,
            name=ME.agent,
        )
        return row

    with plant.agent() as agent:
        agent.status(here)
        eventually(lambda: held() == ("online", 2, 7), "named")
        plant.heard.changed.clear()
        agent.status(replace(here, lease_number=8))
        eventually(lambda: held() == ("online", 2, 8), "another")
        eventually(lambda: plant.heard.changed, "the observers hear of it")
        agent.status(replace(here, presence=Presence.OFFLINE, lease_generation=0, lease_number=0))
        eventually(lambda: held() == ("offline", 2, 8), "gone with its book")
        agent.status(replace(here, connection=2, lease_generation=0, lease_number=0))
        eventually(lambda: held() == ("online", 0, 0), "back without a disk")
        agent.status(replace(here, connection=1, lease_number=9))
        settle()
        assert held() == ("online", 0, 0), "what an older connection said comes too late"


def test_a_report_ahead_of_its_inventory_is_stored_when_that_comes(plant: Plant) -> None:
    with plant.agent() as agent:
        payload = agent.report({"pc": {"cpu": [(0, 1.0)]}})
        eventually(lambda: plant.stats.deferred == 1, "left for later")
        agent.inventory()
        assert agent.acked(1).committed == ((1, 1),)
        agent.send(payload)
        assert agent.acked(1).committed == ((1, 1),)
    assert plant.stats.duplicates == 1
    assert len(plant.readings()) == 1
    assert verify(plant.engine).ok


def test_a_report_ahead_of_its_inventory_is_stored_when_it_comes_again(plant: Plant) -> None:
    with plant.agent() as agent:
        payload = agent.report({"pc": {"cpu": [(0, 1.0)]}})
        eventually(lambda: plant.stats.deferred == 1, "left for later")
        plant.restart_ingest()
        agent.inventory()
        settle()
        agent.send(payload)
        assert agent.acked(1).committed == ((1, 1),)
    assert len(plant.readings()) == 1


def test_an_inventory_that_declares_a_part_leaves_the_report_for_later(plant: Plant) -> None:
    with plant.agent() as agent:
        payload = agent.report({"pc": {"cpu": [(0, 1.0)]}, "second": {"cpu": [(0, 2.0)]}})
        eventually(lambda: plant.stats.deferred == 1, "left for later")
        agent.inventory()
        settle()
        assert plant.readings() == []
        assert plant.quarantined() == {}
        agent.inventory(2, devices=("pc", "second"))
        assert agent.acked(1).committed == ((1, 1),)
        agent.send(payload)
        agent.acked(1)
    assert len(plant.readings()) == 2
    assert plant.quarantined() == {}


def test_readings_that_stay_undeclared_are_quarantined_and_the_rest_is_stored(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        payload = agent.report(
            {"pc": {"cpu": [(0, 1.0)], "secret": [(0, 2.0)]}, "ghost": {"cpu": [(0, 3.0), (1, 4.0)]}}
        )
        eventually(lambda: plant.stats.deferred == 1, "left for later")
        agent.send(payload)
        agent.acked(1)
    assert [row[:2] for row in plant.readings()] == [("pc", "cpu")]
    assert plant.quarantined() == {"undeclared": 3}
    assert verify(plant.engine).ok


def test_readings_of_the_wrong_kind_are_quarantined(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report(
            {"pc": {"cpu": [(0, "hot"), (1, True), (2, 5), (3, None)], "fans": [(0, 1.5)], "on-mains": [(0, 1)]}}
        )
        agent.acked(1)
    assert [(row[1], row[3]) for row in plant.readings()] == [("cpu", 5), ("cpu", None)]
    assert plant.quarantined() == {"wrong-kind": 4}
    assert verify(plant.engine).ok


def test_readings_out_of_time_are_quarantined(plant: Plant) -> None:
    year_ms, minute_ms = 365 * 86_400_000, 60_000
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}}, base_ms=plant.clock() + year_ms)
        agent.report({"pc": {"cpu": [(0, 2.0)]}}, base_ms=plant.clock() - 2 * year_ms)
        agent.report({"pc": {"cpu": [(0, 3.0), (20 * minute_ms, 4.0)]}})
        agent.report({"pc": {"cpu": [(0, 5.0)]}}, base_ms=plant.clock() + 9 * minute_ms)
        agent.acked(4)
    assert sorted(str(row[3]) for row in plant.readings()) == ["3.0", "5.0"]
    assert plant.quarantined() == {"clock-ahead": 2, "clock-behind": 1}
    assert verify(plant.engine).ok


def test_patterns_make_a_series_for_each_disk(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"disk-sda-used": [(0, 1.0)], "disk-sdb-used": [(0, 2.0)]}})
        agent.acked(1)
    assert plant.rows("SELECT metric, unit, kind FROM series ORDER BY metric") == [
        ("disk-sda-used", "%", "float"),
        ("disk-sdb-used", "%", "float"),
    ]


def test_a_late_reading_is_stored_and_does_not_become_the_latest(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        now = plant.clock()
        agent.report({"pc": {"cpu": [(0, 2.0)]}}, base_ms=now)
        agent.acked(1)
        agent.report({"pc": {"cpu": [(0, 1.0)]}}, base_ms=now - 3_600_000)
        agent.acked(2)
        plant.restart_ingest()
        agent.report({"pc": {"cpu": [(0, 0.5)]}}, base_ms=now - 1_800_000)
        agent.acked(3)
    assert len(plant.readings()) == 3
    assert plant.rows("SELECT at_ms, number FROM latest") == [(now, 2.0)]
    assert plant.heard.fresh == []


def test_a_batch_over_midnight_goes_to_both_days(plant: Plant) -> None:
    day_ms = 86_400_000
    midnight = plant.clock() // day_ms * day_ms
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(-1, 1.0), (0, 2.0)], "fans": [(-2, 3), (1, 4)]}}, base_ms=midnight)
        agent.acked(1)
    assert len(plant.days()) == 2
    assert [row[2:] for row in plant.readings()] == [
        (midnight - 2, 3),
        (midnight - 1, 1.0),
        (midnight, 2.0),
        (midnight + 1, 4),
    ]
    assert verify(plant.engine).ok


def test_devices_come_and_go_with_the_inventory_and_rooms_are_made(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory(1, ["pc", "projector"], room="Phòng Tin học 1")
        eventually(lambda: len(plant.rows("SELECT * FROM device")) == 2, "two devices")
        agent.inventory(2, ["pc"])
        eventually(lambda: plant.rows("SELECT 1 FROM device WHERE NOT present"), "one is gone")
        agent.inventory(1, ["pc", "projector"])  # an older one changes nothing
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
    assert plant.rows("SELECT slug, present FROM device ORDER BY slug") == [("pc", 1), ("projector", 0)]
    assert plant.rows("SELECT school_id, slug, name FROM room") == [("alpha", "phong-tin-hoc-1", "Phòng Tin học 1")]


def test_presence_follows_status_and_will(plant: Plant) -> None:
    def presence() -> object:
        return plant.rows("SELECT presence FROM agent WHERE name = :name", name=ME.agent)[0][0]

    will = Status(EPOCH, Presence.OFFLINE, 7, "1.0", plant.clock())
    with plant.agent(will=will) as agent:
        agent.online(connection=7)
        eventually(lambda: presence() == "online", "online")
        late = replace(will, connection=6)
        agent.client.say(ME.topic(Channel.STATUS), encode(late))
        settle()
        assert presence() == "online", "the will of an older connection is late"
        agent.client.vanish()
        eventually(lambda: presence() == "offline", "the will came true")
    offset = plant.rows("SELECT clock_offset_ms FROM agent WHERE name = :name", name=ME.agent)[0][0]
    assert abs(int(str(offset))) < 5_000


def test_an_agent_that_falls_silent_is_given_up_after_its_deadline(plant: Plant, clock: Clock) -> None:
    with plant.agent() as agent:
        agent.online()
        eventually(lambda: plant.rows("SELECT 1 FROM agent WHERE presence = 'online'"), "online")
        clock.ahead_ms = 46_000
        eventually(lambda: plant.rows("SELECT 1 FROM agent WHERE presence = 'offline'"), "given up")
        agent.inventory()
        eventually(lambda: plant.rows("SELECT 1 FROM device"), "its device is known, so that no report waits for it")
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        clock.ahead_ms += 3_000
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(2)
        eventually(lambda: plant.rows("SELECT 1 FROM agent WHERE presence = 'online'"), "heard again")


def test_an_agent_that_comes_online_is_told_everything_that_is_here(plant: Plant) -> None:
    unknown = "00000000000000bb"
    with plant.agent() as agent:
        agent.inventory()
        for _ in range(3):
            agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.number += 1  # one that never arrived
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(5)
        bad = batch(6, {"pc": {"cpu": [(0, 1.0)]}})
        agent.send(encode(replace(bad, boot="")).replace(b'"base_ms":', b'"base_mz":'))  # its digest is wrong now
        agent.online(held=(Held(EPOCH, 1, 6), Held(unknown, 1, 9)))
        told = {ack.epoch: ack for ack in (agent.ack(), agent.ack())}
        assert told[EPOCH].complete
        assert told[EPOCH].committed == ((1, 3), (5, 5))
        assert told[unknown].complete
        assert told[unknown].committed == ()


def test_broker_and_its_store_may_be_lost(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        pid = plant.broker.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(plant.broker.store)
        eventually(lambda: plant.heard.connected[-2:] == [False, True], "lost and found again")
        eventually(lambda: agent.client.connects == 2, "the agent is back")
        assert agent.client.subscribe(ME.topic(Channel.ACK))
        agent.report({"pc": {"cpu": [(0, 2.0)]}})
        agent.acked(2)
    assert len(plant.readings()) == 2


def test_a_busy_database_delays_and_loses_nothing(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        with plant.engine.connect() as other:
            other.exec_driver_sql("BEGIN IMMEDIATE" if plant.sqlite else "LOCK TABLE installation")
            for _ in range(5):
                agent.report({"pc": {"cpu": [(0, 1.0)]}})
            settle()
            assert agent.client.heard.empty()
            other.rollback()
        agent.acked(6)
    assert len(plant.readings()) == 6
    assert verify(plant.engine).ok


def test_a_full_disk_is_told_and_survived(tmp_path: Path, clock: Clock) -> None:
    """SQLite's page limit gives the very error of a full disk."""
    plant = Plant(tmp_path, clock)
    plant.enrol(ME)
    plant.start()
    try:
        _fill_disk(plant)
    finally:
        plant.stop()


def _fill_disk(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        full = threading.Event()
        full.set()

        from sqlalchemy import event

        @event.listens_for(plant.engine, "checkout")
        def limit(connection: object, _record: object, _proxy: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0] if full.is_set() else 1_000_000  # type: ignore[attr-defined]
            connection.execute(f"PRAGMA max_page_count={pages}")  # type: ignore[attr-defined]

        for _ in range(4):
            agent.report({"pc": {"system": [(ms, "x" * 1000) for ms in range(100)]}})
        eventually(lambda: not plant.ingest.ready, "ingest says that it cannot write")
        assert agent.client.heard.empty()
        full.clear()
        agent.acked(5)
        eventually(lambda: plant.ingest.ready, "ingest can write again")
    assert len(plant.readings()) == 401
    assert plant.stats.commit_failures >= 1
    assert verify(plant.engine).ok


def test_one_message_that_the_database_cannot_take_does_not_stop_the_others(plant: Plant) -> None:
    with plant.agent() as agent, plant.agent(OTHER) as other:
        agent.inventory()
        other.inventory()
        other.report({"pc": {"cpu": [(0, 1.0)]}})
        other.acked(1)
        if plant.sqlite:
            plant.change("CREATE TRIGGER t BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
        else:
            plant.change("ALTER TABLE event ADD CHECK (kind <> 'trap')")
        agent.report({"pc": {"cpu": [(0, 1.0)]}}, events=(Event("trap", plant.clock()),))
        other.report({"pc": {"cpu": [(0, 2.0)]}})
        other.acked(2)
        eventually(lambda: plant.quarantined() == {"internal": 1}, "the bad one is set aside")
        assert agent.client.heard.empty()


def test_late_readings_find_a_place_after_their_day_was_given_up(plant: Plant, tmp_path: Path) -> None:
    keeper = Keeper(plant.engine, HistoryConfig(rows_days=10, archive=False), tmp_path / "archive", plant.clock)
    old = plant.clock() - 20 * DAY_MS
    with plant.agent() as agent:
        agent.inventory()
        for at in range(2):
            agent.report({"pc": {"cpu": [(at, 12.5)]}}, base_ms=old)
        agent.acked(2)
        keeper.roll()
        keeper.keep_house()
        assert plant.days() == []
        agent.report({"pc": {"cpu": [(2, 13.0)]}}, base_ms=old)
        assert agent.acked(3).committed == ((3, 3),)
        assert plant.readings() == [("pc", "cpu", old + 2, 13.0)]
    assert plant.stats.commit_failures == 0
    assert verify(plant.engine).ok


def test_verify_names_what_is_missing_changed_or_stray(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.inventory()
        eventually(lambda: plant.rows("SELECT 1 FROM device"), "no report waits for it, so ids are numbers")
        for _ in range(4):
            agent.report({"pc": {"cpu": [(0, 1.0), (1, 2.0)]}})
        agent.number += 2
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(7)
    [table] = plant.days()
    value = "value" if plant.sqlite else "number"
    plant.change(
        f"DELETE FROM {table} WHERE batch = 2 AND {value} = 2.0",
        f"UPDATE {table} SET {value} = 9.0 WHERE batch = 3 AND {value} = 2.0",
        f"INSERT INTO {table} SELECT series, at_ms + 7, 99, {value} FROM {table} WHERE batch = 1 AND {value} = 2.0"
        if plant.sqlite
        else f"INSERT INTO {table} (series, at_ms, batch) SELECT series, at_ms + 7, 99 FROM {table} LIMIT 1",
        "UPDATE batch SET accepted = 1 WHERE id = 4",
    )
    result = verify(plant.engine)
    [epoch] = result.epochs
    assert epoch.missing == [(5, 6)]
    assert epoch.damaged == ["batch 2: 1 rows of 2", "batch 3: rows were changed"]
    assert epoch.unbalanced == [4]
    assert result.stray_rows == 1
    assert not result.ok


def test_a_presence_that_changed_while_the_controller_was_down_is_known_after_its_start(plant: Plant) -> None:
    will = Status(EPOCH, Presence.OFFLINE, 1, "1.0", plant.clock())
    with plant.agent(will=will) as agent:
        agent.online()
        eventually(lambda: plant.rows("SELECT 1 FROM agent WHERE presence = 'online'"), "online")
        plant.ingest.stop()
        agent.client.vanish()
        plant.restart_ingest()
        eventually(lambda: plant.rows("SELECT 1 FROM agent WHERE presence = 'offline'"), "the broker has kept the will")


def test_verify_prints_a_report_and_tells_by_its_exit_code(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    with plant.agent() as agent:
        agent.inventory()
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(1)
        assert main(plant.engine) == 0
        printed = capsys.readouterr().out
        assert f"ok  alpha/room-1 {EPOCH} 1..1: produced 1 = accepted 1" in printed
        assert "nothing is missing" in printed
        agent.number += 1
        agent.report({"pc": {"cpu": [(0, 1.0)]}})
        agent.acked(3)
        assert main(plant.engine) == 1
        assert "missing numbers: 2" in capsys.readouterr().out
