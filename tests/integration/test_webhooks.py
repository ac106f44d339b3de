"""Webhooks from what happens to what a receiver gets, or does not: real tables, real processes, real HTTP."""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session, col, select

from contract.model import CommandStatus, Outcome
from controller.commands import store as commands
from controller.commands.tables import StoredCommand
from controller.config import NoticesConfig
from controller.fleet.tables import Agent, Device
from controller.identity.store import audit_lines
from controller.notifications.courier import Witness
from controller.notifications.outlet import Outlet, installation
from controller.notifications.sealing import Seal
from controller.notifications.states import DeliveryState
from controller.privacy.dossier import counts
from controller.webhooks import store
from controller.webhooks.errors import NoSuchWebhook, TestedTooOften, WrongWebhook
from controller.webhooks.events import Happening, happened
from controller.webhooks.kinds import CHOICES, EventKind
from controller.webhooks.sender import CLAIM_MS, MOST_ATTEMPTS, WebhookSender
from controller.webhooks.settings import MOST, Made, Webhooks
from controller.webhooks.tables import Webhook, WebhookDelivery, WebhookEvent
from tests.integration.hook_receiver import Receiver, Request, receiver
from tests.integration.mqtt import eventually
from tests.integration.notifying import DUC, HA, HERE, MINH, THERE, TRI, Post

pytestmark = pytest.mark.integration
HOUR_MS = 3_600_000
INSIDE = NoticesConfig(private_addresses=True)
STATE = Happening(EventKind.DEVICE_STATE, {"device": "printer", "state": "fault"})
S = DeliveryState


class Bench:
    """Everything that tells webhooks, with the clock in a test's hand."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.clock = engine, Post(engine, folder).clock
        self._seal = Seal(folder)
        self.sender = self.another()
        self.hooks = Webhooks(engine, self.sender, self._seal, installation(INSIDE), self.clock)

    def another(self, config: NoticesConfig = INSIDE) -> WebhookSender:
        """A sender as after a restart."""
        outlet = Outlet(self.engine, self._seal, config, self.clock)
        return WebhookSender(self.engine, outlet, self._seal, keep_days=60, now_ms=self.clock, chance=lambda: 1.0)

    def add(self, url: str, *kinds: EventKind, school: str = HERE) -> Made:
        return self.hooks.add(TRI, school, url, kinds or CHOICES)

    def happens(self, it: Happening = STATE, school: str = HERE) -> None:
        with self.engine.begin() as connection:
            happened(connection, school, it, self.clock())

    def turn(self, later_ms: int = 0) -> None:
        self.clock.ms += later_ms
        self.sender.turn()

    def states(self) -> list[tuple[str, str, int]]:
        """State, result and number of attempts of each delivery."""
        with Session(self.engine) as db:
            found = db.exec(select(WebhookDelivery).order_by(col(WebhookDelivery.id))).all()
            return [(each.state, each.result, each.attempts) for each in found]

    def events(self) -> Sequence[WebhookEvent]:
        with Session(self.engine) as db:
            return db.exec(select(WebhookEvent).order_by(col(WebhookEvent.id))).all()


@pytest.fixture
def bench(either_database: Engine, tmp_path: Path) -> Bench:
    return Bench(either_database, tmp_path)


@pytest.fixture(scope="module")
def end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("receiver")) as found:
        yield found


def checked(got: Request, secret: str) -> dict[str, Any]:
    """The body, as a receiver checks it that goes by the specification alone."""
    uid, at = got.headers["webhook-id"], got.headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(key, f"{uid}.{at}.".encode() + got.body, hashlib.sha256).digest()
    version, _, given = got.headers["webhook-signature"].partition(",")
    assert (version, given) == ("v1", base64.b64encode(made).decode())
    said: dict[str, Any] = json.loads(got.body)
    assert said["id"] == uid
    return said


def test_what_happens_reaches_those_who_asked_for_it_signed_and_once(bench: Bench, end: Receiver) -> None:
    before = len(end.got)
    made = bench.add(f"{end.url}/ok", EventKind.DEVICE_STATE)
    bench.add(f"{end.url}/ok", EventKind.BOOKING_MADE)
    bench.add(f"{end.url}/ok", school=THERE)
    bench.happens()
    bench.turn()
    bench.turn()
    (got,) = end.got[before:]
    told = checked(got, made.secret)
    assert (told["version"], told["school"], told["kind"], told["data"]) == (1, HERE, "device.state", STATE.data)
    assert got.headers["webhook-timestamp"] == str(bench.clock() // 1000)
    assert got.headers["content-type"] == "application/json"
    assert bench.states() == [(S.SENT, "sent", 1)]


def test_without_a_webhook_nothing_is_written(bench: Bench) -> None:
    bench.happens()
    made = bench.add("https://hooks.example.vn/", EventKind.BOOKING_MADE)
    bench.happens()
    assert list(bench.events()) == []
    bench.hooks.remove(TRI, HERE, made.id)
    bench.happens(Happening(EventKind.BOOKING_MADE, {}))
    assert list(bench.events()) == []


def test_an_event_is_not_told_if_what_it_tells_of_is_rolled_back(bench: Bench) -> None:
    bench.add("https://hooks.example.vn/")
    with bench.engine.connect() as connection:
        happened(connection, HERE, STATE, bench.clock())
        connection.rollback()
    assert list(bench.events()) == []


def test_a_receiver_that_fails_is_tried_again_with_the_same_id_and_a_new_time(bench: Bench, end: Receiver) -> None:
    before = len(end.got)
    made = bench.add(f"{end.url}/flaky")
    bench.happens()
    bench.turn()
    assert bench.states() == [(S.WAITING, "http-500", 1)]
    bench.turn(1_000)
    assert len(end.got) == before + 1, "not so soon"
    bench.turn(HOUR_MS)
    bench.turn(HOUR_MS)
    assert bench.states() == [(S.SENT, "sent", 3)]
    told = [checked(got, made.secret) for got in end.got[before:]]
    assert told == [told[0]] * 3
    assert len({got.headers["webhook-timestamp"] for got in end.got[before:]}) == 3


def test_a_delivery_is_dead_after_so_many_attempts_and_can_be_sent_again(bench: Bench, end: Receiver) -> None:
    bench.add(f"{end.url}/500")
    bench.happens()
    for _ in range(MOST_ATTEMPTS + 3):
        bench.turn(HOUR_MS)
    assert bench.states() == [(S.FAILED, "http-500", MOST_ATTEMPTS)]
    (shown,) = bench.hooks.recent(DUC, HERE)
    assert (shown.state, shown.result, shown.gone) == (S.FAILED, "http-500", False)
    with pytest.raises(NoSuchWebhook):
        bench.hooks.retry(MINH, HERE, shown.id)
    with pytest.raises(NoSuchWebhook):
        bench.hooks.retry(MINH, THERE, shown.id)
    bench.hooks.retry(DUC, HERE, shown.id)
    bench.turn()
    assert bench.states() == [(S.WAITING, "http-500", 1)]


@pytest.mark.parametrize(
    ("path", "result", "state"),
    [
        ("/drop", "unreachable", S.WAITING),
        ("/410", "http-410", S.FAILED),
        ("/307?http://127.0.0.1:9/inside", "http-307", S.WAITING),
    ],
)
def test_what_does_not_come_through_is_told_as_what_it_is(
    bench: Bench, end: Receiver, path: str, result: str, state: DeliveryState
) -> None:
    before = len(end.got)
    bench.add(end.url + path)
    bench.happens()
    bench.turn()
    assert bench.states() == [(state, result, 1)]
    assert len(end.got) == before + 1, "a redirect is not followed"


def test_a_receiver_that_never_ends_holds_up_no_other(
    bench: Bench, end: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a stop: what was under way is left for the next start, and what came through is not sent again."""
    before = len(end.got)
    bench.add(f"{end.url}/slow", EventKind.BOOKING_MADE)
    bench.add(f"{end.url}/ok", EventKind.DEVICE_STATE)
    bench.happens(Happening(EventKind.BOOKING_MADE, {}))
    for _ in range(3):
        bench.happens()
    bench.sender.start()
    came = [(S.SENDING, "", 1), *[(S.SENT, "sent", 1)] * 3]
    eventually(lambda: bench.states() == came and len(end.got) == before + 4, "the other's, while the first hangs")
    bench.sender.stop()
    assert bench.states() == [(S.WAITING, "", 0), *came[1:]]
    monkeypatch.setattr("controller.notifications.outlet.WAIT_S", 4.0)
    bench.sender = bench.another()
    bench.turn()
    assert bench.states() == [(S.WAITING, "timeout", 1), *came[1:]]
    assert len(end.got) == before + 5


def test_the_inside_is_not_told_unless_it_is_allowed(bench: Bench, end: Receiver) -> None:
    """Also what was allowed when it was written, or what a name leads to by then."""
    before = len(end.got)
    bench.add(f"{end.url}/ok")
    bench.add(end.url.replace("127.0.0.1", "localhost"))
    bench.happens()
    bench.sender = bench.another(NoticesConfig())
    bench.turn()
    assert bench.states() == [(S.FAILED, "private-address", 1)] * 2
    assert len(end.got) == before


def test_without_tls_nothing_goes_out_of_the_network() -> None:
    """Asked of the witness alone: nothing is sent to anybody."""
    with socket.socket() as channel:
        witness = Witness()
        witness._connects("socket.connect", (channel, ("127.0.0.1", 80)), private=True, inside=True)
        with pytest.raises(PermissionError):
            witness._connects("socket.connect", (channel, ("93.184.216.34", 80)), private=True, inside=True)
    assert witness.result() == "plain-http"


def test_an_attempt_that_a_crash_left_half_done_is_made_again(bench: Bench, end: Receiver) -> None:
    before = len(end.got)
    bench.add(f"{end.url}/ok")
    bench.happens()
    with bench.engine.begin() as connection:
        (due,) = store.QUEUE.due(connection, bench.clock(), 10, open_ms=bench.clock(), in_vain=False)
        assert store.QUEUE.claim(connection, due, mark_ms=0, now_ms=bench.clock(), until_ms=bench.clock() + CLAIM_MS)
    bench.sender = bench.another()
    bench.turn()
    assert len(end.got) == before, "it may still be under way"
    bench.turn(CLAIM_MS)
    assert bench.states() == [(S.SENT, "sent", 2)]


def test_a_test_is_sent_at_once_and_stands_among_the_deliveries(bench: Bench, end: Receiver) -> None:
    before = len(end.got)
    made = bench.add(f"{end.url}/ok")
    assert bench.hooks.test(DUC, HERE, made.id) == "sent"
    assert checked(end.got[before], made.secret)["kind"] == "test"
    (shown,) = bench.hooks.recent(DUC, HERE)
    assert (shown.kind, shown.state, shown.attempts) == (EventKind.TEST, S.SENT, 1)
    bad = bench.add(f"{end.url}/500")
    assert bench.hooks.test(DUC, HERE, bad.id) == "http-500"
    bench.turn(HOUR_MS)
    assert [state for state, *_ in bench.states()] == [S.SENT, S.FAILED], "a test is made once"
    with bench.engine.begin() as connection:
        connection.execute(update(Webhook).values(paced_until_ms=bench.clock() + 60_000))
    with pytest.raises(TestedTooOften):
        bench.hooks.test(DUC, HERE, bad.id)


def test_a_new_secret_signs_and_the_former_does_not(bench: Bench, end: Receiver) -> None:
    before = len(end.got)
    first = bench.add(f"{end.url}/ok")
    second = bench.hooks.renew(DUC, HERE, first.id)
    bench.hooks.test(DUC, HERE, first.id)
    checked(end.got[before], second.secret)
    with pytest.raises(AssertionError):
        checked(end.got[before], first.secret)


def test_a_removed_webhook_forgets_its_secrets_and_what_waits(bench: Bench) -> None:
    made = bench.add("https://hooks.example.vn/secret-path")
    bench.happens()
    bench.hooks.remove(DUC, HERE, made.id)
    with Session(bench.engine) as db:
        assert db.get_one(Webhook, made.id).sealed == ""
    bench.turn()
    assert bench.states() == [(S.DROPPED, "channel-removed", 0)]
    assert list(bench.hooks.of(DUC, HERE)) == []
    for work in (bench.hooks.renew, bench.hooks.remove, bench.hooks.test):
        with pytest.raises(NoSuchWebhook):
            work(DUC, HERE, made.id)


def test_nobody_sees_or_changes_another_schools(bench: Bench) -> None:
    made = bench.add("https://hooks.example.vn/")
    with pytest.raises(NoSuchWebhook):
        bench.hooks.of(MINH, HERE)
    with pytest.raises(NoSuchWebhook):
        bench.hooks.recent(MINH, HERE)
    with pytest.raises(NoSuchWebhook):
        bench.hooks.remove(MINH, THERE, made.id)
    with pytest.raises(NoSuchWebhook):
        bench.hooks.add(MINH, HERE, "https://hooks.example.vn/", CHOICES)


def test_each_change_is_audited_without_address_and_secret(bench: Bench) -> None:
    made = bench.hooks.add(DUC, HERE, "https://hooks.example.vn/geheim", [EventKind.DEVICE_STATE])
    renewed = bench.hooks.renew(DUC, HERE, made.id)
    bench.hooks.remove(DUC, HERE, made.id)
    with Session(bench.engine) as db:
        lines = audit_lines(db)
        text = str([line.model_dump() for line in lines])
        (hook,) = db.exec(select(Webhook)).all()
    assert [(line.action, line.actor, line.school_id) for line in lines] == [
        (f"webhook-{what}", DUC.id, HERE) for what in ("add", "renew", "remove")
    ]
    for secret in ("geheim", made.secret, renewed.secret):
        assert secret not in text + str(hook.model_dump())


@pytest.mark.parametrize("kinds", [(), ("no.such",), ("device.state", "test")])
def test_a_webhook_is_told_of_kinds_that_there_are(bench: Bench, kinds: tuple[str, ...]) -> None:
    with pytest.raises(WrongWebhook) as wrong:
        bench.hooks.add(DUC, HERE, "https://hooks.example.vn/", kinds)
    assert wrong.value.field == "kinds"


def test_a_school_has_so_many_webhooks_and_no_more(bench: Bench) -> None:
    for number in range(MOST):
        bench.add(f"https://hooks.example.vn/{number}")
    with pytest.raises(WrongWebhook, match="too-many"):
        bench.add("https://hooks.example.vn/more")


def test_what_ended_long_ago_is_forgotten(bench: Bench, end: Receiver) -> None:
    bench.add(f"{end.url}/ok")
    bench.happens()
    bench.turn()
    bench.turn(61 * 24 * HOUR_MS)
    assert (bench.states(), list(bench.events())) == ([], [])


def test_an_agents_word_of_a_command_is_told_in_its_own_transaction(bench: Bench) -> None:
    bench.add("https://hooks.example.vn/", EventKind.COMMAND_RESULT)
    with Session(bench.engine) as db:
        agent = Agent(school_id=HERE, name="pc-1")
        db.add(agent)
        db.flush()
        device = Device(
            school_id=HERE, agent_id=agent.id or 0, slug="d", name="D", profile_slug="demo/projector", profile_digest=""
        )
        db.add(device)
        db.flush()
        db.add(
            StoredCommand(
                id="c1", school_id=HERE, agent_id=agent.id or 0, device_id=device.id or 0, action="power-on",
                by_id=HA.id, asked_ms=1, expires_ms=9, status=CommandStatus.SENT, status_ms=1,
            )
        )  # fmt: skip
        db.commit()
        agent_id = agent.id or 0
    with bench.engine.begin() as connection:
        commands.hear(connection, agent_id, [Outcome("c1", CommandStatus.DONE, 5)], 6)
        commands.hear(connection, agent_id, [Outcome("c1", CommandStatus.DONE, 5)], 7)
    (event,) = bench.events()
    assert (event.kind, event.person_id) == (EventKind.COMMAND_RESULT, HA.id)
    assert (event.data["command"], event.data["status"], event.data["by"]) == ("c1", "done", HA.id)
    assert counts(bench.engine, HA.id)["webhook_event"] == 1
