"""Roll-ups: whatever comes, in whatever order and however often, a bucket is what its readings make of it."""

import random
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from controller.telemetry import roller
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.roller import Roller
from controller.telemetry.rollup import UNKNOWN_MS, Bucket, hours
from controller.telemetry.rollups import rollups_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain
from controller.telemetry.writing import writing
from tests.databases import fresh
from tests.integration.archive import NOW, TODAY, Annals

MINUTE = 60_000


def expected(rows: list[Row], grain: Grain) -> list[Bucket]:
    """By the definition of a bucket, from all readings."""
    found = []
    ordered = sorted((row for row in rows if row[0] != 4), key=lambda row: row[:3])
    for (series, slot), group in groupby(ordered, key=lambda row: (row[0], row[1] // grain.width_ms)):
        readings = list(group)
        values = [float(row[3]) for row in readings if isinstance(row[3], int | float)]
        times = [row[1] for row in readings]
        silence = max((after - before for before, after in pairwise(times)), default=0)
        found.append(
            Bucket(
                *(series, slot * grain.width_ms, len(values)),
                min(values, default=None),
                sum(values) / len(values) if values else None,
                max(values, default=None),
                *(times[0], times[-1], silence if len(values) == len(readings) else UNKNOWN_MS),
            )
        )
    return found


def alike(found: list[Bucket], wanted: list[Bucket]) -> None:
    assert [each._replace(mean=None) for each in found] == [each._replace(mean=None) for each in wanted]
    assert [each.mean for each in found] == pytest.approx([each.mean for each in wanted])


def many(chance: random.Random, count: int, days: int = 2) -> list[tuple[int, int, float | str | None]]:
    """Readings of all kinds over the last days."""

    def value(series: int) -> float | str | None:
        if chance.random() < 0.05:
            return None
        values: dict[int, float | str] = {
            1: round(chance.uniform(-50, 50), 1),
            2: chance.randrange(-5, 5_000),
            3: chance.randrange(2),
            4: chance.choice(["idle", "printing"]),
        }
        return values[series]

    at = [(chance.randrange(1, 5), NOW - chance.randrange(days * DAY_MS)) for _ in range(count)]
    return [(series, at_ms, value(series)) for series, at_ms in at]


def test_rollups_are_what_all_readings_make_whatever_order_they_come_in(either_database: Engine) -> None:
    annals, chance = Annals(either_database), random.Random(7)
    readings = many(chance, 6_000)
    rows: list[Row] = []
    for at in range(0, 6_000, 500):  # each batch has readings of both days: all but the first come late
        rows += annals.take(readings[at : at + 500])
        if at % 1_000:
            Roller(either_database).roll()
    assert Roller(either_database).roll().more is False
    alike(annals.buckets(FIVE_MINUTES), expected(rows, FIVE_MINUTES))
    alike(annals.buckets(HOUR), expected(rows, HOUR))
    before = annals.buckets(FIVE_MINUTES), annals.buckets(HOUR)
    with either_database.begin() as connection:
        connection.execute(text("UPDATE rollup_cursor SET batch_id = 0"))
    assert Roller(either_database).roll().buckets > 0
    assert (annals.buckets(FIVE_MINUTES), annals.buckets(HOUR)) == before, "a repeat changes nothing"
    assert Roller(either_database).roll().batches == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(1, 2),
                st.integers(0, 3 * 60 * MINUTE).map(lambda ago: NOW - ago),
                st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
            ),
            min_size=1,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_rollups_hold_for_every_value_that_a_reading_can_have(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, float | None]]]
) -> None:
    engine = fresh(tmp_path_factory.mktemp("rollups") / "any.db")
    annals = Annals(engine)
    rows: list[Row] = []
    for batch in batches:
        rows += annals.take(batch)
        Roller(engine).roll()
    for grain in (FIVE_MINUTES, HOUR):
        found, wanted = annals.buckets(grain), expected(rows, grain)
        bare = [each._replace(mean=None, silence_ms=0) for each in wanted]
        assert [each._replace(mean=None, silence_ms=0) for each in found] == bare
        for each in found:
            assert (each.mean is None) == (each.low is None)
            if each.low is not None and each.mean is not None and each.high is not None:
                slack = 1e-9 * max(abs(each.low), abs(each.high))
                assert each.low - slack <= each.mean <= each.high + slack
    assert list(hours(annals.buckets(FIVE_MINUTES))) == annals.buckets(HOUR)
    engine.dispose()


def test_absurd_values_do_not_stop_the_rollups(either_database: Engine) -> None:
    annals = Annals(either_database)
    huge = 1.7e308
    annals.take([(1, NOW, huge), (1, NOW + 1, -huge), (1, NOW + 2, 3.0), (2, NOW, 2**63 - 1), (2, NOW + 1, -(2**63))])
    annals.take([(1, NOW + 600_000, huge), (1, NOW + 600_001, huge), (1, NOW + 600_002, 5e-324)])
    Roller(either_database).roll()
    first, second, whole = annals.buckets(FIVE_MINUTES)
    assert (first.low, first.mean, first.high, first.known) == (-huge, 3.0, huge, 3)
    assert (second.high, whole.low) == (huge, float(-(2**63)))


def test_a_crash_between_two_steps_costs_nothing(either_database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    annals, chance = Annals(either_database), random.Random(3)
    rows = annals.take(many(chance, 2_000))
    monkeypatch.setattr(roller, "BUCKETS", 100)
    writes = 0
    real = writing

    def failing(engine: Engine) -> object:
        nonlocal writes
        writes += 1
        if writes == 5:
            raise OperationalError("the power went", None, Exception())
        return real(engine)

    monkeypatch.setattr(roller, "writing", failing)
    with pytest.raises(OperationalError):
        Roller(either_database).roll()
    assert 0 < len(annals.buckets(FIVE_MINUTES)) < len(expected(rows, FIVE_MINUTES)), "half of it is written"
    rows += annals.take(many(chance, 200))
    while Roller(either_database).roll().more:
        pass
    alike(annals.buckets(FIVE_MINUTES), expected(rows, FIVE_MINUTES))
    alike(annals.buckets(HOUR), expected(rows, HOUR))


def test_rollups_lie_in_tables_by_day_and_by_month(either_database: Engine) -> None:
    annals = Annals(either_database)
    annals.take([(1, (TODAY + day) * DAY_MS, 1.0) for day in (-40, -1, 0)])
    Roller(either_database).roll()
    with either_database.begin() as connection:
        assert rollups_in(either_database).periods(connection, FIVE_MINUTES) == [TODAY - 40, TODAY - 1, TODAY]
        assert len(rollups_in(either_database).periods(connection, HOUR)) == 2
