"""What the device page and the drawer show, as plain values."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from contract.messages import Presence
from contract.model import Quality, pattern_for
from contract.units import UNITS, symbol
from controller.alerts.rules import DeviceState
from controller.fleet.picture import AgentRow, DeviceRow, DeviceView, ValueView
from controller.web.chart_span import SPANS, Span, cell_text, cell_word, cells, label, told
from controller.web.formats import SCALED, clock, date_time, local, shown
from controller.web.history import Past
from controller.web.i18n import Language
from controller.web.typography import breakable, tidy
from controller.web.views import crumbs, reason_text, words
from device_profiles.profile import DeviceProfile

HOUR_MS = 3_600_000
LINES = 4
"""Most lines of one chart: as many as can be told apart by colour and dash."""
LONG_TEXT = 10
"""A longer text is shown smaller, so that it fits."""

Points: TypeAlias = Sequence[tuple[int, float | None]]


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value in words. `meanings` are the profile's words for what a text value can be."""

    name: str
    label: str
    text: str
    unit: str
    unit_code: str
    long: bool
    at_ms: int | None
    quality: str
    quality_word: str
    meanings: Mapping[str, str]

    @property
    def pieces(self) -> Sequence[str]:
        """The text, cut where a line may break."""
        return breakable(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    label: str
    points: Points


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One hour, or a longer cell, of one line; `low` is empty if nothing came, `gap` says that some is missing."""

    hour: str
    gap: bool
    line: str
    low: str
    mean: str
    high: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A line for each metric of one pattern. `data` is what the script draws, `rows` its equal as a table."""

    name: str
    label: str
    unit: str
    symbol: str
    lines: tuple[Line, ...]
    rows: tuple[ChartRow, ...]
    has_gap: bool
    summary: str
    cell: str
    span_s: int

    @property
    def data(self) -> Mapping[str, object]:
        lines = [{"name": line.name, "label": line.label, "points": line.points} for line in self.lines]
        return {"lines": lines}


@dataclass(frozen=True, slots=True)
class Choice:
    """A span that the charts can show."""

    name: str
    label: str
    current: bool


@dataclass(frozen=True, slots=True)
class ProfileView:
    slug: str
    label: str
    verified: str
    source: str


@dataclass(frozen=True, slots=True)
class AgentView:
    name: str
    presence: str
    heard_ms: int
    version: str
    id: int = 0
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class DevicePage:
    id: int
    name: str
    slug: str
    room_id: int | None
    room_name: str
    school_name: str
    crumbs: tuple[tuple[str, str], ...]
    state: str
    trouble: str
    heard_ms: int
    connection: str
    values: tuple[ShownValue, ...]
    charts: tuple[Chart, ...]
    spans: tuple[Choice, ...]
    told_span: str
    profile: ProfileView
    agent: AgentView


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom and when a page is made. `fleet` says whether the reader may see the fleet page."""

    language: Language
    now_ms: int
    fleet: bool


@dataclass(frozen=True, slots=True)
class Known:
    """All that was found out of one device, ready to be put into words."""

    device: DeviceView
    row: DeviceRow
    agent: AgentRow
    profile: DeviceProfile | None
    values: Sequence[ValueView]
    history: Past


def device_page(known: Known, reader: Reader) -> DevicePage:
    """The page of one device. Metrics that never came are left out."""
    device, language, now_ms, fleet = known.device, reader.language, reader.now_ms, reader.fleet
    values = [value for value in known.values if value.at_ms is not None]
    path = crumbs(
        device.school_id, tidy(device.school), language, fleet=fleet, room=(device.room_id, tidy(device.room))
    )
    return DevicePage(
        id=device.id,
        name=tidy(device.name),
        slug=device.slug,
        room_id=device.room_id,
        room_name=tidy(device.room),
        school_name=tidy(device.school),
        crumbs=path,
        state=device.state.value,
        trouble=_trouble(device, now_ms, language),
        heard_ms=device.heard_ms,
        connection=_connection(known, language),
        values=tuple(shown_value(value, known.profile, language) for value in values),
        charts=tuple(charts(values, known, reader)),
        spans=tuple(
            Choice(span.name, label(span, language), span.name == known.history.span.name) for span in SPANS.values()
        ),
        told_span=told(known.history.span, language),
        profile=_profile(known, language),
        agent=_agent(known.agent, language),
    )


def _trouble(device: DeviceView, now_ms: int, language: Language) -> str:
    if not device.reasons or device.state in (DeviceState.OK, DeviceState.IN_USE):
        return ""
    texts = "; ".join(reason_text(reason, language) for reason in device.reasons)
    since = language.t("since {time}", time=date_time(device.since_ms, now_ms, language)) if device.since_ms else ""
    return f"{texts}, {since}." if since else f"{texts}."


def _connection(known: Known, language: Language) -> str:
    identity = known.row.identity
    state = {
        "open": language.t("in contact"),
        "lost": language.t("contact lost"),
        "parked": language.t("tried less often after many failures"),
        "starting": language.t("not tried yet"),
    }.get(known.row.bridge_state, known.row.bridge_state)
    return f"{state} · {identity}" if identity else str(state)


def _profile(known: Known, language: Language) -> ProfileView:
    profile = known.profile
    if profile is None:
        return ProfileView(known.row.profile_slug, known.row.profile_slug, "", str(language.t("not on this server")))
    verified, source = (words(each, language) if each else "" for each in (profile.verified, profile.source))
    return ProfileView(profile.slug, words(profile.label, language), verified, source)


def _agent(agent: AgentRow, language: Language) -> AgentView:
    if agent.flooded_ms is not None:
        presence = language.t("cut off: it sent far too much")
    elif agent.revoked:
        presence = language.t("revoked")
    elif agent.presence == Presence.ONLINE:
        presence = language.t("online")
    else:
        presence = language.t("no contact") if agent.presence else language.t("not heard yet")
    return AgentView(
        agent.name, str(presence), agent.heard_ms, agent.version, agent.id, cut_off=agent.flooded_ms is not None
    )


def metric_label(value: ValueView, profile: DeviceProfile | None, language: Language) -> str:
    """The profile's word for a metric; of a pattern with the part that the `*` stands for."""
    if value.label is None:
        return value.metric
    title, part = words(value.label, language), _part(value.metric, profile)
    return f"{title}\u00a0· {part}" if part else title


def _part(metric: str, profile: DeviceProfile | None) -> str:
    pattern = pattern_for(metric, profile.metrics) if profile else None
    if pattern is None or "*" not in pattern:
        return ""
    head, _, tail = pattern.partition("*")
    return metric[len(head) : len(metric) - len(tail)]


def shown_value(value: ValueView, profile: DeviceProfile | None, language: Language) -> ShownValue:
    meanings = _meanings(value, profile, language)
    meant = meanings.get(value.value, value.value) if isinstance(value.value, str) else value.value
    text = shown(meant, value.unit, language)
    return ShownValue(
        name=value.metric,
        label=metric_label(value, profile, language),
        text=text.text,
        unit=text.unit,
        unit_code=value.unit,
        long=len(text.text) > LONG_TEXT,
        at_ms=value.at_ms,
        quality=value.quality.value,
        quality_word=quality_word(value, language),
        meanings=meanings,
    )


def _meanings(value: ValueView, profile: DeviceProfile | None, language: Language) -> Mapping[str, str]:
    pattern = pattern_for(value.metric, profile.metrics) if profile else None
    if profile is None or pattern is None:
        return {}
    return {code: words(meaning, language) for code, meaning in profile.metrics[pattern].words.items()}


def quality_word(value: ValueView, language: Language) -> str:
    """What stands before the age of a value; nothing for a good one. static/values.js says the same."""
    if value.at_ms is None:
        return ""
    if value.quality is Quality.STALE:
        return str(language.t("Stale value,") + " ")
    return str(language.t("Not known,") + " ") if value.quality is Quality.BAD else ""


def charts(values: Sequence[ValueView], known: Known, reader: Reader) -> list[Chart]:
    """A chart for each metric that the profile wants charted; metrics of one pattern share one."""
    wanted = [value for value in values if value.chart and value.kind in ("int", "float")]
    patterns = known.profile.metrics if known.profile else {}
    groups = groupby(wanted, key=lambda value: pattern_for(value.metric, patterns) or value.metric)
    return [_chart(name, list(group)[:LINES], known, reader) for name, group in groups]


def _chart(name: str, values: list[ValueView], known: Known, reader: Reader) -> Chart:
    unit, language = values[0].unit, reader.language
    lines = tuple(_line(value, known, language) for value in values)
    title = words(values[0].label, language) if values[0].label else name
    has_gap = any(value is None for line in lines for _, value in line.points)
    return Chart(
        name=name,
        label=title,
        unit=unit,
        symbol="" if unit in SCALED or unit not in UNITS else symbol(unit, language.code),
        lines=lines,
        rows=tuple(row for line in lines for row in _rows(line, unit, known.history, reader)),
        has_gap=has_gap,
        summary=_summary(title, lines, unit, known.history.span, has_gap=has_gap, language=language),
        cell=cell_word(known.history.span, language),
        span_s=known.history.span.length_ms // 1000,
    )


def _line(value: ValueView, known: Known, language: Language) -> Line:
    name = _part(value.metric, known.profile) or metric_label(value, known.profile, language)
    points = [(at_ms, each) for at_ms, each in known.history.points(value.metric) if not isinstance(each, str)]
    return Line(value.metric, name, points)


def _summary(title: str, lines: Sequence[Line], unit: str, span: Span, *, has_gap: bool, language: Language) -> str:
    found = [value for line in lines for _, value in line.points if value is not None]
    if not found:
        return str(language.t("Chart: {label}, no data in the {span}", label=title, span=told(span, language)))
    low, high = (str(shown(value, unit, language)) for value in (min(found), max(found)))
    facts = {"label": title, "low": low, "high": high, "span": told(span, language)}
    text = str(language.t("Chart: {label}, from {low} to {high} in the {span}", **facts))
    return "; ".join((text, language.t("with gaps"))) if has_gap else text


def _rows(line: Line, unit: str, past: Past, reader: Reader) -> list[ChartRow]:
    """Newest first. Hours of the points that are drawn, longer cells of all readings."""
    if past.span.cell == "hour":
        return _hours(line, unit, reader)
    gaps = [at_ms for at_ms, value in line.points if value is None]
    rows = []
    for cell in cells(past.hours(line.name), past.span, reader.now_ms):
        facts = [fact for fact in (cell.low, cell.mean, cell.high) if fact is not None]
        texts = [str(shown(fact, unit, reader.language)) for fact in facts] or ["", "", ""]
        gap = any(cell.from_ms <= at_ms < cell.until_ms for at_ms in gaps)
        rows.append(ChartRow(cell_text(cell, past.span, reader.language), gap, line.label, *texts))
    return rows


def _hours(line: Line, unit: str, reader: Reader) -> list[ChartRow]:
    """Newest first, from the first hour with a point on; hours without any are there and say so."""
    by_hour: dict[int, list[float]] = {}
    gaps = {at_ms // HOUR_MS for at_ms, value in line.points if value is None}
    for at_ms, value in line.points:
        found = by_hour.setdefault(at_ms // HOUR_MS, [])
        if value is not None:
            found.append(value)
    rows = []
    for hour in range(reader.now_ms // HOUR_MS, min(by_hour, default=sys.maxsize) - 1, -1):
        found = by_hour.get(hour, [])
        facts = (min(found), sum(found) / len(found), max(found)) if found else ()
        texts = [str(shown(fact, unit, reader.language)) for fact in facts] or ["", "", ""]
        rows.append(ChartRow(_hour(hour * HOUR_MS, reader.now_ms), hour in gaps, line.label, *texts))
    return rows


def _hour(at_ms: int, now_ms: int) -> str:
    day = "" if local(at_ms).date() == local(now_ms).date() else f", {local(at_ms):%d/%m}"
    return f"{clock(at_ms)}\u2013{clock(at_ms + HOUR_MS)}{day}"
