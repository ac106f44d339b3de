"""An agent and a broker whose certificate does not hold: told apart, told once, nothing lost, and back by itself."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.connection import Broker
from agent.draft import Draft
from agent.outbox import Outbox
from agent.pace import Pace
from agent.roster import Roster
from agent.session import Listeners
from agent.uplink import Uplink
from contract.model import Event
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.tls.authority import KeyPair, issue, make_authority
from controller.tls.store import SERVER, TlsStore
from tests.integration.mqtt import eventually
from tests.tls import LOCAL, now

pytestmark = pytest.mark.integration

ME = Address("school", "agent")
BRISK = Pace(retry_ms=50, retry_most_ms=200)
SEVERAL = 5
"""So many attempts are made before it is asked how often the fault was told."""

AUTHORITY = make_authority(now())


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (issue(AUTHORITY, LOCAL, now() - timedelta(days=100)), "certificate-expired"),
        (issue(AUTHORITY, LOCAL, now() + timedelta(days=10)), "clock-wrong"),
        (issue(AUTHORITY, ("elsewhere",), now()), "certificate-name"),
        (issue(make_authority(now()), LOCAL, now()), "certificate-authority"),
    ],
    ids=["expired", "not-yet-valid", "wrong-name", "wrong-authority"],
)
def test_agent_tells_a_bad_certificate_once_keeps_its_data_and_comes_back(
    tmp_path: Path, bad: KeyPair, kind: str
) -> None:
    store = TlsStore(tmp_path)
    store.write(SERVER, bad)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(AUTHORITY.certificate)
    broker = EmbeddedBroker(tmp_path / "broker", 0, certificate=store.file(SERVER))
    broker.set_users([BrokerUser(ME, hash_password("pw"))])
    broker.start()
    clock, events = Clock(), list[Event]()
    outbox = Outbox(tmp_path / "outbox.db", clock.now_ms)
    uplink = Uplink(
        Broker("127.0.0.1", broker.port, ME.user, "pw", str(trusted), keepalive_s=2),
        ME,
        outbox=outbox,
        roster=Roster(),
        clock=clock,
        listeners=Listeners(event=events.append),
        pace=BRISK,
    )
    try:
        uplink.start()
        for number in range(3):
            outbox.append(Draft(clock.now_ms(), series={"d": {"m": ((0, float(number)),)}}))
        eventually(lambda: uplink.figures().connections >= SEVERAL, "it goes on trying")
        assert [event.kind for event in events] == [kind]
        assert f"127.0.0.1:{broker.port}: {kind}" in uplink.figures().why
        assert (outbox.figures().fresh, uplink.online) == (3, False)
        store.write(SERVER, issue(AUTHORITY, LOCAL, now()))
        broker.reload()
        eventually(lambda: uplink.online, "it is back by itself")
        time.sleep(0.1)
        assert [event.kind for event in events] == [kind]
    finally:
        uplink.stop()
        outbox.close()
        broker.stop()
