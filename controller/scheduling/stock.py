"""What a request could be served by: the units, pools and circuits behind its items. Writes nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Table,
    bindparam,
    select,
    union_all,
)

from controller.scheduling.booking_errors import NothingOfThatKind
from controller.scheduling.choice import Choice, Counted, Demand, Taken, Unit, Wanted, between_uses, choose
from controller.scheduling.policy import Thing
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.several import by_dialect
from controller.scheduling.tables import Resource

_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_C = _RESOURCE.c
_SCHOOLS: BindParameter[list[str]] = bindparam("schools", expanding=True)
_MINE = _C.school_id == bindparam("school_id")
_MOST: BindParameter[int] = bindparam("most", type_=Integer)
_COLUMNS: Select[Any] = select(
    _C.id,
    _C.school_id,
    _C.kind,
    _C.class_name,
    _C.capacity,
    _C.setup_min,
    _C.clean_up_min,
    _C.charge_min,
    _C.watts,
    _C.circuit_id,
    _C.hazard,
    _C.certificate,
    _C.shared,
).where(_C.retired.is_(False))
_KNOWN = _COLUMNS.where(_C.kind != "circuit")
_NAMED = _KNOWN.where(_C.id == bindparam("id"))
_ALL: Final = 2**31 - 1
_WIRED: Select[Any] = select(_C.id, _C.kind, _C.capacity, _C.setup_min, _C.clean_up_min, _C.watts, _C.circuit_id)
_CIRCUITS = by_dialect(
    lambda is_one: union_all(_WIRED.where(is_one(_C.id)), _WIRED.where(is_one(_C.circuit_id), _C.watts > 0))
)
_TOUCHED = by_dialect(lambda is_one: _COLUMNS.where(is_one(_C.id)).order_by(_C.id).with_for_update())


def _of_class(*besides: ColumnElement[bool]) -> Select[Any]:
    """The units of a class, the school's own ones first. Each half is read along an index, no further than needed."""
    of_it = _KNOWN.where(_C.class_name == bindparam("class_name"), _C.kind == "unit", *besides)
    mine, others = (
        each.order_by(_C.id).limit(_MOST).subquery() for each in (of_it.where(_MINE), of_it.where(_C.shared, ~_MINE))
    )
    both = union_all(select(mine), select(others)).subquery()
    return select(both).order_by(both.c.school_id != bindparam("school_id"), both.c.id).limit(_MOST)


_OFFERED = _of_class()
_OFFERED_IN = _of_class(_C.school_id.in_(_SCHOOLS))


@dataclass(frozen=True, slots=True)
class Item:
    """`count` of what is wanted: of one `resource_id` (a unit or a pool), or of any units of `class_name`.

    `class_name` is looked for in `schools`, all of them if it is empty, and there among what is shared or their own.
    """

    resource_id: int | None = None
    class_name: str = ""
    count: int = 1
    schools: tuple[str, ...] = ()


def items_of(wanted: Iterable[Mapping[str, Any]]) -> tuple[Item, ...]:
    """What a booking was made from, as its row has it."""
    return tuple(Item(**{**each, "schools": tuple(each["schools"])}) for each in wanted)


BREADTHS: Final = (32, 48, 192, None)
"""So many units of a class are looked at, the nearest first; more only if these do not serve, None: all there are."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The demands of a request, `capacity` of each pool and circuit that is touched, what `things` these are.

    `drawing` are all units, whoever may book them, on those circuits that cannot carry all of theirs at a time.
    `whole` are the demands of which no unit was left out.
    """

    wanted: Wanted
    whole: tuple[Demand, ...] = ()
    capacity: Mapping[int, int] = field(default_factory=dict)
    things: Mapping[int, Thing] = field(default_factory=dict)
    drawing: Mapping[int, Unit] = field(default_factory=dict)

    @property
    def units(self) -> Sequence[Unit]:
        return [unit for demand in self.wanted.demands for unit in demand.units]

    @property
    def ids(self) -> set[int]:
        """Of the units, pools and circuits that a booking of it may touch."""
        return {unit.id for unit in self.units} | set(self.capacity)

    @property
    def is_whole(self) -> bool:
        return len(self.whole) == len(self.wanted.demands)

    def window(self, use: range) -> range:
        """All ticks for which a unit or a part of a pool might be held by that use."""
        both: tuple[Unit | Counted, ...] = (*self.units, *self.wanted.counted)
        setup = max((each.setup for each in both), default=0)
        clean_up = max((each.clean_up for each in both), default=0)
        return range(use.start - setup, use.stop + clean_up)

    def where(self, allowed: Callable[[Thing], bool]) -> "Stock":
        """The same, but only units that are allowed are chosen."""
        barred = {unit.id for unit in self.units if not allowed(self.things[unit.id])}
        if not barred:
            return self
        wanted = replace(self.wanted, demands=_without(self.wanted.demands, barred))
        return replace(self, wanted=wanted, whole=_without(self.whole, barred))

    def chosen(self, choice: Choice) -> tuple[Thing, ...]:
        """The units of a choice, and all pools."""
        ids = [unit.id for group in choice.units for unit in group]
        return tuple(self.things[each] for each in (*ids, *(each.pool for each in self.wanted.counted)))

    def choice(self, use: range, taken: Taken) -> Choice | None:
        """What serves it at that time. Raises TooNarrow if there is nothing, but might be among what was left out."""
        if not self.is_whole and choose(Wanted(self.whole, self.wanted.counted), use, taken) is None:
            return None
        found = choose(self.wanted, use, taken)
        if found is None and not self.is_whole:
            raise TooNarrow
        return found


@dataclass(frozen=True, slots=True)
class Serving:
    """What of a stock would serve a request."""

    stock: Stock
    choice: Choice

    @property
    def units(self) -> Sequence[Unit]:
        return [unit for group in self.choice.units for unit in group]

    @property
    def counted(self) -> Sequence[Counted]:
        return self.stock.wanted.counted


class TooNarrow(Exception):
    """Not enough units were looked at: look at the next breadth of them."""


def read(connection: Connection, items: Sequence[Item], school_id: str, breadth: int | None = None) -> Stock:
    """The units and pools that could serve each item for that school, its own ones first. Raises NothingOfThatKind.

    Of a class no more than `breadth` units are looked at, and always enough for the item.
    """
    demands: list[Demand] = []
    whole: list[Demand] = []
    counted: list[Counted] = []
    capacity: dict[int, int] = {}
    things: dict[int, Thing] = {}
    for item in items:
        most = _ALL if breadth is None else max(breadth, 2 * item.count)
        rows = _offered(connection, item, school_id, most)
        things |= {row.id: _thing(row) for row in rows}
        if item.resource_id is not None and rows and rows[0].kind == "pool":
            counted.append(_counted(rows[0], item.count))
            capacity[rows[0].id] = rows[0].capacity
            continue
        units = tuple(_unit(row) for row in rows if row.kind == "unit")
        if len(units) < item.count:
            raise NothingOfThatKind(f"{item.count} are wanted, there are {len(units)}")
        demands.append(Demand(units, item.count))
        if len(rows) < most:
            whole.append(demands[-1])
    circuits = {unit.circuit for demand in demands for unit in demand.units if unit.circuit is not None and unit.watts}
    drawing: dict[int, Unit] = {}
    if circuits:
        wired = connection.execute(_CIRCUITS[connection.dialect.name], {"ids": list(circuits)}).all()
        capacity |= {row.id: row.capacity for row in wired if row.kind == "circuit"}
        drawing = _drawing(wired, capacity)
    return Stock(Wanted(tuple(demands), tuple(counted)), tuple(whole), capacity, things, drawing)


def lock_as_known(connection: Connection, serving: Serving) -> bool:
    """Have nobody else change or book what serves until the transaction ends; whether it is still as the stock has it.

    On SQLite the transaction has the database to itself already.
    """
    units, capacity = serving.units, serving.stock.capacity
    counted = {each.pool for each in serving.counted} | {
        unit.circuit for unit in units if unit.circuit is not None and unit.watts
    }
    wanted = {"ids": [*(unit.id for unit in units), *counted]}
    now = {row.id: row for row in connection.execute(_TOUCHED[connection.dialect.name], wanted)}
    return (
        len(now) == len(wanted["ids"])
        and all(_unit(now[unit.id]) == unit and _thing(now[unit.id]) == serving.stock.things[unit.id] for unit in units)
        and all(now[each].capacity == capacity[each] for each in counted)
    )


def widened(items: Sequence[Item], stock: Stock) -> tuple[Item, ...] | None:
    """The same items, but any of its class where one unit is named; None if none is."""
    pools = {each.pool for each in stock.wanted.counted}
    units = [each for each in stock.things.values() if each.id not in pools and each.class_name]
    classes = {each.id: each.class_name for each in units}
    found = tuple(Item(class_name=classes[item.resource_id]) if item.resource_id in classes else item for item in items)
    return found if found != tuple(items) else None


def ticks_of(minutes: int) -> int:
    """Rounded up to whole ticks."""
    return -(-minutes * 60_000 // TICK_MS)


def _offered(connection: Connection, item: Item, school_id: str, most: int) -> Sequence[Row[Any]]:
    if item.resource_id is not None:
        return connection.execute(_NAMED, {"id": item.resource_id}).all()
    wanted = {"class_name": item.class_name, "school_id": school_id, "most": most}
    if item.schools:
        return connection.execute(_OFFERED_IN, {**wanted, "schools": list(item.schools)}).all()
    return connection.execute(_OFFERED, wanted).all()


def _drawing(rows: Sequence[Row[Any]], capacity: Mapping[int, int]) -> dict[int, Unit]:
    """All that hangs on those circuits that could be overloaded."""
    units = [row for row in rows if row.kind == "unit"]
    watts = Counter[int]()
    for row in units:
        watts[row.circuit_id] += row.watts
    return {row.id: _unit(row) for row in units if watts[row.circuit_id] > capacity[row.circuit_id]}


def _without(demands: Sequence[Demand], barred: Collection[int]) -> tuple[Demand, ...]:
    return tuple(replace(each, units=tuple(unit for unit in each.units if unit.id not in barred)) for each in demands)


def _unit(row: Row[Any]) -> Unit:
    return Unit(row.id, ticks_of(row.setup_min), ticks_of(row.clean_up_min), row.watts, row.circuit_id)


def _counted(row: Row[Any], count: int) -> Counted:
    rest_min = between_uses(row.charge_min, row.clean_up_min)
    return Counted(row.id, count, ticks_of(row.setup_min), ticks_of(rest_min))


def _thing(row: Row[Any]) -> Thing:
    return Thing(row.id, row.school_id, row.class_name, row.shared, row.hazard, row.certificate)
