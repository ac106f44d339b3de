"""The door for agents: with a token, or with the key they got in by. What is undecided waits for a person's word."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from contract.machine import same_machine
from contract.model import MAX_NAME
from controller.fleet.arrivals import WAITING, Decision, Expected, Known, Newcomer, Verdict, decide, expected
from controller.fleet.door_tables import Arrival, Asset, Stand, Twin
from controller.fleet.enrolment import (
    Bearings,
    CopiedIdentity,
    Credentials,
    EnrolmentError,
    NameTaken,
    NotAdmitted,
    Place,
    TokenRefused,
    add_agent,
    issue,
)
from controller.fleet.tables import Agent
from controller.identity import store
from controller.identity.tables import EnrolToken
from controller.ingest.registry import slug_of
from controller.ingest.tables import Installation


@dataclass(frozen=True, slots=True)
class Knock:
    """What an agent says at the door. `key` is empty for one that has none; `source` is where it comes from."""

    token: str = field(repr=False)
    agent: str
    source: str
    key: str = field(default="", repr=False)
    machine: tuple[str, ...] = ()
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What an agent says whom the broker no longer lets in. `epoch` is that of its outbox."""

    school: str
    agent: str
    source: str
    key: str = field(repr=False)
    new_key: str = field(repr=False)
    machine: tuple[str, ...] = ()
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """A person is asked first; `why` is the verdict."""

    why: Verdict


def instance_of(key: str) -> str:
    """What is kept of a key; it is what agents call themselves in their status."""
    return hashlib.sha256(key.encode()).hexdigest()[:32] if key else ""


class Enrolment:
    """Safe to use from any thread. `admit` has the broker follow the table at once.

    `trusted` is the fingerprint of the newest authority that agents are told to trust.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        admit: Callable[[], None],
        trusted: Callable[[], str] = lambda: "",
    ) -> None:
        self._engine = engine
        self._trusted = trusted
        self._now_ms = now_ms
        self._admit = admit

    def salt(self) -> str:
        """What agents of this installation hash the facts of their computers with; made when first asked for."""
        for _ in range(2):
            with Session(self._engine) as db:
                row = db.get(Installation, 1) or Installation()
                if row.salt:
                    return row.salt
                row.salt = secrets.token_hex(16)
                db.add(row)
                try:
                    db.commit()
                except IntegrityError:  # another one was quicker
                    continue
                return row.salt
        return ""

    def by_token(self, knock: Knock) -> Credentials | Patience:
        """Let the agent in where its token says, or have it wait.

        The same key again gets credentials anew, and takes no second use. Raises TokenRefused, NotAdmitted, NameTaken,
        CopiedIdentity; then nothing was taken.
        """
        salt = self.salt()
        with Session(self._engine) as db:
            found = _Visit(db, knock, self._now_ms(), salt, self._trusted()).receive()
            db.commit()
        if isinstance(found, Credentials):
            self._admit()
            return found
        if isinstance(found, Patience):
            return found
        raise found

    def reclaim(self, claim: Claim) -> Credentials:
        """New credentials for whoever has the key of that agent, or was split off from it. Raises NotAdmitted."""
        with Session(self._engine) as db:
            now = self._now_ms()
            wanted = select(Agent).where(Agent.school_id == claim.school, Agent.name == claim.agent).with_for_update()
            agent = db.exec(wanted).first()
            row = agent and self._claimed(db, agent, claim)
            if row is None:
                raise NotAdmitted("nobody here has this name and key, or the agent was revoked")
            if row.doubled:
                raise NotAdmitted("two computers live under this name; a person says on the page which one keeps it")
            made = issue(db, row, Bearings(instance_of(claim.new_key), claim.machine, self._trusted()))
            store.audit(
                db, now, "enrol-reclaim", subject=str(made.address), school_id=row.school_id, address=claim.source,
                detail=f"came as {claim.agent}",
            )  # fmt: skip
            db.commit()
        self._admit()
        return made

    def _claimed(self, db: Session, agent: Agent, claim: Claim) -> Agent | None:
        """Which agent that is: itself, or what one of its copies becomes."""
        instance = instance_of(claim.key)
        copies = db.exec(select(Twin).where(Twin.agent_id == agent.id, Twin.instance == instance)).all()
        if not agent.doubled and copies:
            copy = next((each for each in copies if each.epoch == claim.epoch), None) or next(
                (each for each in copies if same_machine(each.machine.split(), claim.machine)), None
            )
            if copy is None:
                return None
            if copy.becomes_id is None:
                copy.becomes_id = self._offspring(db, agent).id
                db.add(copy)
            row = db.get(Agent, copy.becomes_id)
        else:
            row = agent if instance and agent.instance == instance else None
        return row if row is not None and not row.revoked else None

    def _offspring(self, db: Session, agent: Agent) -> Agent:
        """A new agent in the same room, named after the one that it was split off from."""
        asked = select(Agent.name).where(Agent.school_id == agent.school_id)
        taken = set(db.exec(asked).all())
        names = (f"{agent.name[: MAX_NAME - 4]}-{number}" for number in range(2, 1_000))
        made = Agent(
            school_id=agent.school_id, name=next(each for each in names if each not in taken), room_id=agent.room_id
        )
        db.add(made)
        db.flush()
        return made


class _Visit:
    """One knock, within one transaction. Writes first: so two at once come one after the other."""

    def __init__(self, db: Session, knock: Knock, now_ms: int, salt: str, trusted: str) -> None:
        self._db = db
        self._knock = knock
        self._now_ms = now_ms
        self._salt = salt
        self._trusted = trusted
        self._instance = instance_of(knock.key)

    def receive(self) -> Credentials | Patience | EnrolmentError:
        secret = self._knock.token.partition(".")[0]
        used = store.use_enrol_token(self._db, secret, self._now_ms)
        token = used or store.enrol_token(self._db, secret)
        if token is None:
            return self._refuse()
        arrival = self._arrival(token)
        name, place = self._placed(token)
        decision = self._decide(token, arrival, name)
        why_not = self._why_not(token, arrival, decision, spent=used is None)
        if used is not None and (why_not is not None or decision.verdict is Verdict.BACK):
            store.give_back_use(self._db, used.id)
        return why_not or self._let_in(token, arrival, decision, name, place)

    def _why_not(
        self, token: EnrolToken, arrival: Arrival | None, decision: Decision, *, spent: bool
    ) -> Patience | EnrolmentError | None:
        """`spent`: the token has no use left, or is expired."""
        verdict, known = decision.verdict, decision.known
        if arrival is not None and arrival.stand == Stand.REFUSED:
            return NotAdmitted("a person said no on the page of agents; ask for a new token")
        if verdict is Verdict.NAME_TAKEN and known:
            return NameTaken(f"{token.school_id} has an agent {known.name} already")
        if verdict is Verdict.COPIED:
            return CopiedIdentity("this key belongs to another computer")
        own_key = verdict is Verdict.BACK and known is not None and self._instance == known.instance
        said_yes = arrival is not None and arrival.stand == Stand.ADMITTED
        comes_again = verdict in {Verdict.BACK, *WAITING} and token.expires_ms > self._now_ms
        if spent and not (own_key or said_yes or comes_again):
            return self._refuse()
        if verdict in WAITING:
            self._note(arrival, token, decision, Stand.WAITING)
            return Patience(verdict)
        return None

    def _placed(self, token: EnrolToken) -> tuple[str, Place]:
        """Name and place: as the list of assets has them, else as the agent and its token say."""
        listed = self._listed(token)
        name = (slug_of(listed.name) if listed else "") or self._knock.agent
        if listed and slug_of(listed.room):
            return name, Place(token.school_id, slug_of(listed.room), room_name=listed.room)
        return name, Place(token.school_id, token.room, room_name=token.room)

    def _decide(self, token: EnrolToken, arrival: Arrival | None, name: str) -> Decision:
        knock = self._knock
        known = [_known(each) for each in self._db.exec(select(Agent).where(Agent.school_id == token.school_id))]
        if arrival is not None and arrival.stand == Stand.ADMITTED:
            return Decision(Verdict.BACK, next((each for each in known if each.id == arrival.agent_id), None))
        return decide(Newcomer(name, self._instance, knock.machine, knock.replace, token.agent), known)

    def _let_in(
        self, token: EnrolToken, arrival: Arrival | None, decision: Decision, name: str, place: Place
    ) -> Credentials:
        bearings = Bearings(self._instance, self._knock.machine, self._trusted)
        row = self._db.get(Agent, decision.known.id) if decision.known else None
        if row is not None:
            made = issue(self._db, row, bearings)
        else:
            made = add_agent(self._db, place, name, bearings=bearings)
        self._note(arrival, token, decision, Stand.IN, made)
        self._audit("enrol", str(made.address), token.school_id, f"{decision.verdict}; token {token.id}")
        return made

    def _note(
        self,
        arrival: Arrival | None,
        token: EnrolToken,
        decision: Decision,
        stand: Stand,
        made: Credentials | None = None,
    ) -> None:
        if not self._instance:
            return
        agent_id = decision.known.id if decision.known else None
        if made is not None:
            agent_id = self._db.exec(select(Agent.id).where(Agent.instance == self._instance)).first()
        row = arrival or Arrival(
            school_id=token.school_id, token_id=token.id, instance=self._instance, came_ms=self._now_ms, seen_ms=0,
            name="", why="", stand="",
        )  # fmt: skip
        if arrival is None and stand is Stand.WAITING:
            self._audit("enrol-wait", self._knock.agent, token.school_id, f"{decision.verdict}; token {token.id}")
        row.token_id, row.seen_ms, row.stand, row.agent_id = token.id, self._now_ms, stand, agent_id
        row.name = made.address.agent if made else self._knock.agent
        row.address, row.why, row.machine = self._knock.source[:64], decision.verdict, " ".join(self._knock.machine)
        self._db.add(row)

    def _arrival(self, token: EnrolToken) -> Arrival | None:
        if not self._instance:
            return None
        asked = select(Arrival).where(Arrival.school_id == token.school_id, Arrival.instance == self._instance)
        return self._db.exec(asked).first()

    def _listed(self, token: EnrolToken) -> Expected | None:
        """What the school's list of assets says of this computer."""
        if not self._knock.machine or token.agent:
            return None
        rows = self._db.exec(
            select(Asset).where(Asset.school_id == token.school_id, or_(col(Asset.serial) != "", col(Asset.mac) != ""))
        )
        listed = (Expected(each.serial, each.mac, each.name, each.room) for each in rows)
        return expected(self._knock.machine, listed, self._salt)

    def _refuse(self) -> TokenRefused:
        self._audit("enrol-refused", self._knock.agent, None, "")
        return TokenRefused("this token is unknown, used up or expired")

    def _audit(self, action: str, subject: str, school_id: str | None, detail: str) -> None:
        store.audit(
            self._db, self._now_ms, action, subject=subject, school_id=school_id, address=self._knock.source,
            detail=detail,
        )  # fmt: skip


def _known(row: Agent) -> Known:
    return Known(row.id or 0, row.name, row.instance, tuple(row.machine.split()), row.revoked, row.resets)
