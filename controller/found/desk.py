"""A person's word on what agents found: adopt it, ignore it, look at it again. Each is a line in the audit log."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.desired import DesiredDevice
from contract.found import SURE, ClueKind
from contract.model import MAX_NAME, ContractError, check_text
from controller.desired.desk import ConfigDesk, NoSuchPlace, WrongWish
from controller.fleet.tables import Agent, Device, Room, School
from controller.found import store
from controller.found.states import FoundState, Word, following
from controller.found.tables import FoundThing
from controller.identity.policy import Principal
from controller.identity.store import audit
from controller.ingest.registry import slug_of
from device_profiles.profile import DeviceProfile

MOST_REASON: Final = 200
_OWN: Final = frozenset({ClueKind.SERIAL, ClueKind.MAC})
"""Clues that only one thing in the world has."""


class Fault(StrEnum):
    """What is wrong with what was said. Each goes with the field that `WrongWord` names."""

    NO_PROFILE = "no-profile"
    NO_NAME = "no-name"
    NO_ROOM = "no-room"
    NO_REASON = "no-reason"
    ELSEWHERE = "elsewhere"
    TOO_MANY = "too-many"


class FoundError(Exception):
    """Nothing was written; the leaves say what to do."""


class NoSuchFind(FoundError):
    """It is not there, or not for this asker, or something else was said of it meanwhile: look again (404)."""


class WrongWord(FoundError):
    """Mend `field` and try again (422)."""

    def __init__(self, fault: Fault, field: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.fault = fault
        self.field = field


@dataclass(frozen=True, slots=True)
class Choice:
    """A profile that fits. `sure`: by clues that fit no other."""

    profile: DeviceProfile
    endpoint: str
    sure: bool
    by: tuple[ClueKind, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A device that was adopted with the same serial number; `id` is its found thing, 0 if it is beyond the asker."""

    id: int
    name: str
    school: str


@dataclass(frozen=True, slots=True)
class Find:
    """A thing as people see it. `agents` see it; several do, of what is in a school's network."""

    row: FoundThing
    agents: tuple[Agent, ...]
    school: str
    choices: tuple[Choice, ...]
    elsewhere: Elsewhere | None

    @property
    def clues(self) -> Sequence[tuple[str, str]]:
        return [(each["kind"], each["text"]) for each in self.row.clues]


@dataclass(frozen=True, slots=True)
class Adoption:
    """How a thing is taken on. An empty profile is the likeliest, an empty name what the thing calls itself."""

    profile: str = ""
    name: str = ""
    room_id: int | None = None


class FoundDesk:
    """Safe to use from any thread and any process. That the asker may enrol agents is for the caller to see to."""

    def __init__(
        self,
        engine: Engine,
        configs: ConfigDesk,
        now_ms: Callable[[], int],
        profile_for: Callable[[str], DeviceProfile | None],
    ) -> None:
        self._engine = engine
        self._configs = configs
        self._now_ms = now_ms
        self._profile_for = profile_for

    # what there is

    def finds(self, who: Principal, state: FoundState = FoundState.WAITING) -> Sequence[Find]:
        """Waiting: those that are there now. The last found first; what several agents of a school see, once."""
        with Session(self._engine, expire_on_commit=False) as db:
            groups = _groups(store.things(db, who.scope), state)
            seeing = {row.agent_id for group in groups for row in group}
            agents = {each.id: each for each in db.exec(select(Agent).where(col(Agent.id).in_(seeing))).all()}
            schools = {each.id: each.name for each in db.exec(select(School)).all()}
            return [self._find(db, who, group, agents, schools) for group in groups]

    def mark(self, who: Principal) -> str:
        """Another one when other things wait. Cheap: pages ask for it every second."""
        with Session(self._engine) as db:
            return "-".join(str(_first(group)) for group in _groups(store.things(db, who.scope), FoundState.WAITING))

    def waiting(self, who: Principal) -> int:
        with Session(self._engine) as db:
            return len(_groups(store.things(db, who.scope), FoundState.WAITING))

    def rooms(self, who: Principal, school_id: str) -> Sequence[Room]:
        if not who.scope.covers(school_id):
            return ()
        with Session(self._engine, expire_on_commit=False) as db:
            return db.exec(select(Room).where(Room.school_id == school_id).order_by(Room.name)).all()

    # what is said

    def adopt(self, who: Principal, thing_id: int, how: Adoption) -> str:
        """Have its agent look after it; the id of the device. Raises NoSuchFind, WrongWord."""
        with Session(self._engine) as db:
            agent_id, device = self._device(db, who, thing_id, how)
        with Session(self._engine) as db:
            try:
                self._configs.adopt(db, who, agent_id, device)
            except NoSuchPlace as error:
                raise NoSuchFind(str(error)) from None
            except WrongWish:
                raise WrongWord(Fault.TOO_MANY, "profile") from None
            row = self._said(db, who, thing_id, Word.ADOPT)
            row.slug, row.reason = device.id, ""
            self._audit(db, who, "found-adopt", row, f"{device.id} {device.profile}")
            db.commit()
        self._configs.wake()
        return device.id

    def ignore(self, who: Principal, thing_id: int, reason: str) -> None:
        """It is not asked about again. Raises NoSuchFind, WrongWord."""
        told = " ".join(reason.split())
        try:
            check_text(told, "reason", MOST_REASON)
        except ContractError:
            told = ""
        if not told:
            raise WrongWord(Fault.NO_REASON, "reason")
        self._say(who, thing_id, Word.IGNORE, "found-ignore", told)

    def restore(self, who: Principal, thing_id: int) -> None:
        """It waits again. Raises NoSuchFind."""
        self._say(who, thing_id, Word.RESTORE, "found-restore")

    def give_back(self, who: Principal, thing_id: int) -> None:
        """Its agent looks after it no more, and it waits again where it is seen. Raises NoSuchFind."""
        with Session(self._engine) as db:
            row = self._said(db, who, thing_id, Word.RETURN)
            agent_id, slug = row.agent_id, row.slug
        with suppress(NoSuchPlace):  # it was taken away already
            self._configs.remove_device(who, agent_id, slug)
        self._say(who, thing_id, Word.RETURN, "found-give-back")

    # how it is done

    def _say(self, who: Principal, thing_id: int, word: Word, action: str, reason: str = "") -> None:
        with Session(self._engine) as db:
            row = self._said(db, who, thing_id, word)
            row.reason = reason
            self._audit(db, who, action, row, reason)
            db.commit()

    def _said(self, db: Session, who: Principal, thing_id: int, word: Word) -> FoundThing:
        """The row in its next state, not committed. Raises NoSuchFind."""
        row = store.thing(db, who.scope, thing_id)
        state = following(FoundState(row.state), word) if row is not None else None
        if row is None or state is None:
            raise NoSuchFind(f"no thing {thing_id} of which {word} can be said")
        row.state, row.by_id, row.decided_ms = state, who.id, self._now_ms()
        db.add(row)
        return row

    def _device(self, db: Session, who: Principal, thing_id: int, how: Adoption) -> tuple[int, DesiredDevice]:
        """What its agent is to look after; one that comes back goes on under its former id. As `adopt` raises."""
        row = store.thing(db, who.scope, thing_id)
        if row is None or row.state != FoundState.WAITING:
            raise NoSuchFind(f"no thing {thing_id} waits")
        choices = self._choices(row)
        chosen = next((each for each in choices if how.profile in ("", each.profile.slug)), None)
        if chosen is None:
            raise WrongWord(Fault.NO_PROFILE, "profile")
        if _own(row) and store.alike(db, row):
            raise WrongWord(Fault.ELSEWHERE, "profile")
        name = " ".join((how.name or row.name or chosen.profile.name).split())
        room = db.get(Room, how.room_id) if how.room_id is not None else None
        if how.room_id is not None and (room is None or room.school_id != row.school_id):
            raise WrongWord(Fault.NO_ROOM, "room")
        taken = set(db.exec(select(Device.slug).where(Device.agent_id == row.agent_id)).all())
        try:
            wanted = {each.id for each in self._configs.devices(who, row.agent_id)}
            return row.agent_id, DesiredDevice(
                id=row.slug if row.slug and row.slug not in wanted else free_slug(name, taken | wanted),
                profile=chosen.profile.slug,
                endpoint=chosen.endpoint,
                name=name,
                room=room.name[:64] if room else "",
            )
        except NoSuchPlace as error:
            raise NoSuchFind(str(error)) from None
        except ContractError:
            raise WrongWord(Fault.NO_NAME, "name") from None

    def _find(
        self,
        db: Session,
        who: Principal,
        group: Sequence[FoundThing],
        agents: Mapping[int | None, Agent],
        schools: Mapping[str, str],
    ) -> Find:
        best = min(group, key=lambda row: (not agents[row.agent_id].online, row.id or 0))
        elsewhere = None
        others = store.alike(db, best) if best.state == FoundState.WAITING and _own(best) else ()
        if others:
            other = others[0]
            device = db.exec(
                select(Device).where(Device.agent_id == other.agent_id, Device.slug == other.slug)
            ).one_or_none()
            within = who.scope.covers(other.school_id)
            name = (device.name if device else other.name) if within else ""
            school = schools.get(other.school_id, other.school_id) if within else ""
            elsewhere = Elsewhere(other.id or 0 if within else 0, name, school)
        seen = tuple(agents[row.agent_id] for row in group)
        return Find(best, seen, schools.get(best.school_id, best.school_id), self._choices(best), elsewhere)

    def _choices(self, row: FoundThing) -> tuple[Choice, ...]:
        """Candidates whose profile is here as well."""
        told = ((each, self._profile_for(each["profile"])) for each in row.candidates)
        return tuple(
            Choice(
                profile,
                each["endpoint"],
                each["confidence"] >= SURE,
                tuple(ClueKind(kind) for kind in each["by"]),
            )
            for each, profile in told
            if profile is not None
        )

    def _audit(self, db: Session, who: Principal, action: str, row: FoundThing, detail: str) -> None:
        subject = f"{row.school_id} {row.key}"
        audit(
            db,
            self._now_ms(),
            action,
            actor=who.id,
            subject=subject[:200],
            school_id=row.school_id,
            detail=detail,
        )


def free_slug(name: str, taken: set[str]) -> str:
    """An id for a device of that name which no other of its agent has. Raises ContractError for no name at all."""
    plain = slug_of(name)[: MAX_NAME - 5].strip("-")
    if not plain:
        raise ContractError("name: no letter and no digit in it")
    return next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 10_000))) if each not in taken)


def _groups(rows: Sequence[FoundThing], state: FoundState) -> list[list[FoundThing]]:
    """The things in that state, each with all rows that are of it."""
    decided = {_place(row) for row in rows if row.state != FoundState.WAITING}
    found: dict[tuple[object, ...], list[FoundThing]] = {}
    for row in rows:
        shown = row.gone_ms is None and _place(row) not in decided if state is FoundState.WAITING else True
        if row.state == state and shown:
            found.setdefault(_place(row), []).append(row)
    return list(found.values())[: store.MOST_SHOWN]


def _first(group: Sequence[FoundThing]) -> int:
    return min(row.id or 0 for row in group)


def _own(row: FoundThing) -> bool:
    return any(each["kind"] in _OWN for each in row.clues)


def _place(row: FoundThing) -> tuple[object, ...]:
    """The same for what several agents of a school see in its network."""
    return (row.school_id, row.key) if row.key.startswith("net/") else (row.school_id, row.key, row.agent_id)
