"""The lease desk on a real database: one holder a machine, whoever asks at once; and books that reach their agents."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select, update

from contract.lease import HAZARD_SUPERVISED, verify
from contract.messages import LeaseBook, Presence
from contract.topics import Address
from controller.fleet.tables import Agent, Device, School
from controller.identity.store import audit_lines
from controller.ingest.tables import Installation
from controller.scheduling.leases import RESEND_MS, LeaseDesk, NoMachine, Taken, WalkUp
from controller.scheduling.store import all_turns
from controller.scheduling.tables import LeaseGrant
from controller.scheduling.turns import LEEWAY_MS, clashes
from tests.databases import fresh

KEY = "00ff" * 16
NOW_MS = 1_795_000_000_000
MINUTE = 60_000
ME = Address("an-phu", "may-1")
PRINTER, LASER, ODD, ELSEWHERE = 1, 2, 3, 4


class Office:
    """A database with two agents, online, and a desk whose clock stands still until it is set."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_ms = NOW_MS
        self.desk = LeaseDesk(engine, lambda: self.now_ms)
        with Session(engine) as db:
            db.add(School(id=ME.school, name="THCS An Phú"))
            db.add(Installation(generation=1))
            db.flush()
            for name in (ME.agent, "may-2"):
                db.add(Agent(school_id=ME.school, name=name, lease_key=KEY, presence=Presence.ONLINE))
            db.flush()
            for slug, profile, agent_id in (
                ("printer", "demo/printer-3d", 1),
                ("laser", "demo/laser-cutter", 1),
                ("odd", "nobody/knows", 1),
                ("printer", "demo/printer-3d", 2),
            ):
                db.add(
                    Device(
                        school_id=ME.school,
                        agent_id=agent_id,
                        slug=slug,
                        name=slug,
                        profile_slug=profile,
                        profile_digest="d",
                    )
                )
                db.flush()
            db.commit()

    def walk_up(self, holder: str, minutes: float, device_id: int = PRINTER) -> int:
        with Session(self.engine) as db:
            wanted = WalkUp(device_id, holder, self.now_ms + int(minutes * MINUTE))
            number = self.desk.walk_up(db, wanted)
            db.commit()
            return number

    def end(self, booking: str) -> bool:
        with Session(self.engine) as db:
            ended = self.desk.end(db, booking, "ky")
            db.commit()
            return ended

    def grants(self) -> list[LeaseGrant]:
        with Session(self.engine) as db:
            return list(db.exec(select(LeaseGrant).order_by(col(LeaseGrant.id))))

    def holder(self, device_id: int = PRINTER) -> str | None:
        with Session(self.engine) as db:
            turn = self.desk.holder_of(db, device_id, self.now_ms)
            return turn.holder if turn else None

    def acknowledged(self, booking: str) -> bool:
        with Session(self.engine) as db:
            return self.desk.acknowledged(db, booking)

    def change(self, agent_id: int = 1, /, **values: object) -> None:
        """What ingest or somebody else writes about an agent."""
        with Session(self.engine) as db:
            db.execute(update(Agent).where(col(Agent.id) == agent_id).values(**values))
            db.commit()

    def restored(self, generation: int) -> None:
        """What a restore from a backup leaves."""
        with Session(self.engine) as db:
            db.execute(update(Installation).values(generation=generation))
            db.commit()

    def held(self, book: LeaseBook) -> None:
        """The first agent says that it has the book."""
        self.change(held_generation=book.generation, held_number=book.number)

    def sent(self) -> list[tuple[str, int, int, list[str]]]:
        """Agent, generation, number and the leases' holders of each book that is to be sent now."""
        return [
            (address.agent, book.generation, book.number, [lease.holder for lease in book.leases])
            for address, book in self.desk.books_to_send()
        ]

    def clashes(self) -> int:
        with Session(self.engine) as db:
            return len(list(clashes(all_turns(db))))


@pytest.fixture(name="office")
def _office(tmp_path: Path) -> Iterator[Office]:
    engine = fresh(tmp_path / "fabfleet.db")
    yield Office(engine)
    engine.dispose()


# who has the machine


def test_walk_up_takes_a_free_machine_for_its_holder(office: Office) -> None:
    assert office.holder() is None
    assert office.walk_up("an", 15) == 1
    (grant,) = office.grants()
    assert (grant.device_id, grant.agent_id, grant.holder, grant.school_id) == (PRINTER, 1, "an", ME.school)
    assert (grant.from_ms, grant.until_ms) == (NOW_MS - LEEWAY_MS, NOW_MS + 15 * MINUTE)
    assert (grant.hazard, grant.supervised, grant.book_number) == (1, False, 1)
    assert office.holder() == "an"
    office.now_ms = grant.until_ms
    assert office.holder() is None


def test_walk_up_gives_the_hazard_of_the_machine_and_the_highest_for_a_model_nobody_knows(office: Office) -> None:
    for device_id in (PRINTER, LASER, ODD):
        office.walk_up("an", 15, device_id)
    assert [grant.hazard for grant in office.grants()] == [1, 3, HAZARD_SUPERVISED]


def test_walk_up_on_a_machine_of_somebody_else_says_until_when(office: Office) -> None:
    office.walk_up("an", 15)
    with pytest.raises(Taken) as taken:
        office.walk_up("bình", 5)
    assert taken.value.until_ms == NOW_MS + 15 * MINUTE
    assert len(office.grants()) == 1
    office.now_ms += 15 * MINUTE
    assert office.walk_up("bình", 5) == 2
    assert office.clashes() == 0


def test_walk_up_of_the_holder_makes_the_lease_longer_and_never_shorter(office: Office) -> None:
    assert office.walk_up("an", 15) == 1
    assert office.walk_up("an", 5) == 1
    assert office.walk_up("an", 15) == 1
    office.now_ms += 10 * MINUTE
    assert office.walk_up("an", 30) == 2
    (grant,) = office.grants()
    assert (grant.until_ms, grant.book_number) == (NOW_MS + 40 * MINUTE, 2)


def test_walk_up_needs_a_machine_whose_agent_is_let_in(office: Office) -> None:
    with pytest.raises(NoMachine):
        office.walk_up("an", 15, device_id=99)
    office.change(revoked=True)
    with pytest.raises(NoMachine):
        office.walk_up("an", 15)
    assert office.grants() == []


def test_walk_up_that_is_rolled_back_leaves_nothing(office: Office) -> None:
    with Session(office.engine) as db:
        assert office.desk.walk_up(db, WalkUp(PRINTER, "an", NOW_MS + MINUTE)) == 1
        db.rollback()
    assert (office.grants(), office.sent()) == ([], [])
    assert office.walk_up("bình", 15) == 1


def test_lease_that_is_taken_back_frees_the_machine_once(office: Office) -> None:
    office.walk_up("an", 15)
    (grant,) = office.grants()
    office.now_ms += MINUTE
    assert office.end(grant.booking)
    assert office.holder() is None
    assert not office.end(grant.booking)
    assert not office.end("walk-up-nobody")
    (ended,) = office.grants()
    assert (ended.revoked_ms, ended.book_number) == (office.now_ms, 2)
    assert office.walk_up("bình", 15) == 3


def test_lease_that_has_run_out_is_not_taken_back(office: Office) -> None:
    office.walk_up("an", 15)
    office.now_ms += 15 * MINUTE
    assert not office.end(office.grants()[0].booking)
    assert office.grants()[0].revoked_ms is None


def test_every_change_of_a_lease_is_in_the_audit_log(office: Office) -> None:
    office.walk_up("an", 15)
    office.walk_up("an", 10)
    office.walk_up("an", 20)
    booking = office.grants()[0].booking
    office.end(booking)
    with Session(office.engine) as db:
        lines = [(line.action, line.actor, line.subject, line.school_id) for line in audit_lines(db)]
    assert lines == [
        ("lease-begin", "an", booking, ME.school),
        ("lease-stretch", "an", booking, ME.school),
        ("lease-end", "ky", booking, ME.school),
    ]


def at_once(work: Callable[[int], None], threads: int) -> list[BaseException]:
    """What went wrong while `work` ran in so many threads that begin together."""
    gate, wrong = threading.Barrier(threads), list[BaseException]()

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the test
            wrong.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert not any(thread.is_alive() for thread in running)
    return wrong


def test_walk_ups_at_the_same_time_never_give_one_machine_to_two(office: Office) -> None:
    got: list[tuple[int, int, str]] = []
    refused: list[int] = []

    def grab(number: int) -> None:
        for round_ in range(8):
            with Session(office.engine) as db:
                db.exec(select(Agent)).all()  # a caller has looked around before
                device_id = (PRINTER, LASER, ELSEWHERE)[(number + round_) % 3]
                wanted = WalkUp(device_id, f"user-{number}", NOW_MS + MINUTE * (1 + round_))
                try:
                    book = office.desk.walk_up(db, wanted)
                    db.commit()
                    got.append((device_id, book, wanted.holder))
                except Taken:
                    refused.append(number)

    assert at_once(grab, 8) == []
    assert office.clashes() == 0
    grants = office.grants()
    assert sorted(grant.device_id for grant in grants) == [PRINTER, LASER, ELSEWHERE]
    assert {(device_id, holder) for device_id, _, holder in got} == {(g.device_id, g.holder) for g in grants}
    assert refused
    with Session(office.engine) as db:
        numbers = {agent.id: agent.book_number for agent in db.exec(select(Agent))}
    for grant in grants:
        assert 1 <= grant.book_number <= numbers[grant.agent_id]
    assert numbers[1] == len({book for device_id, book, _ in got if device_id in (PRINTER, LASER)}), "none lost"


def test_lease_that_several_take_back_at_once_ends_once(office: Office) -> None:
    office.walk_up("an", 15)
    booking, ended = office.grants()[0].booking, list[bool]()
    assert at_once(lambda _: ended.append(office.end(booking)), 6) == []
    assert sorted(ended) == [False] * 5 + [True]
    assert office.grants()[0].book_number == 2


# the books


def test_book_has_all_leases_that_stand_and_is_signed_with_the_agents_key(office: Office) -> None:
    office.walk_up("an", 5)
    office.walk_up("bình", 30, LASER)
    office.walk_up("chi", 30, ELSEWHERE)
    office.now_ms += 6 * MINUTE
    office.walk_up("dung", 30)
    office.end(next(grant.booking for grant in office.grants() if grant.holder == "chi"))
    ((address, book), (other, empty)) = office.desk.books_to_send()
    assert (str(address), book.agent, book.generation, book.number) == (str(ME), str(ME), 1, 3)
    assert [(lease.device, lease.holder, lease.hazard) for lease in book.leases] == [
        ("laser", "bình", 3),
        ("printer", "dung", 1),
    ]
    assert verify(book, bytes.fromhex(KEY))
    assert (other.agent, empty.number, empty.leases) == ("may-2", 2, ())


def test_book_is_sent_again_until_the_agent_names_it(office: Office) -> None:
    office.walk_up("an", 60)
    assert office.sent() == [(ME.agent, 1, 1, ["an"])]
    assert office.sent() == []
    office.now_ms += RESEND_MS - 1
    assert office.sent() == []
    office.now_ms += 1
    ((_, book),) = office.desk.books_to_send()
    office.now_ms -= 3 * RESEND_MS
    assert office.sent() == [(ME.agent, 1, 1, ["an"])], "a clock that was set back does not keep it waiting"
    office.held(book)
    office.now_ms += 10 * RESEND_MS
    assert office.sent() == []


def test_book_that_is_new_is_not_kept_waiting_by_the_one_before(office: Office) -> None:
    office.walk_up("an", 60)
    assert office.sent()
    office.end(office.grants()[0].booking)
    assert office.sent() == [(ME.agent, 1, 2, [])]


@pytest.mark.parametrize("away", [{"presence": Presence.OFFLINE}, {"revoked": True}, {"presence": ""}])
def test_book_waits_for_an_agent_that_is_not_there(office: Office, away: dict[str, object]) -> None:
    office.walk_up("an", 60)
    office.change(**away)
    assert office.sent() == []
    office.change(presence=Presence.ONLINE, revoked=False)
    assert office.sent() == [(ME.agent, 1, 1, ["an"])]


def test_book_is_sent_anew_to_an_agent_that_lost_its_disk(office: Office) -> None:
    office.walk_up("an", 60)
    ((_, book),) = office.desk.books_to_send()
    office.held(book)
    assert office.sent() == []
    office.change(held_generation=0, held_number=0)
    assert office.sent() == [(ME.agent, 1, 1, ["an"])]


def test_restore_gives_a_fresh_book_to_all_that_ever_had_one_also_an_empty_one(office: Office) -> None:
    office.walk_up("an", 60)
    office.change(held_generation=1, held_number=1)
    office.change(2, held_generation=1, held_number=7)  # granted after the backup: nothing here tells of it
    office.restored(9)
    assert office.sent() == [(ME.agent, 9, 1, ["an"]), ("may-2", 9, 0, [])]
    office.change(held_generation=9, held_number=1)
    office.change(2, held_generation=9, held_number=0)
    office.now_ms += RESEND_MS
    assert office.sent() == []


def test_agent_that_never_had_a_lease_is_sent_no_book(office: Office) -> None:
    office.restored(9)
    assert office.sent() == []


def test_database_put_back_by_hand_overtakes_the_books_of_its_lost_life(office: Office) -> None:
    office.walk_up("an", 60)
    booking = office.grants()[0].booking
    office.change(held_generation=1, held_number=8)
    assert not office.acknowledged(booking), "book 8 is of another life"
    assert office.sent() == [(ME.agent, 1, 9, ["an"])]
    assert not office.acknowledged(booking)
    office.change(held_generation=1, held_number=9)
    assert office.acknowledged(booking)
    assert office.sent() == []
    assert office.walk_up("bình", 60, LASER) == 10


@pytest.mark.parametrize(("generation", "number"), [(5, 1), (1, 2**53 - 1), (2**53 - 1, 2**53 - 1)])
def test_agent_that_claims_what_cannot_be_is_not_believed_and_keeps_no_other_from_its_book(
    office: Office, generation: int, number: int
) -> None:
    office.walk_up("an", 60)
    office.walk_up("chi", 60, ELSEWHERE)
    office.change(held_generation=generation, held_number=number)
    assert office.sent() == [(ME.agent, 1, 1, ["an"]), ("may-2", 1, 1, ["chi"])]


def test_agent_whose_key_cannot_be_used_keeps_no_other_from_its_book(office: Office) -> None:
    office.walk_up("an", 60)
    office.walk_up("chi", 60, ELSEWHERE)
    office.change(lease_key="not hexadecimal")
    assert office.sent() == [("may-2", 1, 1, ["chi"])]


def test_change_counts_when_the_agent_holds_its_book_or_the_lease_has_run_out(office: Office) -> None:
    office.walk_up("an", 15)
    booking = office.grants()[0].booking
    assert not office.acknowledged(booking)
    office.change(held_generation=1, held_number=1)
    assert office.acknowledged(booking)
    office.end(booking)
    assert not office.acknowledged(booking)
    office.change(held_generation=1, held_number=2)
    assert office.acknowledged(booking)
    office.restored(9)
    assert not office.acknowledged(booking), "the book of another life may say something else"
    office.now_ms += 15 * MINUTE
    assert office.acknowledged(booking)
    assert not office.acknowledged("walk-up-nobody")
