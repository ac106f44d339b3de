"""Each kind of channel against a real server as its far end, through Apprise and through the own sender for Zalo."""

import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.config import NoticesConfig
from controller.notifications.channels import ChannelKind, filled
from controller.notifications.outlet import Message, Outlet
from controller.notifications.sealing import Seal
from controller.notifications.tables import ZaloTokens
from tests.databases import fresh
from tests.integration.far_ends import HttpEnd, certificate, http_end, mail_end
from tests.integration.office import Clock

pytestmark = pytest.mark.integration

INSIDE = NoticesConfig(private_addresses=True)
MESSAGE = Message("Đã duyệt: 3D-01", "Thứ Tư 25/11 <b>&\nXem https://fab.example.vn/my")
TOKEN = "123456789:abcdefghijklmnopqrstuvwxyz123456789"
OA = {"user_id": "8412345", "app_id": "77", "secret_key": "s3cret", "refresh_token": "first"}


@dataclass
class Bench:
    engine: Engine
    folder: Path
    clock: Clock

    def send(
        self,
        kind: ChannelKind,
        fields: Mapping[str, str],
        config: NoticesConfig = INSIDE,
        endpoints: Mapping[str, str] | None = None,
    ) -> str:
        outlet = Outlet(self.engine, Seal(self.folder), config, self.clock, endpoints or {})
        kept = filled(kind, fields, outlet.given)
        return outlet.send(kind, kept, MESSAGE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engine = fresh(tmp_path / "outlet.db")
    yield Bench(engine, tmp_path, Clock())
    engine.dispose()


@pytest.fixture
def end() -> Iterator[HttpEnd]:
    with http_end() as found:
        yield found


def test_a_webhook_gets_title_and_message_as_json_with_the_parameters_of_its_address(
    bench: Bench, end: HttpEnd
) -> None:
    assert bench.send(ChannelKind.WEBHOOK, {"url": f"{end.url}/hook/a?school=an-phu&key=%26x"}) == "sent"
    (got,) = end.got
    assert (got.path, got.query) == ("/hook/a", {"school": "an-phu", "key": "&x"})
    assert (got.said["title"], got.said["message"]) == (MESSAGE.title, MESSAGE.body)


def test_telegram_and_zalo_bots_get_plain_text(bench: Bench, end: HttpEnd) -> None:
    fields = {"chat_id": "4711", "token": TOKEN}
    endpoints = {"telegram": f"{end.url}/bot", "zalo-bot": end.url + "/zalo{token}/sendMessage"}
    assert bench.send(ChannelKind.TELEGRAM, fields, endpoints=endpoints) == "sent"
    assert bench.send(ChannelKind.ZALO_BOT, fields, endpoints=endpoints) == "sent"
    telegram, zalo = end.got
    assert telegram.path == f"/bot{TOKEN}/sendMessage"
    assert zalo.path == f"/zalo{TOKEN}/sendMessage"
    for got in (telegram, zalo):
        assert str(got.said["chat_id"]) == "4711"
        assert MESSAGE.title in got.said["text"]
        assert "Thứ Tư 25/11" in got.said["text"]


def test_google_chat_gets_text_with_its_key_and_token(bench: Bench, end: HttpEnd) -> None:
    url = "https://chat.googleapis.com/v1/spaces/AAAA1/messages?key=AIza-x_1&token=tOk%3D-1"
    endpoints = {"google-chat": end.url + "/v1/spaces/{workspace}/messages"}
    assert bench.send(ChannelKind.GOOGLE_CHAT, {"url": url}, endpoints=endpoints) == "sent"
    (got,) = end.got
    assert (got.path, got.query) == ("/v1/spaces/AAAA1/messages", {"key": "AIza-x_1", "token": "tOk=-1"})
    assert MESSAGE.title in got.said["text"]


def test_a_teams_workflow_gets_a_card_and_an_untrusted_certificate_is_told(bench: Bench, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with http_end(tls) as end:
        url = f"{end.url}/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/invoke"
        url += "?api-version=2016-06-01&sp=%2Ftriggers&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
        assert bench.send(ChannelKind.TEAMS, {"url": url}) == "tls"
        assert end.got == []
        assert bench.send(ChannelKind.TEAMS, {"url": url}, replace(INSIDE, ca=tls[0])) == "sent"
        (got,) = end.got
        assert got.query["sig"] == "KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
        assert got.said["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert MESSAGE.title in str(got.said)


def test_mail_goes_by_the_installations_server_or_by_ones_own_with_login_over_starttls(
    bench: Bench, tmp_path: Path
) -> None:
    with mail_end() as ours:
        config = NoticesConfig(
            smtp_host="127.0.0.1", smtp_port=ours.port, smtp_security="none", smtp_sender="fab@example.vn"
        )
        assert bench.send(ChannelKind.EMAIL, {"to": "ha@example.vn"}, config) == "sent"
        ((recipients, message),) = ours.got
        assert recipients == ["ha@example.vn"]
        assert message["subject"] == MESSAGE.title
        assert "fab@example.vn" in message["from"]
        assert "25/11 <b>&" in message.get_content()  # type: ignore[attr-defined]  # of the policy that reads it
        ours.refuse = "452 try later"
        assert bench.send(ChannelKind.EMAIL, {"to": "ha@example.vn"}, config) == "smtp-452"
    tls = certificate(tmp_path)
    with mail_end(tls) as own:
        fields = {"to": "ha@example.vn", "host": "127.0.0.1", "port": str(own.port), "security": "starttls"}
        fields |= {"user": "ha@example.vn", "password": "dung-roi", "sender": ""}
        config = replace(INSIDE, ca=tls[0])
        assert bench.send(ChannelKind.EMAIL, fields, config) == "sent"
        assert own.logins[-1] == ("ha@example.vn", "dung-roi")
        assert len(own.got) == 1
        assert bench.send(ChannelKind.EMAIL, {**fields, "password": "sai"}, config) == "smtp-535"


def test_a_zalo_oa_writes_with_tokens_that_are_renewed_once_and_kept_sealed(bench: Bench, end: HttpEnd) -> None:
    endpoints = {"zalo-oa": f"{end.url}/v3.0/oa/message/cs", "zalo-tokens": f"{end.url}/v4/oa/access_token"}
    end.answer = {"access_token": "acc-1", "refresh_token": "second", "expires_in": "90000"}
    assert bench.send(ChannelKind.ZALO_OA, OA, endpoints=endpoints) == "sent"
    asked, sent = end.got
    assert asked.path == "/v4/oa/access_token"
    assert asked.headers["secret_key"] == "s3cret"
    assert asked.said == {"refresh_token": "first", "app_id": "77", "grant_type": "refresh_token"}
    assert (sent.path, sent.headers["access_token"]) == ("/v3.0/oa/message/cs", "acc-1")
    assert sent.said["recipient"] == {"user_id": "8412345"}
    assert sent.said["message"]["text"].startswith(MESSAGE.title)
    with Session(bench.engine) as db:
        (kept,) = db.exec(select(ZaloTokens)).all()
    assert "acc-1" not in kept.sealed
    assert "second" not in kept.sealed

    assert bench.send(ChannelKind.ZALO_OA, OA, endpoints=endpoints) == "sent"
    assert [each.path for each in end.got[2:]] == ["/v3.0/oa/message/cs"]

    bench.clock.ms += 26 * 3_600_000
    assert bench.send(ChannelKind.ZALO_OA, OA, endpoints=endpoints) == "sent"
    assert end.got[3].said["refresh_token"] == "second"


def test_no_account_waits_for_the_tokens_of_another(bench: Bench, end: HttpEnd) -> None:
    """Each answer is held back until both have asked."""
    both = threading.Barrier(2, timeout=60)
    end.answer = {"error": -216}
    end.meanwhile = lambda: _together(both)
    outlet = Outlet(bench.engine, Seal(bench.folder), INSIDE, bench.clock, {"zalo-tokens": f"{end.url}/t"})
    accounts = (OA, {**OA, "app_id": "78"})
    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(lambda fields: outlet.send(ChannelKind.ZALO_OA, fields, MESSAGE), accounts))
    assert (sent, len(end.got)) == (["zalo-token"] * 2, 2)


def _together(both: threading.Barrier) -> None:
    both.wait()


@pytest.mark.parametrize(("error", "code"), [(-216, "zalo-token"), (-213, "zalo-refused")])
def test_a_zalo_oa_says_no_with_status_200(bench: Bench, end: HttpEnd, error: int, code: str) -> None:
    endpoints = {"zalo-oa": f"{end.url}/m", "zalo-tokens": f"{end.url}/t"}
    end.answer = {"access_token": "acc", "refresh_token": "next", "expires_in": "90000"}
    assert bench.send(ChannelKind.ZALO_OA, OA, endpoints=endpoints) == "sent"
    end.answer = {"error": error, "message": "no"}
    assert bench.send(ChannelKind.ZALO_OA, OA, endpoints=endpoints) == code


def test_a_failure_is_told_as_what_it_is(bench: Bench, end: HttpEnd) -> None:
    end.script = [401]
    assert bench.send(ChannelKind.WEBHOOK, {"url": end.url}) == "http-401"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert bench.send(ChannelKind.WEBHOOK, {"url": url}) == "unreachable"
    assert bench.send(ChannelKind.WEBHOOK, {"url": "http://nobody.invalid/"}) == "no-such-host"


def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to(bench: Bench, end: HttpEnd) -> None:
    """Only the connection itself shows where a name leads, also if it led elsewhere when it was written."""
    outlet = Outlet(bench.engine, Seal(bench.folder), NoticesConfig(), bench.clock)
    for host in ("localhost", socket.gethostname(), "127.0.0.1"):
        result = outlet.send(ChannelKind.WEBHOOK, {"url": f"http://{host}:{end.port}/x"}, MESSAGE)
        assert result == "private-address", host
    own_server = {"to": "a@example.vn", "host": "localhost", "port": str(end.port), "security": "none"}
    own_server |= {"user": "", "password": "", "sender": "b@example.vn"}
    assert outlet.send(ChannelKind.EMAIL, own_server, MESSAGE) == "private-address"
    assert end.got == []


def test_a_redirect_is_not_followed(bench: Bench, end: HttpEnd) -> None:
    with http_end() as inside:
        end.script, end.location = [307], inside.url
        assert bench.send(ChannelKind.WEBHOOK, {"url": end.url}) == "http-307"
        assert inside.got == []


def test_a_closed_outlet_sends_nothing(bench: Bench, end: HttpEnd) -> None:
    outlet = Outlet(bench.engine, Seal(bench.folder), INSIDE, bench.clock)
    outlet.close()
    assert outlet.send(ChannelKind.WEBHOOK, {"url": end.url}, MESSAGE) == "stopped"
    assert end.got == []
