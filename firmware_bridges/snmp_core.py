"""What an SNMP agent is asked and how its answers are read into metrics. Pure: numbers, bytes and OIDs in, values out.

An OID that ends in `.0` is a single value. Any other is a column of a table: a metric with `*` gives a value for each
row, named by the row's label; one without gives one value for all rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final, TypeAlias

from contract.model import Value
from firmware_bridges.slug import unique_slug

MAX_ROWS: Final = 64
"""So many rows of a table become metrics of their own; a switch of 52 ports fits. How many do not is told."""
MAX_WALK: Final = 4_096
"""So many rows of a column are asked for: more are not counted, nor summed."""
MAX_TEXT: Final = 200
Raw: TypeAlias = int | bytes | str | None
"""A number, an octet string, an OID or address as text; None for what the device does not have."""
Rows: TypeAlias = Mapping[str, Raw]
"""A column: index of the row -> value."""


class How(StrEnum):
    """How the raw value or values become one of the contract's."""

    NUMBER = "number"
    WHOLE = "whole"
    TEXT = "text"
    ADDRESS = "address"
    CODE = "code"
    TRUTH = "truth"
    BIT = "bit"
    PERCENT = "percent"
    RATE = "rate"
    SUM = "sum"
    MEAN = "mean"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Ask:
    """One metric and where it comes from.

    `factor` is what a number is multiplied by, and of a RATE its growth in a second. `equals` is the number that is
    true (TRUTH), or the number of the bit (BIT, the first is 0). `codes` are the names of a CODE. `of` is the column
    with the whole that a PERCENT is a part of; of a COUNT a column that is never empty where the device has the MIB at
    all, without which the count is unknown. `labels` are the columns that name the rows: the first that has a name
    for a row does, else its index. `instead` says that it tells those rows alone for which an ask of the same metric
    before it found nothing.
    """

    metric: str
    oid: str
    how: How
    factor: float = 1.0
    equals: int = 1
    codes: Mapping[int, str] = field(default_factory=dict)
    of: str = ""
    labels: tuple[str, ...] = ()
    instead: bool = False

    @property
    def single(self) -> bool:
        return self.oid.endswith(".0")

    @property
    def table(self) -> str:
        """What the rows are called that have a metric each; empty if it is one for all."""
        head, star, _ = self.metric.partition("*")
        return head if star else ""


def singles(asks: Iterable[Ask]) -> list[str]:
    """The OIDs to get."""
    return list(dict.fromkeys(ask.oid for ask in asks if ask.single))


def columns(asks: Iterable[Ask]) -> list[str]:
    """The OIDs to walk first."""
    first = (ask for ask in asks if not ask.single and not ask.instead)
    return list(dict.fromkeys(oid for ask in first for oid in (*ask.labels[:1], ask.oid, ask.of) if oid))


def stand_ins(asks: Sequence[Ask], walked: Mapping[str, Rows]) -> list[str]:
    """The OIDs to walk as well: rows of a table lack a name or a value in the columns that were `walked` first."""
    tabled = [ask for ask in asks if ask.table]
    rows: dict[str, set[str]] = {ask.table: set() for ask in tabled}
    told: dict[str, set[str]] = {ask.metric: set() for ask in tabled}
    for ask in tabled:
        rows[ask.table] |= walked.get(ask.oid, {}).keys()
        told[ask.metric] |= walked.get(ask.oid, {}).keys()
    wanted: list[str] = []
    for ask in tabled:
        if rows[ask.table] - _named(ask.labels[:1], walked).keys():
            wanted += ask.labels[1:]
        if ask.instead and rows[ask.table] - told[ask.metric]:
            wanted.append(ask.oid)
    return list(dict.fromkeys(wanted))


class Reader:
    """Reads one poll after another; remembers the counters of the last one."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._asks = asks
        self._before: dict[str, tuple[float, int]] = {}

    def read(self, got: Mapping[str, Raw], walked: Mapping[str, Rows], now_s: float) -> dict[str, Value | None]:
        """The values of a poll. A device that lacks an object has none of its metrics: not None, but not there.

        `left-out` are the rows of its tables that have no metrics, if it is asked for any.
        """
        values: dict[str, Value | None] = {}
        left_out = {ask.table: 0 for ask in self._asks if ask.table}
        for ask in self._asks:
            if ask.single:
                raw = got.get(ask.oid)
                if raw is not None:
                    values[ask.metric] = self._value(ask, ask.oid, raw, None, now_s)
            elif ask.table:
                told = dict(self._rows(ask, walked, now_s))
                values = {**told, **values} if ask.instead else {**values, **told}
                left_out[ask.table] = max(left_out[ask.table], len(walked.get(ask.oid, {})) - MAX_ROWS)
            elif rows := walked.get(ask.oid, {}):
                values[ask.metric] = self._all(ask, rows, walked.get(ask.of, {}), now_s)
            elif ask.how is How.COUNT and (walked.get(ask.of) or not ask.of):
                values[ask.metric] = 0
        return {**values, "left-out": sum(left_out.values())} if left_out else values

    def _rows(self, ask: Ask, walked: Mapping[str, Rows], now_s: float) -> Iterable[tuple[str, Value | None]]:
        rows, named = _first(walked.get(ask.oid, {})), _named(ask.labels, walked)
        names = labels({**_first(named), **{index: named[index] for index in rows if index in named}}, rows)
        for index, raw in rows.items():
            whole = walked.get(ask.of, {}).get(index)
            value = self._value(ask, f"{ask.oid}.{index}", raw, whole, now_s)
            yield ask.metric.replace("*", names[index]), value

    def _all(self, ask: Ask, rows: Rows, wholes: Rows, now_s: float) -> Value | None:
        if ask.how in (How.COUNT, How.SUM, How.MEAN) and len(rows) >= MAX_WALK:
            return None  # there may be more
        numbers = [raw for raw in rows.values() if isinstance(raw, int)]
        match ask.how:
            case How.COUNT:
                return len(rows)
            case How.SUM:
                return round(sum(numbers) * ask.factor)
            case How.MEAN:
                return round(sum(numbers) / len(numbers) * ask.factor, 3) if numbers else None
        index = next(iter(rows))
        return self._value(ask, f"{ask.oid}.{index}", rows[index], wholes.get(index), now_s)

    def _value(self, ask: Ask, oid: str, raw: Raw, whole: Raw, now_s: float) -> Value | None:
        match ask.how, raw:
            case How.TEXT, bytes() | str():
                return text(raw)
            case How.ADDRESS, bytes():
                return ":".join(f"{octet:02x}" for octet in raw[:8])
            case How.BIT, bytes():
                return has_bit(raw, ask.equals)
            case ((How.NUMBER | How.MEAN), int()):
                return round(raw * ask.factor, 3)
            case ((How.WHOLE | How.SUM), int()):
                return round(raw * ask.factor)
            case How.CODE, int():
                return ask.codes.get(raw, str(raw))
            case How.TRUTH, int():
                return raw == ask.equals
            case How.PERCENT, int():
                return percent(raw, whole)
            case How.RATE, int():
                return self._rate(oid, raw, ask.factor, now_s)
        return None

    def _rate(self, oid: str, count: int, factor: float, now_s: float) -> float | None:
        """Growth in a second since the last poll; None at the first one, and after the counter began anew."""
        before = self._before.get(oid)
        self._before[oid] = (now_s, count)
        if before is None or now_s <= before[0] or count < before[1]:
            return None
        return round((count - before[1]) * factor / (now_s - before[0]), 3)


def _first(rows: Rows) -> Rows:
    return dict(islice(rows.items(), MAX_ROWS))


def _named(labels: Iterable[str], walked: Mapping[str, Rows]) -> Rows:
    """The rows that have a name, each with that of the first column that has one."""
    names: dict[str, Raw] = {}
    for column in labels:
        for index, name in walked.get(column, {}).items():
            if isinstance(name, bytes | str) and text(name):
                names.setdefault(index, name)
    return names


def labels(names: Rows, rows: Rows) -> dict[str, str]:
    """A slug for each row, the same whatever column is read with it: by name, else by index; no two alike."""
    taken: dict[str, str] = {}
    for index in dict.fromkeys((*names, *rows)):
        name = names.get(index)
        shown = text(name) if isinstance(name, bytes | str) else ""
        taken[index] = unique_slug(shown or index, taken.values())
    return taken


def text(raw: bytes | str) -> str:
    """As a reader sees it: UTF-8 where it is, without what no database takes."""
    decoded = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in decoded).strip()[:MAX_TEXT]


def has_bit(raw: bytes, number: int) -> bool:
    """Bit 0 is the highest of the first octet, as BITS are sent (RFC 3417, section 8)."""
    octet, bit = divmod(number, 8)
    return octet < len(raw) and bool(raw[octet] & 0x80 >> bit)


def percent(part: int, whole: Raw) -> float | None:
    """None for what the device does not know: Printer-MIB says so with numbers below 0."""
    if not isinstance(whole, int) or whole <= 0 or part < 0:
        return None
    return round(min(100.0, 100 * part / whole), 1)
