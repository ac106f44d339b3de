"""What speaks against a booking: a table of rules, each by itself. Pure. Words are the page's.

That all of it is free is not asked here: claims guard it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from controller.alerts.rules import DeviceState
from controller.identity.policy import Role
from controller.scheduling.opening_hours import OpeningHours
from controller.scheduling.school_time import SchoolYear

HAZARD_SUPERVISED: Final = 3
"""From this hazard on pupils work only beside an adult who is certified for the machine."""
MAINTENANCE: Final = "maintenance"
"""The kind of booking in which nobody uses the machine."""
OVERRULERS: Final = frozenset({Role.TECHNICIAN, Role.COORDINATOR, Role.ADMINISTRATOR})
"""They book for others and for maintenance, and overrule what can be overruled."""


class Code(StrEnum):
    """Why not. What can never be overruled comes first; these names are kept."""

    OTHER_SCHOOL = "other-school"
    NOT_FOR_OTHERS = "not-for-others"
    NOT_FOR_MAINTENANCE = "not-for-maintenance"
    NOT_SHARED = "not-shared"
    IN_THE_PAST = "in-the-past"
    NO_CERTIFICATE = "no-certificate"
    CERTIFICATE_RUNS_OUT = "certificate-runs-out"
    NO_SUPERVISOR = "no-supervisor"
    CLOSED = "closed"
    SHORT_NOTICE = "short-notice"
    TOO_FAR_AHEAD = "too-far-ahead"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    QUOTA_PERSON = "quota-person"
    QUOTA_SCHOOL = "quota-school"
    TOO_MANY_PUPILS = "too-many-pupils"
    TOO_MANY_WISHES = "too-many-wishes"
    FAULT = "fault"
    OFFLINE = "offline"
    UNDER_MAINTENANCE = "under-maintenance"
    RESTING = "resting"

    @property
    def overridable(self) -> bool:
        return self not in _FINAL


_FINAL: Final = frozenset(
    {
        Code.OTHER_SCHOOL,
        Code.NOT_FOR_OTHERS,
        Code.NOT_FOR_MAINTENANCE,
        Code.NOT_SHARED,
        Code.IN_THE_PAST,
        Code.NO_CERTIFICATE,
        Code.CERTIFICATE_RUNS_OUT,
        Code.NO_SUPERVISOR,
        Code.TOO_MANY_WISHES,
    }
)
_ORDER: Final[Mapping[Code, int]] = {code: place for place, code in enumerate(Code)}


@dataclass(frozen=True, slots=True)
class Problem:
    """`resource` is the thing it is about, None if it is about the whole wish. `limit` is what is allowed, in the unit
    of the rule (days, minutes, periods, pupils, kits), `found` what there would be; `name` is that of a certificate.
    """

    code: Code
    resource: int | None = None
    limit: int | None = None
    found: int | None = None
    name: str = ""

    @property
    def overridable(self) -> bool:
        return self.code.overridable


@dataclass(frozen=True, slots=True)
class Proposal:
    """A use that somebody wants: `school_id` books it for `holder`. `head_count` are pupils."""

    school_id: str
    holder: str
    start_ms: int
    end_ms: int
    head_count: int = 0
    kind: str = "lesson"


@dataclass(frozen=True, slots=True)
class Thing:
    """A unit or pool that the proposal is about."""

    id: int
    school_id: str
    class_name: str = ""
    shared: bool = False
    hazard: int = 0
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `school_id` is None for who belongs to the whole cluster."""

    id: str
    role: Role
    school_id: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """`until_ms` is when it runs out, None if it does not."""

    name: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Adult:
    id: str
    certificates: tuple[Certificate, ...] = ()

    def may_use(self, certificate: str, until_ms: int) -> bool:
        """Also what needs none (an empty name)."""
        return not certificate or any(
            each.name == certificate and (each.until_ms is None or each.until_ms >= until_ms)
            for each in self.certificates
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What a school sets for its things. Quotas are periods a week at shared things; None: as many as there are.

    `notice_days` are days with lessons, today among them, that lie before the day of the booking. `soon_h` is how near
    a booking must be for the machine's state to tell of it. `pupils_per_adult` is by hazard from 0; one that is
    missing has the last one's.
    """

    notice_days: int = 0
    furthest_days: int = 180
    shortest_min: int = 15
    longest_min: int = 300
    person_week: int | None = 12
    school_week: int | None = 40
    pupils_per_adult: tuple[int, ...] = (45, 45, 20, 8)
    soon_h: int = 24


@dataclass(frozen=True, slots=True)
class Resting:
    """Kits of a pool that are back late, or not yet: charged and cleaned until `until_ms` at the earliest, from
    `from_ms` on, where their own booking no longer holds them. `ready` are left of it meanwhile, `wanted` of it by the
    wish.
    """

    from_ms: int
    until_ms: int
    ready: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules go by. `things` are those of the proposal; `hours`, `health` and `resting` are by thing: one
    that is missing is always open, well, and all there. `supervisors` are the adults who were named to be there, the
    holder if named.

    `by_holder` and `by_school` are how many periods of shared things they hold already in the week of the proposal,
    Monday to Sunday.
    """

    now_ms: int
    year: SchoolYear
    asker: Asker
    holder: Adult
    things: tuple[Thing, ...] = ()
    supervisors: tuple[Adult, ...] = ()
    limits: Limits = field(default_factory=Limits)
    hours: Mapping[int, OpeningHours] = field(default_factory=dict)
    health: Mapping[int, DeviceState] = field(default_factory=dict)
    resting: Mapping[int, Resting] = field(default_factory=dict)
    by_holder: int = 0
    by_school: int = 0

    @property
    def adults(self) -> tuple[Adult, ...]:
        """Everybody grown up who will be there, each once."""
        return (self.holder, *(each for each in self.supervisors if each.id != self.holder.id))

    def day(self, at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, self.year.zone).date()

    @property
    def soon_ms(self) -> int:
        """Until when a machine's state now tells of its bookings."""
        return self.now_ms + self.limits.soon_h * 3_600_000


Rule: TypeAlias = Callable[[Proposal, Facts], Problem | None]


def problems(proposal: Proposal, facts: Facts, rules: Iterable[Rule] | None = None) -> tuple[Problem, ...]:
    """All that speaks against it, in the order of the codes. By those of `rules` that count for its kind, None: all."""
    counting = MAINTENANCE_RULES if proposal.kind == MAINTENANCE else RULES
    asked = counting if rules is None else [rule for rule in rules if rule in counting]
    found = (rule(proposal, facts) for rule in asked)
    return in_order(each for each in found if each)


def in_order(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once, in the order of the codes."""
    return tuple(sorted(set(found), key=lambda each: (_ORDER[each.code], each.resource or 0)))


def standing(found: Iterable[Problem], role: Role, reason: str) -> tuple[Problem, ...]:
    """What is left when somebody of that role overrules what can be, for a reason. Without one, all of it."""
    overruled = role in OVERRULERS and bool(reason.strip())
    return tuple(each for each in found if not (overruled and each.overridable))


def of_own_school(proposal: Proposal, facts: Facts) -> Problem | None:
    """Nobody books in the name of another school."""
    if facts.asker.school_id in (None, proposal.school_id):
        return None
    return Problem(Code.OTHER_SCHOOL)


def for_oneself(proposal: Proposal, facts: Facts) -> Problem | None:
    if facts.asker.role in OVERRULERS or facts.asker.id == proposal.holder:
        return None
    return Problem(Code.NOT_FOR_OTHERS)


def maintenance_by_role(proposal: Proposal, facts: Facts) -> Problem | None:
    if proposal.kind != MAINTENANCE or facts.asker.role in OVERRULERS:
        return None
    return Problem(Code.NOT_FOR_MAINTENANCE)


def own_or_shared(proposal: Proposal, facts: Facts) -> Problem | None:
    return _first(
        Problem(Code.NOT_SHARED, each.id)
        for each in facts.things
        if not each.shared and each.school_id != proposal.school_id
    )


def not_in_the_past(proposal: Proposal, facts: Facts) -> Problem | None:
    return Problem(Code.IN_THE_PAST) if proposal.start_ms < facts.now_ms else None


def certified(proposal: Proposal, facts: Facts) -> Problem | None:
    """The holder, or somebody who supervises, holds what the machine needs until the booking ends."""
    for each in facts.things:
        if any(adult.may_use(each.certificate, proposal.end_ms) for adult in facts.adults):
            continue
        had = any(paper.name == each.certificate for adult in facts.adults for paper in adult.certificates)
        return Problem(Code.CERTIFICATE_RUNS_OUT if had else Code.NO_CERTIFICATE, each.id, name=each.certificate)
    return None


def supervised(proposal: Proposal, facts: Facts) -> Problem | None:
    """Where pupils meet a dangerous machine somebody certified for it is named to stand beside them."""
    if not proposal.head_count:
        return None
    return _first(
        Problem(Code.NO_SUPERVISOR, each.id, name=each.certificate)
        for each in facts.things
        if each.hazard >= HAZARD_SUPERVISED
        and not any(adult.may_use(each.certificate, proposal.end_ms) for adult in facts.supervisors)
    )


def open_then(proposal: Proposal, facts: Facts) -> Problem | None:
    """The use itself; setting up and cleaning may be done while it is closed."""
    use = range(proposal.start_ms, proposal.end_ms)
    return _first(
        Problem(Code.CLOSED, each.id)
        for each in facts.things
        if each.id in facts.hours and not facts.hours[each.id].cover(use)
    )


def in_good_time(proposal: Proposal, facts: Facts) -> Problem | None:
    """Counted in days with lessons: on other days nobody is there who could prepare anything."""
    wanted, day = facts.limits.notice_days, facts.day(facts.now_ms)
    last, notice = facts.day(proposal.start_ms), 0
    while day < last and notice < wanted:
        notice += facts.year.teaches(day)
        day += timedelta(days=1)
    return None if notice >= wanted else Problem(Code.SHORT_NOTICE, limit=wanted, found=notice)


def not_too_far_ahead(proposal: Proposal, facts: Facts) -> Problem | None:
    days, limit = (facts.day(proposal.start_ms) - facts.day(facts.now_ms)).days, facts.limits.furthest_days
    return Problem(Code.TOO_FAR_AHEAD, limit=limit, found=days) if days > limit else None


def not_too_short(proposal: Proposal, facts: Facts) -> Problem | None:
    minutes, limit = (proposal.end_ms - proposal.start_ms) // 60_000, facts.limits.shortest_min
    return Problem(Code.TOO_SHORT, limit=limit, found=minutes) if minutes < limit else None


def not_too_long(proposal: Proposal, facts: Facts) -> Problem | None:
    minutes, limit = (proposal.end_ms - proposal.start_ms) // 60_000, facts.limits.longest_min
    return Problem(Code.TOO_LONG, limit=limit, found=minutes) if minutes > limit else None


def within_persons_quota(proposal: Proposal, facts: Facts) -> Problem | None:
    return _over_quota(Code.QUOTA_PERSON, proposal, facts, facts.by_holder, facts.limits.person_week)


def within_schools_quota(proposal: Proposal, facts: Facts) -> Problem | None:
    return _over_quota(Code.QUOTA_SCHOOL, proposal, facts, facts.by_school, facts.limits.school_week)


def adults_enough(proposal: Proposal, facts: Facts) -> Problem | None:
    """By the most dangerous of the things."""
    allowed = facts.limits.pupils_per_adult
    if not allowed or not facts.things:
        return None
    worst = max(facts.things, key=lambda each: each.hazard)
    limit = allowed[min(worst.hazard, len(allowed) - 1)] * len(facts.adults)
    if proposal.head_count <= limit:
        return None
    return Problem(Code.TOO_MANY_PUPILS, worst.id, limit, proposal.head_count)


def in_health(proposal: Proposal, facts: Facts) -> Problem | None:
    """What is broken now tells of what is soon; by next week it may be mended."""
    if proposal.start_ms >= facts.soon_ms:
        return None
    return _first(
        Problem(_UNWELL[facts.health[each.id]], each.id)
        for each in facts.things
        if each.id in facts.health and facts.health[each.id] in _UNWELL
    )


def rested(proposal: Proposal, facts: Facts) -> Problem | None:
    """What came back late is charged and cleaned before it is had again; what is not back yet comes later still."""
    for each in facts.things:
        rest = facts.resting.get(each.id)
        if rest and rest.ready < rest.wanted and proposal.start_ms < rest.until_ms and rest.from_ms < proposal.end_ms:
            return Problem(Code.RESTING, each.id, rest.ready, rest.wanted)
    return None


def periods(span_ms: range, year: SchoolYear) -> int:
    """How many a span (ms) touches. What lies outside lessons counts as one."""
    return periods_of([span_ms], year)[0]


def periods_of(spans_ms: Sequence[range], year: SchoolYear) -> list[int]:
    """The same of each of many."""
    return [max(1, count) for count in year.touched(spans_ms)]


def is_unwell(state: DeviceState) -> bool:
    """Whether a machine in that state is no good for what is soon."""
    return state in _UNWELL


_UNWELL: Final[Mapping[DeviceState, Code]] = {
    DeviceState.FAULT: Code.FAULT,
    DeviceState.OFFLINE: Code.OFFLINE,
    DeviceState.MAINTENANCE: Code.UNDER_MAINTENANCE,
}
LASTING_RULES: Final[tuple[Rule, ...]] = (own_or_shared, certified, supervised, adults_enough)
"""Those that ask of each thing by itself, and would say the same at another time."""
THING_RULES: Final[tuple[Rule, ...]] = (*LASTING_RULES, open_then, in_health, rested)
"""Those that ask of each thing by itself: any of a class is one that passes them."""
WISH_RULES: Final[tuple[Rule, ...]] = (
    of_own_school,
    for_oneself,
    maintenance_by_role,
    not_in_the_past,
    in_good_time,
    not_too_far_ahead,
    not_too_short,
    not_too_long,
    within_persons_quota,
    within_schools_quota,
)
"""Those that ask of person and time."""
RULES: Final[tuple[Rule, ...]] = WISH_RULES + THING_RULES
MAINTENANCE_RULES: Final[tuple[Rule, ...]] = (of_own_school, maintenance_by_role, own_or_shared, not_in_the_past)
"""What is mended is neither used nor well, and it is done when the house is empty."""


def _over_quota(code: Code, proposal: Proposal, facts: Facts, held: int, limit: int | None) -> Problem | None:
    """What nobody shares costs nobody."""
    if limit is None or not any(each.shared for each in facts.things):
        return None
    found = held + periods(range(proposal.start_ms, proposal.end_ms), facts.year)
    return Problem(code, limit=limit, found=found) if found > limit else None


def _first(found: Iterator[Problem]) -> Problem | None:
    return next(found, None)
