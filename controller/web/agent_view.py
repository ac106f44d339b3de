"""What the pages of agents show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from contract.machine import same_machine, surely_same
from contract.messages import Presence
from controller.desired.desk import AgentStand
from controller.fleet.arrivals import Verdict
from controller.fleet.door_tables import Arrival, Stand, Twin
from controller.fleet.gatekeeping import MadeToken
from controller.fleet.live import LiveFleet
from controller.fleet.picture import SchoolRow
from controller.fleet.tables import Agent, Room
from controller.identity.tables import EnrolToken
from controller.scope import Scope
from controller.web.enrol_lines import Commands
from controller.web.formats import age, clock, date_time, duration
from controller.web.i18n import Language
from controller.web.qr import qr_svg
from controller.web.settings_view import StandRow, drift_counts, stand_row

_WHY: Final[Mapping[str, Callable[[Language, str], Markup]]] = {
    Verdict.RETURNED: lambda words, name: words.t(
        "The same computer as {name}, with a new key: re-imaged, or reset at each start.", name=name
    ),
    Verdict.REPLACES: lambda words, name: words.t("Another computer asks for the name {name}.", name=name),
    Verdict.COPIED: lambda words, name: words.t(
        "A further copy of {name}. If you let it in, it gets a name of its own.", name=name
    ),
}


@dataclass(frozen=True, slots=True)
class Places:
    """Names of schools and rooms."""

    schools: Mapping[str, str]
    rooms: Mapping[int, str]

    @classmethod
    def of(cls, live: LiveFleet, scope: Scope) -> "Places":
        return cls({each.id: each.name for each in live.schools(scope)}, {r.id: r.name for r in live.rooms(scope)})

    def words(self, school_id: str, room_id: int | None) -> str:
        parts = (self.rooms.get(room_id or 0, ""), self.schools.get(school_id, school_id))
        return " · ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class AgentRow:
    """`mood` is the state of ui.html's badges whose colour it has."""

    id: int
    name: str
    place: str
    state: str
    mood: str
    icon: str
    heard: str
    revoked: bool
    settings: StandRow | None


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """One that came: waits, or is in. `yes` says what letting it in means here; `always` may be offered to one that
    forgets its key.
    """

    id: int
    name: str
    place: str
    at: str
    about: str
    glyph: str
    waits: bool
    always: bool
    yes: str


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One of the computers under a name, with the copy's id that stands for it."""

    id: int
    about: str


@dataclass(frozen=True, slots=True)
class Doubled:
    name: str
    place: str
    copies: tuple[CopyRow, ...]


@dataclass(frozen=True, slots=True)
class AgentsPage:
    agents: tuple[AgentRow, ...]
    waiting: tuple[ArrivalRow, ...]
    doubled: tuple[Doubled, ...]
    drift: tuple[tuple[str, str, str], ...]
    """How many agents stand how with their settings."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    id: str
    about: str
    ends: str


@dataclass(frozen=True, slots=True)
class EnrolPage:
    places: tuple[tuple[str, str], ...]
    lasts: tuple[tuple[int, str], ...]
    tokens: tuple[TokenRow, ...]
    over: tuple[TokenRow, ...]
    """Those that add none any more, and with which known computers may come back."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A token that was made just now."""

    id: str
    commands: Commands
    code: Markup | None
    uses: str
    ends: str


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in a scope: agents, who waits, the copies of those that are doubled, and who has which settings."""

    agents: Sequence[Agent]
    arrivals: Sequence[Arrival]
    twins: Sequence[Twin]
    stands: Sequence[AgentStand] = ()


def agents_page(found: Found, places: Places, now_ms: int, words: Language) -> AgentsPage:
    by_id = {each.id: each for each in found.agents}
    settings = {each.agent.id: stand_row(each, now_ms, words) for each in found.stands}
    return AgentsPage(
        tuple(_agent_row(each, places, settings.get(each.id), now_ms, words) for each in found.agents),
        tuple(arrival_row(each, by_id, places, words) for each in found.arrivals),
        tuple(
            Doubled(each.name, places.words(each.school_id, each.room_id), _copies(each, found.twins, now_ms, words))
            for each in found.agents
            if each.doubled
        ),
        drift_counts(found.stands, words),
    )


def _agent_row(row: Agent, places: Places, settings: StandRow | None, now_ms: int, words: Language) -> AgentRow:
    if row.revoked:
        state, mood, icon = words.t("Revoked"), "offline", "ban"
    elif row.doubled:
        state, mood, icon = words.t("Quarantined: two computers share one identity"), "warning", "alert-triangle"
    elif row.presence == Presence.ONLINE:
        state, mood, icon = words.t("Connected"), "ok", "circle-check"
    elif row.heard_ms:
        state, mood, icon = words.t("Offline"), "offline", "circle-x"
    else:
        state, mood, icon = words.t("Never heard"), "offline", "hourglass"
    heard = age(row.heard_ms or None, now_ms, words)
    place = places.words(row.school_id, row.room_id)
    return AgentRow(row.id or 0, row.name, place, str(state), mood, icon, heard, row.revoked, settings)


def arrival_row(row: Arrival, agents: Mapping[int | None, Agent], places: Places, words: Language) -> ArrivalRow:
    known = agents.get(row.agent_id)
    waits = row.stand == Stand.WAITING
    sure = known is not None and surely_same(known.machine.split(), row.machine.split())
    returned = row.why == Verdict.RETURNED
    if waits and returned and not sure:
        name = known.name if known else row.name
        about = str(words.t("Perhaps {name}, with a new key: too few of its parts agree. Look first.", name=name))
    elif waits:
        about = str(_WHY[row.why](words, known.name if known else row.name))
    elif row.stand == Stand.REFUSED:
        about = str(words.t("Turned away"))
    elif row.stand == Stand.ADMITTED:
        about = str(words.t("Let in; waits for the computer to ask again"))
    else:
        about = places.words(row.school_id, known.room_id if known else None)
    glyph = "warning" if waits else "offline" if row.stand == Stand.REFUSED else "ok"
    place = places.words(row.school_id, known.room_id if known else None)
    yes = words.t("Let it back in") if returned else words.t("Let it take over")
    if row.why == Verdict.COPIED:
        yes = words.t("Let it in")
    at, always = clock(row.seen_ms), waits and returned and sure
    return ArrivalRow(row.id or 0, row.name, place, at, about, glyph, waits, always, str(yes))


def _copies(agent: Agent, twins: Sequence[Twin], now_ms: int, words: Language) -> tuple[CopyRow, ...]:
    """One for each computer: a copy that was restarted comes with a new epoch, and is the same computer."""
    found: list[Twin] = []
    for each in sorted((each for each in twins if each.agent_id == agent.id), key=lambda each: -each.seen_ms):
        if not any(same_machine(each.machine.split(), other.machine.split()) for other in found):
            found.append(each)
    rows = []
    for each in found:
        first = same_machine(each.machine.split(), agent.machine.split())
        about = words.t("The computer that was enrolled") if first else words.t("Another computer")
        seen = words.t("last heard {age}", age=age(each.seen_ms, now_ms, words))
        rows.append(CopyRow(each.id or 0, f"{about} · {seen} · {each.epoch[:6]}"))
    return tuple(rows)


def enrol_page(
    schools: Sequence[tuple[SchoolRow, Sequence[Room]]],
    hours: Sequence[int],
    tokens: Sequence[EnrolToken],
    now_ms: int,
    words: Language,
) -> EnrolPage:
    places = []
    names = {}
    for school, rooms in schools:
        names[school.id] = school.name
        places += [(f"{school.id}/{room.slug}", f"{room.name} · {school.name}") for room in rooms]
        nowhere = words.t("No room yet")
        places.append((f"{school.id}/", f"{nowhere} · {school.name}"))
    lasts = tuple((each, duration(each * 3_600_000, words)) for each in hours)
    good = [each for each in tokens if each.uses_left > 0 and each.expires_ms > now_ms]
    over = [each for each in tokens if each not in good]
    return EnrolPage(
        tuple(places),
        lasts,
        tuple(_token_row(each, names, now_ms, words) for each in good),
        tuple(_token_row(each, names, now_ms, words) for each in over),
    )


def _token_row(token: EnrolToken, names: Mapping[str, str], now_ms: int, words: Language) -> TokenRow:
    left = words.tn("{n} more computer", "{n} more computers", token.uses_left)
    whose = token.agent or token.room
    about = " · ".join(filter(None, (str(left), whose, names.get(token.school_id, token.school_id))))
    return TokenRow(token.id, about, date_time(token.expires_ms, now_ms, words))


def fresh(made: MadeToken, lines: Commands, url: str, uses: int, words: Language) -> Fresh:
    """`url` is what a phone opens; none does that cannot reach it."""
    said = str(words.tn("For {n} computer", "For {n} computers", uses))
    return Fresh(made.id, lines, qr_svg(url) if lines.phones else None, said, clock(made.expires_ms))
