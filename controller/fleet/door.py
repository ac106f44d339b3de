"""The door for agents: with a token, or with the key they got in by. What is undecided waits for a person's word."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from controller.fleet.arrivals import (
    CARRIES,
    FREE,
    WAITING,
    Decision,
    Expected,
    Known,
    Newcomer,
    Verdict,
    Worth,
    decide,
    expected,
)
from controller.fleet.claims import Claim, Claiming
from controller.fleet.door_tables import Arrival, Asset, Stand
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
    instance_of,
    issue,
)
from controller.fleet.tables import Agent
from controller.fleet.waiting import has_room
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
class Patience:
    """A person is asked first; `why` is the verdict."""

    why: Verdict


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
        """New credentials for whoever has the key of that agent, or was split off from it.

        Raises NotProven for who has it not, NotAdmitted for who has it and has to wait for a person's word.
        """
        with Session(self._engine) as db:
            found = Claiming(db, claim, self._now_ms(), self._trusted()).receive()
            db.commit()
        if isinstance(found, EnrolmentError):
            raise found
        self._admit()
        return found


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
        if token is None or token.ended:
            return self._refuse()
        worth = Worth.GOOD if used else Worth.USED_UP if token.expires_ms > self._now_ms else Worth.EXPIRED
        arrival = self._arrival(token)
        name, place = self._placed(token)
        decision = self._decide(token, arrival, name, worth)
        why_not = self._why_not(token, arrival, decision, worth)
        if used is not None and (why_not is not None or decision.verdict in FREE):
            store.give_back_use(self._db, used.id)
        return why_not or self._let_in(token, arrival, decision, name, place)

    def _why_not(
        self, token: EnrolToken, arrival: Arrival | None, decision: Decision, worth: Worth
    ) -> Patience | EnrolmentError | None:
        verdict, known = decision.verdict, decision.known
        if arrival is not None and arrival.stand == Stand.REFUSED and arrival.token_id == token.id:
            return NotAdmitted("a person said no on the page of agents; ask for a new token")
        if verdict is Verdict.NAME_TAKEN and known:
            return NameTaken(f"{token.school_id} has an agent {known.name} already")
        if verdict is Verdict.COPIED:
            return CopiedIdentity("this key belongs to another computer")
        if verdict not in CARRIES[worth]:
            return self._refuse()
        return self._wait(token, arrival, decision) if verdict in WAITING else None

    def _wait(self, token: EnrolToken, arrival: Arrival | None, decision: Decision) -> Patience | NotAdmitted:
        """For a person's word, in the line of the agent that it would be."""
        agent_id = decision.known.id if decision.known else 0
        if self._instance and (arrival is None or arrival.stand != Stand.WAITING):
            if not has_room(self._db, agent_id, self._now_ms):
                return NotAdmitted("too many computers ask to be this one; a person decides on the page of agents")
            self._audit("enrol-wait", self._knock.agent, token.school_id, f"{decision.verdict}; token {token.id}")
        self._note(arrival, token, decision, Stand.WAITING)
        return Patience(decision.verdict)

    def _placed(self, token: EnrolToken) -> tuple[str, Place]:
        """Name and place: as the list of assets has them, else as the agent and its token say."""
        listed = self._listed(token)
        name = (slug_of(listed.name) if listed else "") or self._knock.agent
        if listed and slug_of(listed.room):
            return name, Place(token.school_id, slug_of(listed.room), room_name=listed.room)
        return name, Place(token.school_id, token.room, room_name=token.room)

    def _decide(self, token: EnrolToken, arrival: Arrival | None, name: str, worth: Worth) -> Decision:
        """A token that is over has nobody stand in for an agent any more; who did is known by its key."""
        knock, here = self._knock, token.school_id
        asked = select(Agent).where(or_(col(Agent.school_id) == here, col(Agent.instance) == (self._instance or None)))
        known = [_known(each, here) for each in self._db.exec(asked)]
        if arrival is not None and arrival.stand == Stand.ADMITTED:
            return Decision(Verdict.BACK, next((each for each in known if each.id == arrival.agent_id), None))
        stands_for = token.agent if worth is Worth.GOOD else ""
        return decide(Newcomer(name, self._instance, knock.machine, knock.replace, stands_for), known)

    def _let_in(
        self, token: EnrolToken, arrival: Arrival | None, decision: Decision, name: str, place: Place
    ) -> Credentials:
        row, verdict = self._db.get(Agent, decision.known.id) if decision.known else None, decision.verdict
        machine = self._knock.machine
        same_key = row is not None and self._instance == row.instance
        if row is not None and (verdict is Verdict.RESET or (same_key and not machine)):
            machine = tuple(row.machine.split())  # telling less does not make less of what it is known by
        bearings = Bearings(self._instance, machine, self._trusted)
        made = issue(self._db, row, bearings) if row else add_agent(self._db, place, name, bearings=bearings)
        self._note(arrival, token, Decision(verdict, self._row_of(made)), Stand.IN)
        action = "enrol-unasked" if verdict is Verdict.RESET else "enrol"
        self._audit(action, str(made.address), token.school_id, f"{verdict}; token {token.id}")
        return made

    def _row_of(self, made: Credentials) -> Known:
        address = made.address
        asked = select(Agent).where(Agent.school_id == address.school, Agent.name == address.agent)
        return _known(self._db.exec(asked).one(), address.school)

    def _note(self, arrival: Arrival | None, token: EnrolToken, decision: Decision, stand: Stand) -> None:
        if not self._instance:
            return
        knock, known = self._knock, decision.known
        row = arrival or Arrival(
            school_id=token.school_id, token_id=token.id, instance=self._instance, came_ms=self._now_ms, seen_ms=0,
            name="", why="", stand="",
        )  # fmt: skip
        row.token_id, row.seen_ms, row.stand = token.id, self._now_ms, stand
        row.agent_id = known.id if known else None
        row.name, row.address = known.name if known and stand is Stand.IN else knock.agent, knock.source[:64]
        row.why, row.machine = decision.verdict, " ".join(knock.machine)
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
        return TokenRefused("this token is unknown, used up, expired or ended")

    def _audit(self, action: str, subject: str, school_id: str | None, detail: str) -> None:
        store.audit(
            self._db, self._now_ms, action, subject=subject, school_id=school_id, address=self._knock.source,
            detail=detail,
        )  # fmt: skip


def _known(row: Agent, school: str) -> Known:
    machine, elsewhere = tuple(row.machine.split()), row.school_id != school
    return Known(row.id or 0, row.name, row.instance, machine, row.revoked, row.resets, elsewhere)
