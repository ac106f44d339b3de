"""New credentials for agents of the fleet, on both databases, and the commands that ask for them."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from contract.topics import Address
from controller.broker.access import mosquitto_hash
from controller.cli import main
from controller.config import ControllerConfig
from controller.database import make_engine
from controller.fleet import keys, renewals
from controller.fleet.enrolment import Place, broker_users, enrol
from controller.fleet.renewals import Authorities, NotWanted, Renewals
from controller.identity import store
from controller.tls.store import TlsStore
from tests.tls import now

pytestmark = pytest.mark.integration

NONE = Authorities()
ME = Address("alpha", "room-1")


def desk(engine: Engine, trusted: Authorities = NONE) -> Renewals:
    return Renewals(engine, lambda: 1_000, admit=lambda: None, authorities=lambda: trusted)


def proof(engine: Engine, key: str, line: str) -> int | None:
    return keys.proven(engine, f"Fabfleet {ME.user} {keys.proof(bytes.fromhex(key), line)}", line)


def ask(engine: Engine, school: str = "", agent: str = "") -> int:
    with Session(engine) as db:
        count = renewals.ask(db, 1_000, school, agent)
        db.commit()
    return count


def test_both_credentials_are_good_until_the_new_were_used_and_then_only_those(either_database: Engine) -> None:
    engine = either_database
    old = enrol(engine, Place("alpha"), "room-1")
    enrol(engine, Place("alpha"), "room-2")
    office = desk(engine)
    with pytest.raises(NotWanted):
        office.hand_over(1, 1)
    assert ask(engine, "alpha", "room-1") == 1
    assert office.wanted() == {ME: 1}
    lost = office.hand_over(1, 1)
    made = office.hand_over(1, 1)  # the answer before was lost on its way
    assert made.password != lost.password
    assert [user.user for user in broker_users(engine)] == [old.user, "alpha.room-1.1", "alpha.room-2"]
    assert proof(engine, old.lease_key, "GET /x") == proof(engine, made.lease_key, "GET /x") == 1
    assert proof(engine, lost.lease_key, "GET /x") is None

    with engine.begin() as connection:
        assert not renewals.used(connection, 1, 2)
        assert renewals.used(connection, 1, 1)
        assert not renewals.used(connection, 1, 1)
    assert [user.user for user in broker_users(engine)] == ["alpha.room-1.1", "alpha.room-2"]
    assert proof(engine, old.lease_key, "GET /x") is None
    assert proof(engine, made.lease_key, "GET /x") == 1
    assert office.wanted() == {}
    with Session(engine) as db:
        assert [line.action for line in store.audit_lines(db)] == ["credentials-asked", *2 * ["credentials-handed"]]


def test_asking_again_before_the_new_were_used_wants_newer_ones(either_database: Engine) -> None:
    engine = either_database
    enrol(engine, Place("alpha"), "room-1")
    ask(engine)
    office = desk(engine)
    office.hand_over(1, 1)
    ask(engine)
    assert office.wanted() == {ME: 2}
    with pytest.raises(NotWanted):
        office.hand_over(1, 1)


def test_an_agent_that_was_not_told_of_the_newest_authority_is_asked_and_counts(either_database: Engine) -> None:
    engine = either_database
    enrol(engine, Place("alpha"), "room-1")
    office = desk(engine, Authorities("PEM", "fingerprint"))
    assert not office.all_trust("fingerprint")
    assert office.wanted() == {ME: 1}
    assert office.hand_over(1, 1).authority == "PEM"
    assert not office.all_trust("fingerprint")
    with engine.begin() as connection:
        renewals.used(connection, 1, 1)
    assert office.all_trust("fingerprint")
    assert office.wanted() == {}


def test_enrolling_again_ends_credentials_that_were_handed_over(either_database: Engine) -> None:
    engine = either_database
    enrol(engine, Place("alpha"), "room-1")
    ask(engine)
    desk(engine).hand_over(1, 1)
    enrol(engine, Place("alpha"), "room-1", replace=True)
    assert [user.user for user in broker_users(engine)] == [ME.user]


def fabfleet(state: Path, *arguments: str) -> int:
    return main([*arguments, "--state", str(state)])


def test_commands_show_the_authority_and_begin_and_end_its_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fabfleet(tmp_path, "ca", "fingerprint") == 1
    assert "first start with TLS" in capsys.readouterr().err
    tls = TlsStore(ControllerConfig(state=tmp_path).folder)
    tls.authority(now())
    known = tls.anchor()
    assert known is not None
    assert fabfleet(tmp_path, "ca", "fingerprint") == 0
    assert capsys.readouterr().out == f"{known.fingerprint}\n"
    assert fabfleet(tmp_path, "ca", "show") == 0
    assert capsys.readouterr().out == known.pem
    assert fabfleet(tmp_path, "ca", "rotate", "--finish") == 1
    assert fabfleet(tmp_path, "ca", "rotate") == 0
    assert fabfleet(tmp_path, "ca", "rotate") == 1
    following = tls.following()
    assert following is not None
    assert tls.anchor() == known
    assert fabfleet(tmp_path, "ca", "rotate", "--finish") == 0
    assert tls.anchor() == following
    engine = make_engine(ControllerConfig(state=tmp_path).database)
    with Session(engine) as db:
        assert [line.action for line in store.audit_lines(db)] == [
            "authority-made",
            "authority-succeeded",
            "credentials-asked",
        ]
    engine.dispose()


def test_command_writes_what_mosquitto_needs_for_the_owner_and_the_broker_s_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fabfleet(tmp_path, "broker-config", "mosquitto", str(tmp_path / "out")) == 1
    assert "broker.password" in capsys.readouterr().err
    monkeypatch.setenv("FABFLEET_BROKER_PASSWORD", "of the controller")
    engine = make_engine(ControllerConfig(state=tmp_path).database)
    enrol(engine, Place("alpha"), "room-1")
    engine.dispose()
    assert fabfleet(tmp_path, "broker-config", "mosquitto", str(tmp_path / "out")) == 0
    assert "in the clear" in capsys.readouterr().out
    written = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    assert set(written) == {"fabfleet.conf", "fabfleet.acl", "fabfleet.passwords"}
    assert "user alpha.room-1\ntopic write ff/1/alpha/room-1/status\n" in written["fabfleet.acl"]
    assert "of the controller" not in "".join(written.values())
    assert all(file.stat().st_mode & 0o777 == 0o640 for file in (tmp_path / "out").iterdir())


def test_hash_for_mosquitto_is_what_mosquitto_makes_itself(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(file), "who", "secret"], check=True, capture_output=True, timeout=30)
    theirs, ours = file.read_text().strip().partition(":")[2].split("$"), mosquitto_hash("secret").split("$")
    assert [len(part) for part in ours] == [len(part) for part in theirs]
    assert ours[:3] == theirs[:3]
