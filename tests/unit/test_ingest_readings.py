"""From a report to rows: the quick way and the careful way agree, and nothing is lost in either."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from contract.messages import Report
from contract.model import Kind, Value
from controller.ingest.readings import Slot, Span, make_slot, plausible, sifted, straight
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, day_of, table_of
from controller.telemetry.rows import rows_in

NOW = 1_795_000_000_000
KINDS = {"level": Kind.FLOAT, "count": Kind.INT, "on": Kind.BOOL, "name": Kind.TEXT}
SLOTS = {
    device: {metric: make_slot(10 * at + by, at, metric, kind) for by, (metric, kind) in enumerate(KINDS.items())}
    for at, device in enumerate(("a", "b"))
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES: dict[str, st.SearchStrategy[Value | None]] = {
    "level": st.one_of(
        st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53) + 1, 2**53 - 1)
    ),
    "count": st.one_of(st.none(), st.integers(-(2**53) + 1, 2**53 - 1)),
    "on": st.one_of(st.none(), st.booleans()),
    "name": st.one_of(st.none(), TEXTS),
}
TIMES = st.lists(st.integers(-5_000, 5_000), unique=True, max_size=5).map(sorted)


def report(series: dict[str, dict[str, tuple[tuple[int, Value | None], ...]]], base_ms: int = NOW) -> Report:
    count = sum([len(points) for metrics in series.values() for points in metrics.values()])
    return Report("0123456789abcdef", 1, 1, count, base_ms, series=series)


@st.composite
def good_series(draw: st.DrawFn) -> dict[str, dict[str, tuple[tuple[int, Value | None], ...]]]:
    return {
        device: {
            metric: tuple((at, draw(VALUES[metric])) for at in draw(TIMES))
            for metric in draw(st.lists(st.sampled_from(list(KINDS)), unique=True))
        }
        for device in draw(st.lists(st.sampled_from(["a", "b"]), unique=True))
    }


@st.composite
def any_series(draw: st.DrawFn) -> dict[str, dict[str, tuple[tuple[int, Value | None], ...]]]:
    """Also values of the wrong kind, and names nobody declared."""
    return {
        device: {
            metric: tuple((at, draw(st.one_of(*VALUES.values()))) for at in draw(TIMES))
            for metric in draw(st.lists(st.sampled_from([*KINDS, "other"]), unique=True))
        }
        for device in draw(st.lists(st.sampled_from(["a", "b", "ghost"]), unique=True))
    }


def slot_of(device: str, metric: str) -> Slot | None:
    return SLOTS.get(device, {}).get(metric)


@given(good_series())
def test_the_quick_way_takes_all_good_readings_as_the_careful_way_does(
    series: dict[str, dict[str, tuple[tuple[int, Value | None], ...]]],
) -> None:
    told = report(series)
    quick = straight(told, 7, SLOTS, plausible(NOW))
    careful = sifted(told, 7, slot_of, plausible(NOW))
    assert quick is not None
    assert (quick[0], quick[1]) == (careful.rows, careful.span)
    assert careful.aside == []
    assert len(quick[0]) == told.readings


@given(any_series(), st.sampled_from([NOW, NOW + 601_000, NOW - 400 * DAY_MS, NOW - 500 * DAY_MS]))
def test_every_reading_is_either_a_row_or_put_aside(
    series: dict[str, dict[str, tuple[tuple[int, Value | None], ...]]], base_ms: int
) -> None:
    told = report(series, base_ms)
    careful = sifted(told, 7, slot_of, plausible(NOW))
    assert len(careful.rows) + len(careful.aside) == told.readings
    believed = plausible(NOW)
    assert all(believed.from_ms <= row[1] <= believed.to_ms for row in careful.rows)
    quick = straight(told, 7, SLOTS, believed)
    if quick is not None:
        assert quick[0] == careful.rows
        assert careful.aside == []


@given(good_series())
def test_rows_come_back_from_the_database_with_the_same_checksum(
    series: dict[str, dict[str, tuple[tuple[int, Value | None], ...]]],
) -> None:
    quick = straight(report(series), 7, SLOTS, Span(0, 2 * NOW))
    assert quick is not None
    rows = sorted(quick[0], key=lambda row: row[:3])
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        stored = rows_in(connection)
        stored.add(connection, 20_000, rows)
        stored.flush(connection)
        read = list(chain.from_iterable(stored.of_day(connection, 20_000)))
    engine.dispose()
    again = 0
    for row in read:
        again = checksum.extended(again, row)
    assert again == checksum.of_rows(rows)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.just(1), st.floats(allow_nan=False))))
def test_a_checksum_of_many_rows_is_that_of_one_after_the_other(rows: list[Row]) -> None:
    many = rows * 20
    one_by_one = 0
    for row in many:
        one_by_one = checksum.extended(one_by_one, row)
    assert checksum.of_rows(many) == one_by_one


@given(st.integers(0, 60_000))
def test_a_day_is_found_again_by_its_table(day: int) -> None:
    assert day_of(table_of(day)) == day
    assert day_of("reading_today") is None
    assert day_of("latest") is None
