"""What the page of settings shows of one place: its fields, what lies beneath it, its history, and drift."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from contract.settings import SETTINGS
from controller.desired.desk import AgentStand, View
from controller.desired.drift import Drift
from controller.desired.inheritance import Level, Origin, Place
from controller.desired.tables import DesiredChange
from controller.fleet.live import LiveFleet
from controller.scope import Scope
from controller.web.formats import date_time
from controller.web.i18n import Language
from controller.web.settings_words import MOODS, drift_word, hint, label, level_word, value_words, why


@dataclass(frozen=True, slots=True)
class SettingField:
    """`inherited` says what counts while the field is empty, and where that is wanted."""

    name: str
    label: str
    value: str
    hint: str
    inherited: Markup
    problem: str
    way: bool


@dataclass(frozen=True, slots=True)
class Link:
    href: str
    text: str


@dataclass(frozen=True, slots=True)
class StandRow:
    """How one agent stands. `mood` is the state of ui.html's badges whose colour it has."""

    href: str
    name: str
    word: str
    mood: str
    icon: str
    why: Markup


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """`id` 0: it is what is wanted now."""

    id: int
    at: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class SettingsPage:
    place: str
    title: str
    level: str
    crumbs: tuple[tuple[str, str], ...]
    fields: tuple[SettingField, ...]
    writes: bool
    beneath: tuple[Link, ...]
    beneath_title: str
    stands: tuple[StandRow, ...]
    counts: tuple[tuple[str, str, str], ...]
    changes: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was sent in and is wrong, by the name of its field."""

    given: Mapping[str, str]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: the names and agents within their scope, in their language."""

    live: LiveFleet
    scope: Scope
    stands: Sequence[AgentStand]
    people: Mapping[str, str]
    now_ms: int
    words: Language

    def name(self, place: Place) -> str:
        """A place as people know it."""
        match place.level:
            case Level.CLUSTER:
                return level_word(Level.CLUSTER, self.words)
            case Level.SCHOOL:
                return next((each.name for each in self.live.schools(self.scope) if each.id == place.school), "")
            case Level.ROOM:
                return next((each.name for each in self.live.rooms(self.scope) if each.id == place.id), "")
            case Level.AGENT:
                return next((each.agent.name for each in self.stands if each.agent.id == place.id), "")


def settings_page(view: View, reader: Reader, *, writes: bool, filled: Filled | None = None) -> SettingsPage:
    words = reader.words
    beneath_title, beneath = _beneath(view, reader)
    under = [each for each in reader.stands if _is_under(each, view.place)]
    return SettingsPage(
        place=str(view.place),
        title=view.name or level_word(Level.CLUSTER, words),
        level=level_word(view.place.level, words),
        crumbs=_crumbs(view, reader),
        fields=tuple(_field(key, view, reader, filled) for key in SETTINGS),
        writes=writes,
        beneath=beneath,
        beneath_title=beneath_title,
        stands=tuple(stand_row(each, reader.now_ms, words) for each in under),
        counts=drift_counts(under, words),
        changes=tuple(_change(each, at == 0, reader) for at, each in enumerate(view.history)),
    )


def drift_counts(stands: Sequence[AgentStand], words: Language) -> tuple[tuple[str, str, str], ...]:
    """Badges: how many agents stand how; those of which nothing is wanted are left out."""
    found = Counter(each.drift for each in stands)
    return tuple(
        (f"{drift_word(drift, words)}: {found[drift]}", *MOODS[drift])
        for drift in Drift
        if found[drift] and drift is not Drift.UNTOLD
    )


def stand_row(stand: AgentStand, now_ms: int, words: Language) -> StandRow:
    mood, icon = MOODS[stand.drift]
    href = f"/agents/settings/{Place(Level.AGENT, id=stand.agent.id or 0)}"
    return StandRow(href, stand.agent.name, drift_word(stand.drift, words), mood, icon, why(stand, now_ms, words))


def _field(key: str, view: View, reader: Reader, filled: Filled | None) -> SettingField:
    words = reader.words
    own = view.own.get(key)
    value = filled.given.get(key, "") if filled else "" if own is None else _plain(own, words)
    problem = filled.problems.get(key, "") if filled else ""
    inherited = _inherited(key, view.inherited.get(key), reader)
    return SettingField(key, label(key, words), value, hint(key, words), inherited, problem, SETTINGS[key].way)


def _plain(value: object, words: Language) -> str:
    text = str(value)
    return text.replace(".", ",") if isinstance(value, float) and words.code == "vi" else text


def _inherited(key: str, origin: Origin | None, reader: Reader) -> Markup:
    words = reader.words
    if origin is None:
        return words.t("As on the computer itself")
    value = value_words(key, origin.value, words)
    return words.t("{value} · from: {place}", value=value, place=reader.name(origin.place))


def _crumbs(view: View, reader: Reader) -> tuple[tuple[str, str], ...]:
    words, place = reader.words, view.place
    found = [(str(words.t("Agents")), "/agents")]
    if place.level is Level.CLUSTER:
        return tuple(found)
    found.append(_crumb(Place(Level.CLUSTER), reader))
    if place.level is Level.SCHOOL:
        return tuple(found)
    found.append(_crumb(Place(Level.SCHOOL, view.school_id or ""), reader))
    agent = next((each.agent for each in reader.stands if place == Place(Level.AGENT, id=each.agent.id or 0)), None)
    if agent is not None and agent.room_id:
        found.append(_crumb(Place(Level.ROOM, id=agent.room_id), reader))
    return tuple(found)


def _crumb(place: Place, reader: Reader) -> tuple[str, str]:
    return reader.name(place), f"/agents/settings/{place}"


def _beneath(view: View, reader: Reader) -> tuple[str, tuple[Link, ...]]:
    """The places one step nearer. Agents stand in the list of how they stand."""
    words = reader.words
    match view.place.level:
        case Level.CLUSTER:
            found = [Place(Level.SCHOOL, each.id) for each in reader.live.schools(reader.scope)]
            return str(words.t("Schools")), _links(found, reader)
        case Level.SCHOOL:
            rooms = [each for each in reader.live.rooms(reader.scope) if each.school_id == view.place.school]
            return str(words.t("Rooms")), _links([Place(Level.ROOM, id=each.id) for each in rooms], reader)
    return "", ()


def _links(places: Sequence[Place], reader: Reader) -> tuple[Link, ...]:
    return tuple(Link(f"/agents/settings/{each}", reader.name(each)) for each in places)


def _is_under(stand: AgentStand, place: Place) -> bool:
    agent = stand.agent
    match place.level:
        case Level.CLUSTER:
            return True
        case Level.SCHOOL:
            return agent.school_id == place.school
        case Level.ROOM:
            return agent.room_id == place.id
        case Level.AGENT:
            return agent.id == place.id


def _change(row: DesiredChange, newest: bool, reader: Reader) -> ChangeRow:
    words = reader.words
    said = "; ".join(f"{label(key, words)}: {value_words(key, row.settings[key], words)}" for key in row.settings)
    return ChangeRow(
        id=0 if newest else row.id or 0,
        at=date_time(row.at_ms, reader.now_ms, words),
        who=reader.people.get(row.by_id, ""),
        text=said or str(words.t("Everything is inherited")),
    )
