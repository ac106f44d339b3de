"""What the tables say of history: how far it is rolled up, which periods were given up, what is archived."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, text

from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.tables import LAST_SERIES
from controller.telemetry.tiers import GRAINS, Period, Tier

_NOTE = text(
    "INSERT INTO history_period (tier, period, batch_id) VALUES ('rows', :day, :batch) ON CONFLICT (tier, period)"
    " DO UPDATE SET batch_id = excluded.batch_id WHERE excluded.batch_id > history_period.batch_id"
)
_GREW = text("UPDATE history_period SET size = NULL WHERE tier = :tier AND period = :period")
_MEASURED = text(
    "INSERT INTO history_period (tier, period, batch_id, size) VALUES (:tier, :period, 0, :size)"
    " ON CONFLICT (tier, period) DO UPDATE SET size = excluded.size"
)
_DROPPED = text(
    "INSERT INTO history_period (tier, period, batch_id, size, dropped_ms) VALUES (:tier, :period, 0, 0, :now)"
    " ON CONFLICT (tier, period) DO UPDATE SET size = 0, dropped_ms = excluded.dropped_ms"
)
_WAITING = text(
    "SELECT 1 FROM batch WHERE id > (SELECT coalesce(max(batch_id), 0) FROM rollup_cursor)"
    " AND from_ms < :end AND to_ms >= :begin LIMIT 1"
)
_COLUMNS = "day, part, after_batch, upto_batch, row_count, checksum, size, file, after_series, upto_series"
_PARTS = text(f"SELECT {_COLUMNS} FROM archived_part WHERE day BETWEEN :first AND :last ORDER BY day, part")  # noqa: S608
_WHOLE = text(
    "SELECT day FROM archived_part WHERE day BETWEEN :first AND :last GROUP BY day"
    " HAVING min(after_batch) = 0 AND max(CASE WHEN after_batch = 0 THEN upto_series ELSE 0 END) = :series"
)
_ADD = text(
    f"INSERT INTO archived_part ({_COLUMNS}, made_ms) VALUES (:day, :part, :after_batch, :upto_batch, :row_count,"  # noqa: S608
    " :checksum, :size, :file, :after_series, :upto_series, :now)"
)
_STRAY = text(
    "INSERT INTO stray_file (day, file, upto_series, noted_ms)"
    " VALUES (:day, :file, (SELECT coalesce(max(id), 0) FROM series), :now) ON CONFLICT (day, file) DO NOTHING"
)
_ALWAYS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the archive: see `tables.ArchivedPart`."""

    day: Day
    part: int
    after_batch: int
    upto_batch: int
    row_count: int = 0
    checksum: int = 0
    size: int = 0
    file: str = ""
    after_series: int = 0
    upto_series: int = LAST_SERIES


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that is no part: see `tables.StrayFile`."""

    day: Day
    file: str
    upto_series: int
    noted_ms: int


def cursor(connection: Connection) -> int:
    """The last batch that the roll-ups know."""
    return int(connection.execute(text("SELECT max(batch_id) FROM rollup_cursor")).scalar() or 0)


def advance(connection: Connection, batch: int, days: Mapping[Day, int]) -> None:
    """Move the cursor; `days` has the highest batch of each day that it passes. What they take is measured again."""
    connection.execute(
        text(
            "INSERT INTO rollup_cursor (id, batch_id) VALUES (1, :batch)"
            " ON CONFLICT (id) DO UPDATE SET batch_id = excluded.batch_id"
        ),
        {"batch": batch},
    )
    for day, highest in sorted(days.items()):
        connection.execute(_NOTE, {"day": day, "batch": highest})
    grown = {(Tier.ROWS, day) for day in days}
    grown |= {(grain.tier, grain.period(day * DAY_MS)) for grain in GRAINS for day in days}
    for tier, period in sorted(grown):
        connection.execute(_GREW, {"tier": tier.value, "period": period})


def is_rolled_up(connection: Connection, day: Day) -> bool:
    """Whether the roll-ups know every batch with readings of that day."""
    asked = {"begin": day * DAY_MS, "end": (day + 1) * DAY_MS}
    return connection.execute(_WAITING, asked).scalar() is None


def highest_batches(connection: Connection) -> dict[Day, int]:
    """The highest batch that is rolled up, of each day."""
    found = connection.execute(text("SELECT period, batch_id FROM history_period WHERE tier = 'rows'"))
    return {row.period: row.batch_id for row in found}


def sizes(connection: Connection, tier: Tier) -> dict[Period, int]:
    """Bytes of each period that was measured."""
    asked = text("SELECT period, size FROM history_period WHERE tier = :tier AND size IS NOT NULL")
    return {row.period: row.size for row in connection.execute(asked, {"tier": tier.value})}


def measured(connection: Connection, tier: Tier, period: Period, size: int) -> None:
    connection.execute(_MEASURED, {"tier": tier.value, "period": period, "size": size})


def dropped(connection: Connection, tier: Tier, period: Period, now_ms: int) -> None:
    """A period is given up from now on."""
    connection.execute(_DROPPED, {"tier": tier.value, "period": period, "now": now_ms})


def dropped_periods(connection: Connection, tier: Tier) -> dict[Period, int]:
    """When each period of a tier that was given up was so, last."""
    asked = text("SELECT period, dropped_ms FROM history_period WHERE tier = :tier AND dropped_ms IS NOT NULL")
    return {row.period: row.dropped_ms for row in connection.execute(asked, {"tier": tier.value})}


def last_dropped(connection: Connection) -> dict[Tier, Period]:
    """The newest period of each tier that was given up."""
    asked = text("SELECT tier, max(period) AS last FROM history_period WHERE dropped_ms IS NOT NULL GROUP BY tier")
    return {Tier(row.tier): row.last for row in connection.execute(asked)}


def parts(connection: Connection, first: Day = 0, last: Day = _ALWAYS) -> list[Part]:
    """The files of the archive, by day and number; of some days, both included, or of all."""
    return [Part(*row) for row in connection.execute(_PARTS, {"first": first, "last": last})]


def add_part(connection: Connection, part: Part, now_ms: int) -> None:
    connection.execute(_ADD, {**asdict(part), "now": now_ms})


def remove_parts(connection: Connection, day: Day) -> None:
    connection.execute(text("DELETE FROM archived_part WHERE day = :day"), {"day": day})


def archived_days(connection: Connection, first: Day, last: Day) -> set[Day]:
    """The days, of these, of which the archive has all there was: from the first batch on, of all series, and nothing
    of it was given up. So are days of which there never was anything.
    """
    whole = set(connection.execute(_WHOLE, {"first": first, "last": last, "series": LAST_SERIES}).scalars())
    lacking = dropped_periods(connection, Tier.ROWS).keys() - whole | dropped_periods(connection, Tier.ARCHIVE).keys()
    return set(range(first, last + 1)) - lacking


def note_stray(connection: Connection, day: Day, file: str, now_ms: int) -> None:
    """A file is no part, and neither are the series that come from now on the ones it speaks of."""
    connection.execute(_STRAY, {"day": day, "file": file, "now": now_ms})


def strays(connection: Connection) -> list[Stray]:
    """Those that are noted, by day."""
    found = connection.execute(text("SELECT day, file, upto_series, noted_ms FROM stray_file ORDER BY day, file"))
    return [Stray(*row) for row in found]


def forget_stray(connection: Connection, stray: Stray) -> None:
    connection.execute(
        text("DELETE FROM stray_file WHERE day = :day AND file = :file"), {"day": stray.day, "file": stray.file}
    )
