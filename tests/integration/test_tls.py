"""TLS as it is used: a real controller that keeps its certificate good, a real broker that follows, and strangers."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.topics import Address, Channel
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.tls.authority import BadCertificate, anchor, issue, make_authority, signed_by
from controller.tls.keeper import Given, Keeper
from controller.tls.store import AUTHORITY, NEXT, SERVER, TlsStore
from tests.integration.mqtt import Client, eventually
from tests.tls import LOCAL, now, signed

pytestmark = pytest.mark.integration

ME = Address("alpha", "room-1")
PASSWORD = "secret-one"


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def own(folder: Path, clock: Callable[[], datetime] = now) -> Keeper:
    return Keeper(TlsStore(folder), lambda: LOCAL, None, clock)


def shown(port: int) -> bytes:
    """The certificate that whoever listens shows to a new connection, PEM."""
    return ssl.get_server_certificate(("127.0.0.1", port)).encode()


def greet(port: int, context: ssl.SSLContext) -> None:
    """The handshake as a client does it that looks at everything."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    with wire, context.wrap_socket(wire, server_hostname="127.0.0.1"):
        pass


def leaf(keeper: Keeper) -> str:
    return anchor(keeper.file.read_bytes()).pem


@contextmanager
def broker_with(keeper: Keeper, folder: Path) -> Iterator[EmbeddedBroker]:
    keeper.look()
    broker = EmbeddedBroker(folder / "broker", 0, certificate=keeper.file)
    broker.set_users([BrokerUser(ME, hash_password(PASSWORD))])
    broker.start()
    keeper.follow(lambda _file: broker.reload())
    try:
        yield broker
    finally:
        broker.stop()


def test_keeper_makes_an_authority_once_and_keeps_its_key_for_the_owner(tmp_path: Path) -> None:
    keeper = own(tmp_path)
    assert keeper.look()
    assert not keeper.look()
    authority = keeper.store.anchor()
    assert authority is not None
    assert own(tmp_path).store.anchor() == authority
    assert keeper.bundle() == authority.pem
    for name in (AUTHORITY, SERVER):
        assert keeper.store.file(name).stat().st_mode & 0o777 == 0o600


def test_keeper_renews_in_time_and_tells_who_uses_it(tmp_path: Path) -> None:
    clock = Clock()
    told: list[Path] = []
    keeper = own(tmp_path, clock)
    keeper.look()
    keeper.follow(told.append)
    before = leaf(keeper)
    clock.ahead = timedelta(days=59)
    assert not keeper.look()
    clock.ahead = timedelta(days=61)
    assert keeper.look()
    assert told == [keeper.file]
    assert leaf(keeper) != before


def test_keeper_follows_given_files_and_keeps_the_old_while_they_are_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = signed(), signed()
    given = Given(tmp_path / "cert.pem", tmp_path / "cert.key")
    given.certificate.write_bytes(first.certificate)
    given.key.write_bytes(first.key)
    keeper = Keeper(TlsStore(tmp_path), lambda: LOCAL, given, now)
    assert keeper.look()
    assert keeper.bundle() == ""
    given.certificate.write_bytes(second.certificate)  # its key is not there yet
    assert not keeper.look()
    assert not keeper.look()
    assert caplog.text.count("does not belong") == 1
    assert leaf(keeper) == anchor(first.certificate).pem
    given.key.write_bytes(second.key)
    assert keeper.look()
    assert leaf(keeper) == anchor(second.certificate).pem


def test_keeper_refuses_to_begin_with_what_cannot_be_used(tmp_path: Path) -> None:
    bad = Given(tmp_path / "cert.pem", tmp_path / "cert.key")
    bad.certificate.write_bytes(b"nonsense")
    bad.key.write_bytes(b"nonsense")
    with pytest.raises(BadCertificate):
        Keeper(TlsStore(tmp_path), lambda: LOCAL, bad, now).look()


def test_keeper_signs_anew_when_another_authority_took_over(tmp_path: Path) -> None:
    keeper = own(tmp_path)
    keeper.look()
    new = make_authority(now())
    keeper.store.write(NEXT, new)
    assert anchor(new.certificate).pem in keeper.bundle()
    assert not keeper.look()  # nobody said that all agents know it
    assert keeper.store.succeed()
    assert keeper.look()
    assert signed_by(keeper.file.read_bytes(), new.certificate)
    assert keeper.bundle() == anchor(new.certificate).pem


def test_broker_takes_a_new_certificate_and_disconnects_nobody(tmp_path: Path) -> None:
    clock = Clock()
    keeper = own(tmp_path, clock)
    with broker_with(keeper, tmp_path) as broker:
        trusting = ssl.create_default_context(cadata=keeper.bundle())
        with Client(broker.port, ME.user, PASSWORD, tls=trusting) as mine:
            before = shown(broker.port)
            assert mine.subscribe(ME.topic(Channel.ACK))
            clock.ahead = timedelta(days=61)
            assert keeper.look()
            eventually(lambda: shown(broker.port) != before, "new connections see the new certificate")
            mine.say(ME.topic(Channel.REPORT), b"still here")
            assert (mine.connects, mine.disconnects) == (1, 0)
        assert anchor(shown(broker.port)).pem == leaf(keeper)
        assert broker.restarts == 0


def test_broker_with_tls_takes_no_clear_text_and_nobody_believes_a_stranger(tmp_path: Path) -> None:
    with broker_with(own(tmp_path), tmp_path) as broker:
        with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as plain:
            plain.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x0a\x00\x04test")
            plain.settimeout(10)
            answer = b""
            with suppress(ConnectionError):
                answer = plain.recv(64)
            assert not answer.startswith(b"\x20"), "no CONNACK without TLS"
        stranger = ssl.create_default_context(cadata=anchor(make_authority(now()).certificate).pem)
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in certificate chain"):
            greet(broker.port, stranger)


def test_broker_that_has_no_good_certificate_is_left_by_those_who_look(tmp_path: Path) -> None:
    """Expired, and for another name: the same client that is content with a good one goes."""
    keeper = own(tmp_path)
    authority = keeper.store.authority(now())
    with broker_with(keeper, tmp_path) as broker:
        trusting = ssl.create_default_context(cadata=keeper.bundle())
        for bad, why in (
            (issue(authority, LOCAL, now() - timedelta(days=100)), "expired"),
            (issue(authority, ("elsewhere",), now()), "mismatch"),
        ):
            keeper.store.write(SERVER, bad)
            broker.reload()
            eventually(lambda bad=bad: anchor(shown(broker.port)) == anchor(bad.certificate), "it is shown")  # type: ignore[misc]
            with pytest.raises(ssl.SSLCertVerificationError, match=why):
                greet(broker.port, trusting)
