"""A person's word on agents: who may come in, who keeps a name, who has to go. Each is a line in the audit log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from contract.machine import same_machine
from controller.broker.access import new_password
from controller.fleet.door_tables import Arrival, Stand, Twin
from controller.fleet.enrolment import Place, ensure_place, void
from controller.fleet.tables import Agent, Room
from controller.identity import store
from controller.identity.policy import Principal
from controller.identity.tables import EnrolToken
from controller.scope import Scope

T = TypeVar("T")
_MOST_SHOWN = 1_000


class NoSuchThing(LookupError):
    """It is not there, or not for this asker: show the list again (404)."""


@dataclass(frozen=True, slots=True)
class MadeToken:
    """`secret` is told once. It begins to let in at once."""

    id: str
    secret: str
    expires_ms: int


class Gatekeeper:
    """That the asker has the permission ENROL_AGENTS is for the caller to see to. `admit`: the broker follows now."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int], admit: Callable[[], None]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._admit = admit

    # what there is

    def agents(self, scope: Scope) -> Sequence[Agent]:
        return self._all(select(Agent).order_by(Agent.school_id, Agent.name), Agent.school_id, scope)

    def arrivals(self, scope: Scope, token_id: str = "") -> Sequence[Arrival]:
        """Who came, the last first: with one token, or all who wait."""
        asked = select(Arrival).order_by(col(Arrival.seen_ms).desc())
        asked = asked.where(Arrival.token_id == token_id) if token_id else asked.where(Arrival.stand == Stand.WAITING)
        return self._all(asked, Arrival.school_id, scope)

    def twins(self, scope: Scope) -> Sequence[Twin]:
        """Of agents that are doubled now."""
        asked = select(Twin).join(Agent, col(Agent.id) == col(Twin.agent_id)).where(col(Agent.doubled).is_(True))
        return self._all(asked.order_by(col(Twin.id)), Twin.school_id, scope)

    def tokens(self, scope: Scope) -> Sequence[EnrolToken]:
        """That nobody has ended."""
        with Session(self._engine, expire_on_commit=False) as db:
            return store.enrol_tokens(db, scope)

    def has_token(self, scope: Scope, token_id: str) -> bool:
        """Whether it was made for a school of the scope, however long ago."""
        with Session(self._engine) as db:
            row = db.get(EnrolToken, token_id)
            return row is not None and scope.covers(row.school_id)

    def rooms(self, school_id: str) -> Sequence[Room]:
        with Session(self._engine) as db:
            return db.exec(select(Room).where(Room.school_id == school_id).order_by(Room.name)).all()

    # what is done

    def make_token(self, who: Principal, place: Place, uses: int, lasts_ms: int, agent: str = "") -> MadeToken:
        """For `uses` agents; with `agent`, for the computer that stands in for it. Raises NoSuchThing."""
        now, secret = self._now_ms(), "ffe_" + store.new_secret()
        if not who.scope.covers(place.school):
            raise NoSuchThing(place.school)
        with Session(self._engine) as db:
            ensure_place(db, place)
            made = store.add_enrol_token(
                db, token=secret, school_id=place.school, room=place.room, uses=uses, now_ms=now,
                expires_ms=now + lasts_ms, created_by=who.id, agent=agent,
            )  # fmt: skip
            token = MadeToken(made.id, secret, made.expires_ms)
            detail = f"stands in for {agent}" if agent else f"{uses} uses"
            self._audit(db, who, "enrol-token", f"{place.school}/{made.id}", detail)
            db.commit()
        return token

    def end_token(self, who: Principal, token_id: str) -> None:
        """It lets in nobody any more, nor back in; whom it has brought to the door and not in yet is turned away."""
        with Session(self._engine) as db:
            row = db.get(EnrolToken, token_id)
            if row is None or not who.scope.covers(row.school_id):
                raise NoSuchThing(token_id)
            if row.ended:
                return
            row.uses_left, row.ended = 0, True
            db.add(row)
            outside = col(Arrival.stand).in_((Stand.WAITING, Stand.ADMITTED))
            db.execute(update(Arrival).where(col(Arrival.token_id) == token_id, outside).values(stand=Stand.REFUSED))
            self._audit(db, who, "enrol-token-end", f"{row.school_id}/{token_id}")
            db.commit()

    def let_in(self, who: Principal, arrival_id: int, *, always: bool = False) -> None:
        """It is who it seems. `always`: it forgets its key at each start, and is not asked about again."""
        with Session(self._engine) as db:
            row = self._waiting(db, who, arrival_id)
            row.stand = Stand.ADMITTED
            db.add(row)
            if always:
                db.execute(update(Agent).where(col(Agent.id) == row.agent_id).values(resets=True))
            detail = f"{row.why}{'; always' if always else ''}"
            self._audit(db, who, "enrol-admit", f"{row.school_id}/{row.name}", detail)
            db.commit()

    def turn_away(self, who: Principal, arrival_id: int) -> None:
        with Session(self._engine) as db:
            row = self._waiting(db, who, arrival_id)
            row.stand = Stand.REFUSED
            db.add(row)
            self._audit(db, who, "enrol-turn-away", f"{row.school_id}/{row.name}", row.why)
            db.commit()

    def split(self, who: Principal, twin_id: int) -> None:
        """That copy keeps the name; any other gets one of its own when it asks. None has credentials until then."""
        with Session(self._engine) as db:
            keeper = db.get(Twin, twin_id)
            if keeper is None or not who.scope.covers(keeper.school_id):
                raise NoSuchThing(str(twin_id))
            agent = self._agent(db, who, keeper.agent_id)
            for each in db.exec(select(Twin).where(Twin.agent_id == agent.id)):
                kept = each.id == keeper.id or same_machine(each.machine.split(), keeper.machine.split())
                each.becomes_id = agent.id if kept else None
                db.add(each)
            agent.doubled, agent.machine = False, keeper.machine
            void(db, agent, new_password())
            db.add(agent)
            self._audit(db, who, "agent-split", f"{agent.school_id}/{agent.name}", keeper.epoch)
            db.commit()
        self._admit()

    def revoke(self, who: Principal, agent_id: int) -> None:
        """The broker drops it at once and lets it in no more; what it sent stays."""
        with Session(self._engine) as db:
            agent = self._agent(db, who, agent_id)
            void(db, agent, "")
            agent.revoked, agent.flooded_ms, agent.doubled = True, None, False
            db.add(agent)
            self._audit(db, who, "agent-revoke", f"{agent.school_id}/{agent.name}")
            db.commit()
        self._admit()

    def replace(self, who: Principal, agent_id: int, lasts_ms: int) -> MadeToken:
        """A token for the computer that takes this agent's place; the old one goes when that one comes."""
        with Session(self._engine) as db:
            agent = self._agent(db, who, agent_id)
            place, name = Place(agent.school_id), agent.name
        return self.make_token(who, place, 1, lasts_ms, name)

    def _agent(self, db: Session, who: Principal, agent_id: int) -> Agent:
        row = db.get(Agent, agent_id)
        if row is None or not who.scope.covers(row.school_id):
            raise NoSuchThing(str(agent_id))
        return row

    def _waiting(self, db: Session, who: Principal, arrival_id: int) -> Arrival:
        row = db.get(Arrival, arrival_id)
        if row is None or row.stand != Stand.WAITING or not who.scope.covers(row.school_id):
            raise NoSuchThing(str(arrival_id))
        return row

    def _audit(self, db: Session, who: Principal, action: str, subject: str, detail: str = "") -> None:
        """`subject` begins with the school."""
        store.audit(
            db,
            self._now_ms(),
            action,
            actor=who.id,
            subject=subject,
            school_id=subject.partition("/")[0],
            detail=detail,
        )

    def _all(self, asked: SelectOfScalar[T], school: object, scope: Scope) -> Sequence[T]:
        if scope.school_id is not None:
            asked = asked.where(school == scope.school_id)
        with Session(self._engine) as db:
            return db.exec(asked.limit(_MOST_SHOWN)).all()
