"""Commands of a profile that nobody has verified: a technician tries each at the machine before anybody else may."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow
from controller.commands.service import Wanted
from controller.commands.trials import Trials, TrialState
from controller.fleet.tables import Device
from controller.identity.policy import Principal
from tests.databases import fresh
from tests.integration.office import PROJECTOR, STRANGER, TEACHER, TECHNICIAN, Clock, Office, fill

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
    trying.office.commands.give(TECHNICIAN, ON)
    assert trying.states()["power-on"] is TrialState.ASKED
    assert refused(trying, TEACHER) == "untried", "that it was sent does not say that it worked"
    trying.trials.confirm(TECHNICIAN, PROJECTOR, "power-on", worked=True)
    assert trying.why(TEACHER)["power-on"] != "untried"
    assert trying.why(TEACHER)["power-off"] == "untried", "each command has a trial of its own"
    trying.office.commands.give(TEACHER, ON)
    assert ("command-tried", TECHNICIAN.id, "power-on: yes") in trying.office.audit()


def test_command_that_did_not_do_what_it_should_stays_with_technicians_until_it_does(trying: Trying) -> None:
    trying.office.commands.give(TECHNICIAN, ON)
    trying.trials.confirm(TECHNICIAN, PROJECTOR, "power-on", worked=False)
    assert trying.states()["power-on"] is TrialState.FAILED
    assert refused(trying, TEACHER) == "untried"
    trying.office.commands.give(TECHNICIAN, ON)
    assert trying.states()["power-on"] is TrialState.ASKED


def test_what_was_tried_stays_so_when_it_is_given_again(trying: Trying) -> None:
    trying.office.commands.give(TECHNICIAN, ON)
    trying.trials.confirm(TECHNICIAN, PROJECTOR, "power-on", worked=True)
    trying.office.commands.give(TECHNICIAN, ON)
    assert trying.states()["power-on"] is TrialState.WORKS


def test_another_profile_or_another_version_of_it_is_tried_anew(trying: Trying) -> None:
    trying.office.commands.give(TECHNICIAN, ON)
    trying.trials.confirm(TECHNICIAN, PROJECTOR, "power-on", worked=True)
    trying.become(UNVERIFIED, "digest-2")
    assert trying.states()["power-on"] is TrialState.UNTRIED
    assert refused(trying, TEACHER) == "untried"


def test_verified_profile_needs_no_trial(trying: Trying) -> None:
    trying.become("pjlink/projector", "digest-3")
    assert trying.states() == {}
    trying.office.commands.give(TEACHER, ON)


def test_trial_is_confirmed_by_who_may_try_and_only_once_it_was_sent(trying: Trying) -> None:
    for who, leaf in ((TECHNICIAN, NotNow), (TEACHER, NotAllowed), (STRANGER, NoSuchDevice)):
        with pytest.raises(leaf):
            trying.trials.confirm(who, PROJECTOR, "power-on", worked=True)
    assert trying.trials.of_device(STRANGER, PROJECTOR) == ()
