"""Who is cut off for what the broker refused him, and who is only told on."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlmodel import Session

from contract.topics import Address
from controller.broker.offences import Offence, Trespass
from controller.identity import store
from controller.identity.refusals import Refusals
from controller.trespassers import ALLOWANCE, Trespassers
from tests.databases import fresh

ROGUE, HONEST = Address("alpha", "room-1"), Address("alpha", "room-2")
MANY = int(ALLOWANCE.messages_burst) + 1


@dataclass
class Broker:
    """A log that says what it is told to, and a server that knows whose connections are whose."""

    folder: Path
    now_s: float = 0.0
    log: list[Offence] = field(default_factory=list)
    owners: dict[int, str] = field(default_factory=lambda: {7: ROGUE.user, 8: f"{ROGUE.user}.3", 9: "ha_alpha"})
    cut_off: list[Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = fresh(self.folder / "fabfleet.db")
        refusals = Refusals(self.engine, lambda: int(self.now_s * 1000))
        self.trespassers = Trespassers(self._read, self._who, refusals, self.cut_off.append, lambda: self.now_s)

    def _read(self) -> list[Offence]:
        said, self.log = self.log, []
        return said

    def _who(self, offence: Offence) -> str:
        return offence.user or self.owners.get(offence.connection, "")

    def tells(self, count: int, trespass: Trespass, *, connection: int = 0, said: str = "x", user: str = "") -> None:
        """Each claims to be the honest one."""
        offence = Offence(trespass, "10.0.0.9", HONEST.client_id, said, user=user, connection=connection)
        self.log += [offence] * count
        self.trespassers.look()

    def audited(self) -> list[str]:
        with Session(self.engine) as db:
            return [line.action for line in store.audit_lines(db)]


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path)


@pytest.mark.parametrize("trespass", [Trespass.PUBLISH, Trespass.SUBSCRIBE, Trespass.SIZE])
def test_flood_of_what_is_refused_cuts_off_the_account_of_the_connection_once(
    broker: Broker, trespass: Trespass
) -> None:
    broker.tells(MANY - 1, trespass, connection=7)
    assert broker.cut_off == []
    broker.tells(MANY, trespass, connection=8)
    assert broker.cut_off == [ROGUE]
    broker.trespassers.forgive(ROGUE)
    broker.tells(MANY, trespass, user=ROGUE.user)
    assert broker.cut_off == [ROGUE, ROGUE]


def test_now_and_then_is_no_flood(broker: Broker) -> None:
    for second in range(2 * MANY):
        broker.now_s = float(second)
        broker.tells(1, Trespass.PUBLISH, connection=7)
    assert broker.cut_off == []


def test_flood_of_whom_nobody_knows_and_of_a_foreign_reader_is_told_and_cuts_off_nobody(broker: Broker) -> None:
    for connection in (9, 99):
        broker.tells(MANY, Trespass.PUBLISH, connection=connection)
    assert broker.cut_off == []
    assert broker.audited() == ["topic-refused"]


def test_flood_of_wrong_sign_ins_is_told_and_costs_the_one_it_names_nothing(broker: Broker) -> None:
    broker.tells(3 * MANY, Trespass.SIGN_IN, said=HONEST.user)
    assert broker.cut_off == []
    assert sorted(broker.audited()) == ["broker-sign-in-flood", "broker-sign-in-refused"]
    broker.now_s = 61.0
    broker.tells(MANY, Trespass.SIGN_IN, said=HONEST.user)
    assert broker.audited().count("broker-sign-in-flood") == 2, "while it goes on, it is told again"
