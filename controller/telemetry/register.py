"""What the tables say of history: how far it is rolled up, which periods were given up, what is archived."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.tiers import Period, Tier

_NOTE = text(
    "INSERT INTO history_period (tier, period, batch_id) VALUES ('rows', :day, :batch) ON CONFLICT (tier, period)"
    " DO UPDATE SET batch_id = excluded.batch_id WHERE excluded.batch_id > history_period.batch_id"
)
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
_PARTS = text("SELECT day, part, after_batch, upto_batch, row_count, checksum, size FROM archived_part")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the archive: see `tables.ArchivedPart`."""

    day: Day
    part: int
    after_batch: int
    upto_batch: int
    row_count: int
    checksum: int
    size: int


def cursor(connection: Connection) -> int:
    """The last batch that the roll-ups know."""
    return int(connection.execute(text("SELECT max(batch_id) FROM rollup_cursor")).scalar() or 0)


def advance(connection: Connection, batch: int, days: Mapping[Day, int]) -> None:
    """Move the cursor; `days` has the highest batch of each day that it passes."""
    connection.execute(
        text(
            "INSERT INTO rollup_cursor (id, batch_id) VALUES (1, :batch)"
            " ON CONFLICT (id) DO UPDATE SET batch_id = excluded.batch_id"
        ),
        {"batch": batch},
    )
    for day, highest in sorted(days.items()):
        connection.execute(_NOTE, {"day": day, "batch": highest})


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


def parts(connection: Connection, days: Iterable[Day] | None = None) -> list[Part]:
    """The files of the archive, by day and number; of some days or of all."""
    found = sorted((Part(*row) for row in connection.execute(_PARTS)), key=lambda each: (each.day, each.part))
    wanted = None if days is None else set(days)
    return found if wanted is None else [each for each in found if each.day in wanted]


def add_part(connection: Connection, part: Part, now_ms: int) -> None:
    connection.execute(
        text(
            "INSERT INTO archived_part (day, part, after_batch, upto_batch, row_count, checksum, size, made_ms)"
            " VALUES (:day, :part, :after, :upto, :rows, :checksum, :size, :now)"
        ),
        {
            "day": part.day,
            "part": part.part,
            "after": part.after_batch,
            "upto": part.upto_batch,
            "rows": part.row_count,
            "checksum": part.checksum,
            "size": part.size,
            "now": now_ms,
        },
    )


def remove_parts(connection: Connection, day: Day) -> None:
    connection.execute(text("DELETE FROM archived_part WHERE day = :day"), {"day": day})


def first_archived(connection: Connection) -> Day | None:
    """The oldest day in the archive."""
    found = connection.execute(text("SELECT min(day) FROM archived_part")).scalar()
    return None if found is None else int(found)
