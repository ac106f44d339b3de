"""Commands of a profile that nobody has verified: a technician tries each at the machine before anybody else may."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from contract.model import CommandStatus
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow
from controller.commands.service import Wanted
from controller.commands.trials import Trials, TrialState
from controller.fleet.tables import Device
from controller.identity.policy import Principal
from tests.databases import fresh
from tests.integration.office import PRINTER, PROJECTOR, STRANGER, TEACHER, TECHNICIAN, Clock, Office, fill

pytestmark = pytest.mark.integration
UNVERIFIED = "epson/eb-l200f"
ON = Wanted(PROJECTOR, "power-on")


class Trying:
    """An office whose projector has a profile that nobody verified."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.become(UNVERIFIED, "digest-1")
        self.trials = Trials(
            office.engine, office.clock, lambda who, device: office.live.profile(who.scope, device), office.live.touch
        )

    def become(self, slug: str, digest: str) -> None:
        with Session(self.office.engine) as db:
            db.execute(
                update(Device)
                .where(col(Device.id) == PROJECTOR)
                .values(profile_slug=slug, profile_digest=digest, bridge_state="open")
            )
            db.commit()
        self.office.live.load()

    def states(self, who: Principal = TECHNICIAN) -> dict[str, TrialState]:
        return {each.action.name: each.state for each in self.trials.of_device(who, PROJECTOR)}

    def give(self) -> str:
        return self.office.commands.give(TECHNICIAN, ON).id

    def ends(self, command_id: str, status: CommandStatus) -> None:
        """The agent says so."""
        self.office.hear(command_id, status)

    def tried(self) -> str:
        """A command that the agent carried out."""
        given = self.give()
        self.ends(given, CommandStatus.DONE)
        return given

    def answer(self, command_id: str, *, worked: bool) -> None:
        self.trials.confirm(TECHNICIAN, PROJECTOR, command_id, worked=worked)

    def why(self, who: Principal) -> dict[str, str]:
        return {each.action.name: each.why for each in self.office.commands.offers(who, PROJECTOR)}


@pytest.fixture(name="trying")
def _trying(tmp_path: Path) -> Iterator[Trying]:
    clock = Clock()
    engine = fresh(tmp_path / "fabfleet.db")
    fill(engine, clock())
    office = Office(engine, clock)
    yield Trying(office)
    office.dispatcher.stop()
    engine.dispose()


def refused(trying: Trying, who: Principal) -> str:
    with pytest.raises(CommandError) as error:
        trying.office.commands.give(who, ON)
    return error.value.code


def test_teacher_may_ask_for_a_command_once_a_technician_has_tried_it(trying: Trying) -> None:
    assert refused(trying, TEACHER) == "untried"
    assert trying.why(TEACHER)["power-on"] == "untried"
    given = trying.give()
    assert trying.states()["power-on"] is TrialState.SENT
    trying.ends(given, CommandStatus.DONE)
    assert trying.states()["power-on"] is TrialState.ASKED
    assert refused(trying, TEACHER) == "untried", "that it was carried out does not say that it worked"
    trying.answer(given, worked=True)
    assert trying.why(TEACHER)["power-on"] != "untried"
    assert trying.why(TEACHER)["power-off"] == "untried", "each command has a trial of its own"
    trying.office.commands.give(TEACHER, ON)
    assert ("command-tried", TECHNICIAN.id, "power-on: yes") in trying.office.audit()


def test_command_that_never_reached_the_machine_was_not_tried(trying: Trying) -> None:
    given = trying.give()
    for status in (CommandStatus.ACCEPTED, CommandStatus.RUNNING):
        with pytest.raises(NotNow, match="not carried out"):
            trying.answer(given, worked=True)
        trying.ends(given, status)
        assert trying.states()["power-on"] is TrialState.SENT
    for status in (CommandStatus.FAILED, CommandStatus.REFUSED, CommandStatus.EXPIRED, CommandStatus.UNKNOWN):
        given = trying.give()
        trying.ends(given, status)
        assert trying.states()["power-on"] is TrialState.UNTRIED, status
        for worked in (True, False):
            with pytest.raises(NotNow, match="not carried out"):
                trying.answer(given, worked=worked)
    assert refused(trying, TEACHER) == "untried"
    assert not [line for line in trying.office.audit() if line[0] == "command-tried"]


def test_answer_to_an_earlier_attempt_does_not_count_for_a_later_one(trying: Trying) -> None:
    first = trying.tried()
    second = trying.tried()
    with pytest.raises(NotNow, match="newest"):
        trying.answer(first, worked=True)
    assert refused(trying, TEACHER) == "untried"
    trying.answer(second, worked=True)
    assert trying.states()["power-on"] is TrialState.WORKS


def test_command_that_did_not_do_what_it_should_stays_with_technicians_until_it_does(trying: Trying) -> None:
    trying.answer(trying.tried(), worked=False)
    assert trying.states()["power-on"] is TrialState.FAILED
    assert refused(trying, TEACHER) == "untried"
    trying.tried()
    assert trying.states()["power-on"] is TrialState.ASKED


def test_what_was_tried_stays_so_when_it_is_given_again(trying: Trying) -> None:
    trying.answer(trying.tried(), worked=True)
    trying.give()
    assert trying.states()["power-on"] is TrialState.WORKS


def test_another_profile_or_another_version_of_it_is_tried_anew(trying: Trying) -> None:
    given = trying.tried()
    trying.answer(given, worked=True)
    trying.become(UNVERIFIED, "digest-2")
    with pytest.raises(NotNow):
        trying.answer(given, worked=True)
    assert trying.states()["power-on"] is TrialState.UNTRIED
    assert refused(trying, TEACHER) == "untried"


def test_verified_profile_needs_no_trial(trying: Trying) -> None:
    trying.become("pjlink/projector", "digest-3")
    assert trying.states() == {}
    trying.office.commands.give(TEACHER, ON)


def test_trial_is_confirmed_by_who_may_try_and_of_commands_that_there_are(trying: Trying) -> None:
    given = trying.tried()
    for who, leaf in ((TEACHER, NotAllowed), (STRANGER, NoSuchDevice)):
        with pytest.raises(leaf):
            trying.trials.confirm(who, PROJECTOR, given, worked=True)
    for device, command in ((PROJECTOR, "c-unheard-of"), (PROJECTOR, ""), (PRINTER, given)):
        with pytest.raises(NotNow):
            trying.trials.confirm(TECHNICIAN, device, command, worked=True)
    assert trying.trials.of_device(STRANGER, PROJECTOR) == ()
