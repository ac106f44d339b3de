"""What the page of found devices shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contract.found import ClueKind
from controller.found.desk import MOST_REASON, Choice, Fault, Find
from controller.found.states import FoundState
from controller.web.admin_form import Option
from controller.web.formats import age, date_time
from controller.web.i18n import Language
from controller.web.views import words as said

MOST_ROWS: Final = 60
"""On the page at once; the rest follows when these are decided."""


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A thing. `verified` None: no profile fits. `elsewhere_id` is the thing of the device that it was, 0 for none."""

    id: int
    name: str
    how: str
    seen: str
    school: str
    verified: bool | None
    profile: str
    fit: str
    profiles: tuple[Option, ...]
    rooms: tuple[Option, ...]
    room: str
    checked: bool
    elsewhere: str
    elsewhere_id: int
    problem: str

    @property
    def adoptable(self) -> bool:
        return self.verified is not None and not self.elsewhere


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """A thing that was ignored or adopted."""

    id: int
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class FoundPage:
    rows: tuple[FoundRow, ...]
    count: int
    ignored: tuple[DecidedRow, ...]
    adopted: tuple[DecidedRow, ...]
    most_reason: int = MOST_REASON


@dataclass(frozen=True, slots=True)
class Filled:
    """What was sent in and is shown again: fields by name, and what is wrong by thing."""

    given: Mapping[str, str]
    problems: Mapping[int, str]

    def of(self, name: str, thing: int, otherwise: str) -> str:
        return self.given.get(f"{name}-{thing}", otherwise)


def found_page(
    finds: Mapping[FoundState, Sequence[Find]],
    rooms: Callable[[str], Sequence[Option]],
    filled: Filled,
    now_ms: int,
    words: Language,
) -> FoundPage:
    """`rooms` are those of a school, by its id."""
    waiting = finds[FoundState.WAITING]
    return FoundPage(
        rows=tuple(_row(each, rooms(each.row.school_id), filled, now_ms, words) for each in waiting[:MOST_ROWS]),
        count=len(waiting),
        ignored=tuple(_decided(each, each.row.reason, now_ms, words) for each in finds[FoundState.IGNORED]),
        adopted=tuple(_decided(each, each.row.slug, now_ms, words) for each in finds[FoundState.ADOPTED]),
    )


def _row(find: Find, rooms: Sequence[Option], filled: Filled, now_ms: int, words: Language) -> FoundRow:
    row, thing = find.row, find.row.id or 0
    best = find.choices[0] if find.choices else None
    chosen = filled.of("profile", thing, best.profile.slug if best else "")
    agents = ", ".join(each.name for each in find.agents)
    usual = next((each.room_id for each in find.agents if each.room_id is not None), None)
    ready = best is not None and best.sure and best.profile.verified is not None and find.elsewhere is None
    return FoundRow(
        id=thing,
        name=filled.of("name", thing, _name(find, words)),
        how=how(find.clues, words),
        seen=str(words.t("Seen by {agents}, {age}", agents=agents, age=age(row.first_ms, now_ms, words))),
        school=find.school,
        verified=None if best is None else best.profile.verified is not None,
        profile=best.profile.slug if best else "",
        fit=_fit(best, words),
        profiles=tuple(Option(each.profile.slug, _profile_words(each, words)) for each in _with_first(find, chosen)),
        rooms=tuple(rooms),
        room=filled.of("room", thing, str(usual or "")),
        checked=f"d-{thing}" in filled.given if filled.given else ready,
        elsewhere=_elsewhere(find, words),
        elsewhere_id=find.elsewhere.id if find.elsewhere else 0,
        problem=filled.problems.get(thing, ""),
    )


def _with_first(find: Find, slug: str) -> Sequence[Choice]:
    """The chosen one first: so it is the one that stands in the list."""
    return sorted(find.choices, key=lambda each: each.profile.slug != slug)


def _name(find: Find, words: Language) -> str:
    if find.row.name:
        return find.row.name
    if find.choices:
        return find.choices[0].profile.name if find.choices[0].sure else said(find.choices[0].profile.label, words)
    return str(words.t("Unknown device"))


def _profile_words(choice: Choice, words: Language) -> str:
    verified = words.t("verified") if choice.profile.verified else words.t("unverified")
    return f"{choice.profile.name} – {choice.profile.slug} ({verified})"


def _fit(best: Choice | None, words: Language) -> str:
    if best is None:
        return str(words.t("No profile fits."))
    clues = ", ".join(_CLUES[kind](words) for kind in best.by if kind in _CLUES)
    if best.sure:
        return str(words.t("Matches by {clues}", clues=clues))
    return str(words.t("A guess by {clues}: please confirm", clues=clues))


def _elsewhere(find: Find, words: Language) -> str:
    if find.elsewhere is None:
        return ""
    if not find.elsewhere.id:
        return str(words.t("The same serial number as a device of another school. Has the machine moved?"))
    return str(
        words.t(
            "The same serial number as {name} at {school}. Has the machine moved?",
            name=find.elsewhere.name,
            school=find.elsewhere.school,
        )
    )


def _decided(find: Find, about: str, now_ms: int, words: Language) -> DecidedRow:
    when = date_time(find.row.decided_ms, now_ms, words)
    told = " · ".join(filter(None, (how(find.clues, words), about, when)))
    return DecidedRow(find.row.id or 0, find.row.name or _name(find, words), told)


def how(clues: Sequence[tuple[str, str]], words: Language) -> str:
    """Where a thing is and how it is known: USB 2c99:0002 · serial number CZPX2619."""
    told: dict[str, str] = {}
    for kind, text in clues:
        told.setdefault(kind, text)
    parts = [
        f"{name} {told[ClueKind.HOST]}" if ClueKind.HOST in told else name
        for kind, name in _WAYS.items()
        if kind in told
    ]
    if ClueKind.USB in told:
        parts.append(f"USB {told[ClueKind.USB]}")
    if ClueKind.SERIAL in told:
        parts.append(words.t("serial number {number}", number=told[ClueKind.SERIAL]))
    elif ClueKind.PORT in told:
        parts.append(words.t("port {path}", path=told[ClueKind.PORT]))
    if ClueKind.PJLINK_CLASS in told:
        parts.append(words.t("class {number}", number=told[ClueKind.PJLINK_CLASS]))
    parts += [told[kind] for kind in (ClueKind.MDNS, ClueKind.MAC) if kind in told]
    return " · ".join(parts)


_WAYS: Final[Mapping[ClueKind, str]] = {
    ClueKind.PJLINK: "PJLink",
    ClueKind.SNMP: "SNMP",
    ClueKind.MDNS: "mDNS",
    ClueKind.SSDP: "SSDP",
}
_CLUES: Final[Mapping[ClueKind, Callable[[Language], str]]] = {
    ClueKind.USB: lambda _words: "USB",
    ClueKind.BANNER: lambda words: words.t("its greeting"),
    ClueKind.PROBE: lambda words: words.t("its answer"),
    ClueKind.PJLINK: lambda _words: "PJLink",
    ClueKind.SNMP: lambda _words: "SNMP",
    ClueKind.MDNS: lambda _words: "mDNS",
    ClueKind.SSDP: lambda _words: "SSDP",
}


def fault_words(fault: Fault, words: Language) -> str:
    """What is to be mended."""
    return str(
        {
            Fault.NO_PROFILE: words.t("Choose a profile that fits."),
            Fault.NO_NAME: words.t("Write a name with a letter or a digit in it."),
            Fault.NO_ROOM: words.t("Choose a room of this school."),
            Fault.NO_REASON: words.t("Write why it is ignored, in at most {most} letters.", most=MOST_REASON),
            Fault.ELSEWHERE: words.t("It is looked after elsewhere. Take it back there first."),
            Fault.TOO_MANY: words.t("This agent has too many devices."),
        }[fault]
    )
