"""Leases out: who holds a machine now, and the signed book that tells its agent."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session

from contract.lease import HAZARD_SUPERVISED, refusal, sign
from contract.messages import LeaseBook
from contract.model import Command, Lease
from contract.topics import Address
from controller.fleet.live import profile_here
from controller.identity.store import audit, new_id
from controller.scheduling import booked, store, walk_ups
from controller.scheduling.booked import LeaseState
from controller.scheduling.leasing import changes
from controller.scheduling.store import Behind, Machine
from controller.scheduling.turns import LEEWAY_MS, WALK_UP, Begin, Blocked, Keep, Stretch, Turn, answer, holding
from controller.scheduling.walk_ups import Place, Room
from device_profiles.profile import DeviceProfile

RESEND_MS: Final = 10_000
"""A book that is not acknowledged is sent again after so long."""
_MOST_BOOKS: Final = 2**40
"""No agent was ever given so many; one that says so is not believed."""
_log = logging.getLogger(__name__)


class LeaseError(Exception):
    """There is no lease for what is wanted."""


class Taken(LeaseError):
    """Somebody else holds the machine until `until_ms`: wait, or take another one."""

    def __init__(self, until_ms: int) -> None:
        super().__init__("somebody else holds this machine now")
        self.until_ms = until_ms


class NoMachine(LeaseError):
    """There is no such device, or its agent was revoked: look again."""


@dataclass(frozen=True, slots=True)
class WalkUp:
    """A use that begins now, without a booking made beforehand."""

    device_id: int
    holder: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class _Sent:
    """The newest book that was handed out for an agent, and when."""

    generation: int
    number: int
    at_ms: int


class _Ended(NamedTuple):
    """By whom a lease was taken back, and when."""

    by: str
    at_ms: int


class LeaseDesk:
    """Grants leases and composes the agents' books. Safe to use from any thread.

    What takes a session works in the caller's transaction; the caller commits. Two at once for machines of one agent
    wait for each other, so the transaction should be short.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        profile: Callable[[str], DeviceProfile | None] = profile_here,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._profile = profile
        self._new_id = new_id
        self._sending = threading.Lock()
        self._followed = False
        self._sent: dict[int, _Sent] = {}

    def walk_up(self, db: Session, wanted: WalkUp) -> int:
        """Let `holder` use the device from now until `until_ms`, or until somebody else has it booked; the number of
        the book that says so.

        If the holder has the machine already, the lease is made longer if need be and never shorter; one that was
        booked stays as it is. A machine that can be booked is booked for that time. Raises Taken, NoMachine.
        """
        machine = store.locked(db, wanted.device_id)
        if machine is None or machine.revoked:
            raise NoMachine("this machine is not there any more")
        now_ms = self._now_ms()
        place = walk_ups.locked(db.connection(), machine.device_id)
        if place is not None:
            self._follow(db, machine.agent_id)  # a booking may have been made at this moment
        asked = Turn(machine.device_id, wanted.holder, f"{WALK_UP}{self._new_id()}", now_ms, wanted.until_ms)
        match answer(store.turns(db, machine.device_id, now_ms - LEEWAY_MS), asked, now_ms):
            case Keep(turn):
                return turn.book_number
            case Blocked(turn):
                raise Taken(turn.until_ms)
            case Stretch(turn, until_ms):
                return self._stretch(db, machine, place, replace(turn, until_ms=until_ms))
            case Begin(from_ms, until_ms):
                return self._begin(db, machine, place, replace(asked, from_ms=from_ms, until_ms=until_ms))

    def end(self, db: Session, booking: str, by: str = "") -> bool:
        """Take a lease back before its time; `by` is the opaque id of who does. Whether there was one that stood."""
        found = store.grant(db, booking)
        machine = store.locked(db, found.device_id) if found else None
        found = store.grant(db, booking)
        now_ms = self._now_ms()
        if machine is None or found is None or found.revoked_ms is not None or found.until_ms <= now_ms:
            return False
        if found.booking_id is not None and store.turn(found).walk_up:
            walk_ups.end(db.connection(), found.booking_id, now_ms)
        found.revoked_ms = now_ms
        found.book_number = store.next_book(db, machine.agent_id)
        self._audit(db, "lease-end", machine, store.turn(found), _Ended(by, now_ms))
        return True

    def follow_bookings(self) -> bool:
        """Grant what bookings ask for and take back the rest, one transaction an agent; whether there was any change.

        Raises SQLAlchemyError.
        """
        with self._engine.connect() as connection:
            # at first all of them: profiles may have changed since this last ran
            agents = booked.out_of_step(connection, self._now_ms()) if self._followed else booked.all_agents(connection)
        changed = False
        for agent_id in agents:
            with Session(self._engine) as db:
                store.lock(db, agent_id)
                changed |= self._follow(db, agent_id)
                db.commit()
        self._followed = True
        return changed

    def lease_states(self, booking_id: str) -> Mapping[int, LeaseState]:
        """Where the leases of a booking are, by device; a device that it never had a lease for is not in it."""
        with self._engine.connect() as connection:
            found = booked.lease_states(connection, (booking_id,), self._now_ms())
        return {device_id: state for (_, device_id), state in found.items()}

    def refusal(self, db: Session, command: Command, device_id: int) -> str | None:
        """What the agent would say of the lease for a command, with a clock that is certain: see `contract.lease`."""
        now_ms = self._now_ms()
        return refusal(command, store.leases_of(db, device_id, now_ms), now_ms)

    def walk_ups(self, db: Session, device_id: int, holder: str) -> Sequence[str]:
        """The bookings of the holder's leases of the device that stand and were not booked beforehand.

        Until the transaction ends nobody is granted another one.
        """
        store.locked(db, device_id)
        found = store.turns(db, device_id, self._now_ms())
        return [turn.booking for turn in found if turn.holder == holder and turn.walk_up]

    def holder_of(self, db: Session, device_id: int, now_ms: int) -> Turn | None:
        """Whose turn it is at a device, None if it is nobody's."""
        return holding(store.turns(db, device_id, now_ms), now_ms)

    def acknowledged(self, db: Session, booking: str) -> bool:
        """Whether what is granted here, or taken back, counts at the machine: its agent holds the book that says so, or
        the lease has run out.
        """
        return store.acknowledged(db, booking, self._now_ms())

    def books_to_send(self) -> Sequence[tuple[Address, LeaseBook]]:
        """The newest book, signed, of every agent that is online and does not say that it holds it.

        Each at once when it is new, and again after RESEND_MS until the agent says so. Raises SQLAlchemyError.
        """
        now_ms = self._now_ms()
        with self._sending, Session(self._engine) as db:
            behind = [self._overtaking(db, each, now_ms) for each in store.behind(db)]
            db.commit()
            due = [each for each in behind if self._due(each, now_ms)]
            leases = store.leases(db, [each.agent_id for each in due], now_ms) if due else {}
            unanswered = {each.agent_id: self._sent.get(each.agent_id) for each in behind}
            self._sent = {agent_id: sent for agent_id, sent in unanswered.items() if sent}
            self._sent |= {each.agent_id: _Sent(each.generation, each.number, now_ms) for each in due}
        books = [(each.address, _book(each, leases.get(each.agent_id, ()), now_ms)) for each in due]
        return [(address, book) for address, book in books if book]

    def _begin(self, db: Session, machine: Machine, place: Place | None, turn: Turn) -> int:
        booking_id = None
        if place is not None:
            room = self._room(db, place, turn.until_ms)
            booking_id = walk_ups.begin(db.connection(), place, turn.holder, self._now_ms(), room)
            turn = replace(turn, until_ms=room.until_ms)
        begun = replace(turn, book_number=store.next_book(db, machine.agent_id))
        store.begin(db, machine, begun, self._hazard(machine.profile_slug), booking_id)
        self._audit(db, "lease-begin", machine, begun)
        return begun.book_number

    def _stretch(self, db: Session, machine: Machine, place: Place | None, turn: Turn) -> int:
        found = store.grant(db, turn.booking)
        if place is not None and found is not None and found.booking_id is not None:
            room = self._room(db, place, turn.until_ms, found.booking_id)
            if room.until_ms <= found.until_ms:
                return turn.book_number
            walk_ups.stretch(db.connection(), place, found.booking_id, self._now_ms(), room)
            turn = replace(turn, until_ms=room.until_ms)
        stretched = replace(turn, book_number=store.next_book(db, machine.agent_id))
        store.stretch(db, stretched)
        self._audit(db, "lease-stretch", machine, stretched)
        return stretched.book_number

    def _room(self, db: Session, place: Place, until_ms: int, mine: str | None = None) -> Room:
        """Raises Taken."""
        room = walk_ups.room(db.connection(), place, self._now_ms(), until_ms, mine)
        if room.taken_ms is not None:
            raise Taken(room.taken_ms)
        return room

    def _hazard(self, profile_slug: str) -> int:
        profile = self._profile(profile_slug)
        return profile.booking.hazard if profile else HAZARD_SUPERVISED  # what nobody knows may be dangerous

    def _follow(self, db: Session, agent_id: int) -> bool:
        """Have an agent's leases be what bookings ask for; whether they were not. Its row is locked."""
        connection, now_ms = db.connection(), self._now_ms()
        found = changes(
            booked.needs(connection, agent_id, now_ms, self._hazard), booked.given(connection, agent_id, now_ms)
        )
        if found:
            store.follow(db, agent_id, found, now_ms)
        return bool(found)

    def _audit(self, db: Session, action: str, machine: Machine, turn: Turn, ended: _Ended | None = None) -> None:
        """By the holder and now, unless `ended` says otherwise: the log and the tables name the same moment."""
        actor, at_ms = ended or _Ended(turn.holder, self._now_ms())
        detail = store.audit_detail(turn)
        audit(db, at_ms, action, actor=actor, subject=turn.booking, school_id=machine.school_id, detail=detail)

    def _overtaking(self, db: Session, agent: Behind, now_ms: int) -> Behind:
        """The same; if it holds a later book than we know of, with a number that is later still."""
        if not agent.ahead:
            return agent
        if agent.agent_id not in self._sent:
            _log.warning(
                "%s holds a later lease book than this database knows: was it put back by hand?", agent.address
            )
        if agent.held_generation > agent.generation or agent.held_number >= _MOST_BOOKS:
            return agent
        return replace(agent, number=store.overtake(db, agent.agent_id, agent.held_number, now_ms))

    def _due(self, agent: Behind, now_ms: int) -> bool:
        sent = self._sent.get(agent.agent_id)
        if sent is None or (sent.generation, sent.number) != (agent.generation, agent.number):
            return True
        return not 0 <= now_ms - sent.at_ms < RESEND_MS  # the clock may have been set back


def _book(agent: Behind, leases: Sequence[Lease], now_ms: int) -> LeaseBook | None:
    """None for an agent whose key or leases are beyond what a book can be: the others get theirs all the same."""
    try:
        book = LeaseBook(str(agent.address), agent.generation, agent.number, now_ms, tuple(leases))
        return sign(book, bytes.fromhex(agent.lease_key))
    except ValueError as error:
        _log.error("no lease book for %s: %s", agent.address, error)
        return None
