"""What the logs of nats-server 2.15.1 and mosquitto 2.0.11 say of clients that try what they may not; no client can
write them."""

from pathlib import Path

import pytest

from contract.topics import Address
from controller.broker.access import address_of, user_name
from controller.broker.log_tail import LogTail
from controller.broker.mosquitto_log import MosquittoLog
from controller.broker.offences import Offence, Trespass, offences

STAMP = "[20111] 2026/11/23 04:21:13.390457 "
WHO = '127.0.0.1:59115 - mid:27 - "alpha/room-1" - '
LOG = [
    f"{STAMP}[INF] Server is ready",
    f'{STAMP}[ERR] {WHO}Publish Violation - Subject "ff.1.alpha.room-2.report"',
    f'{STAMP}[ERR] {WHO}Subscription Violation - Subject "$SYS.>", SID $SYS.> Subject "other"',
    f"{STAMP}[ERR] {WHO}maximum payload exceeded: 5000031 vs 278528",
    f'{STAMP}[ERR] [::1]:4711 - mid:30 - "x" - authentication error - User "no\\nbody\\" - x"',
    f'{STAMP}[ERR] {WHO}authentication error - User "N/A"',
    f"{STAMP}[ERR] {WHO}unable to connect: authentication error",
    f'{STAMP}[WRN] {WHO}Replacing old client "a" since both have the same client ID "alpha/room-1"',
]


def by_room_1(trespass: Trespass, said: str) -> Offence:
    return Offence(trespass, "127.0.0.1", "alpha/room-1", said, process=20111, connection=27)


def found(*lines: str) -> list[Offence]:
    return list(offences(line.encode() for line in lines))


def test_each_trespass_is_told_with_address_claimed_id_and_what_was_tried() -> None:
    assert found(*LOG) == [
        by_room_1(Trespass.PUBLISH, "ff.1.alpha.room-2.report"),
        by_room_1(Trespass.SUBSCRIBE, "$SYS.>"),
        by_room_1(Trespass.SIZE, "5000031"),
        Offence(Trespass.SIGN_IN, "::1", "x", 'no\nbody" - x', process=20111, connection=30),
        by_room_1(Trespass.SIGN_IN, "N/A"),
    ]


def test_client_cannot_make_the_log_name_somebody_else() -> None:
    line = '[1] d t [ERR] 10.0.0.9:1 - mid:1 - "\\" - Publish Violation - Subject \\"a\\"" - {}'
    assert found(line.format("invalid character in client ID")) == []
    [told] = found(line.format('Publish Violation - Subject "b.c"'))
    assert (told.address, told.said) == ("10.0.0.9", "b.c")
    assert found('x - [1] d t [ERR] 10.0.0.9:1 - mid:1 - "a" - Publish Violation - Subject "b"') == []
    assert found("", "\0\udcff".encode("utf-8", "replace").decode(), f"{STAMP}[ERR] {WHO}") == []


def test_escapes_of_go_that_json_does_not_know_are_left_as_they_are() -> None:
    [told] = found(f'{STAMP}[ERR] {WHO}Publish Violation - Subject "a\\x00b"')
    assert told.said == "a\\x00b"


def test_tail_gives_whole_lines_once_and_follows_a_new_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    tail = LogTail(log)
    assert tail.lines() == []
    with log.open("ab") as file:
        file.write(b"one\ntw")
    assert tail.lines() == [b"one"]
    with log.open("ab") as file:
        file.write(b"o\n")
    assert tail.lines() == [b"two"]
    log.rename(tmp_path / "log.1")
    assert tail.lines() == []
    log.write_bytes(b"new\n")
    assert tail.lines() == [b"new"]
    assert LogTail(tmp_path / "none").lines() == []


MOSQUITTO = """\
mosquitto version 2.0.11 running
New connection from 127.0.0.1:54675 on port 42671.
New client connected from 127.0.0.1:54675 as alpha.room-1 (p2, c1, k10, u'alpha.room-1').
Sending CONNACK to alpha.room-1 (0, 0)
Received SUBSCRIBE from alpha.room-1
	ff/1/alpha/room-1/ack (QoS 1)
alpha.room-1 1 ff/1/alpha/room-1/ack
Denied PUBLISH from alpha.room-1 (d0, q1, r0, m2, 'ff/1/alpha/room-2/report', ... (2 bytes))
Received PUBLISH from alpha.room-1 (d0, q1, r0, m3, 'ff/1/alpha/room-1/report', ... (2 bytes))
alpha.room-1 1 $SYS/#
ha_alpha 1 $SYS/#
Dropped too large PUBLISH from alpha.room-1 (d0, q1, r0, m6, 'x', ... (300000 bytes))
Sending CONNACK to 10.0.0.9 (0, 5)
Client <unknown> disconnected, not authorised."""


@pytest.mark.parametrize("stamp", ["", "1795421428: ", "2026-11-23T08:11:53+0000: "])
def test_mosquitto_names_the_account_and_what_it_tried(stamp: str) -> None:
    lines = [f"{stamp}{line}".encode() for line in MOSQUITTO.splitlines()]
    who = ("127.0.0.1", "alpha.room-1")
    assert list(MosquittoLog().offences(lines)) == [
        Offence(Trespass.PUBLISH, *who, "ff/1/alpha/room-2/report", user="alpha.room-1"),
        Offence(Trespass.SUBSCRIBE, *who, "$SYS/#", user="alpha.room-1"),
        Offence(Trespass.SIZE, *who, "300000", user="alpha.room-1"),
        Offence(Trespass.SIGN_IN, "10.0.0.9", "", ""),
    ]


def test_client_of_mosquitto_cannot_name_somebody_else_by_what_it_says() -> None:
    said = "x', ... (2 bytes))1: Denied PUBLISH from alpha.room-2 (d0, q0, r0, m0, 'y"
    line = f"Denied PUBLISH from alpha.room-1 (d0, q0, r0, m0, '{said}', ... (2 bytes))"
    [told] = MosquittoLog().offences([line.encode()])
    assert (told.user, told.said) == ("alpha.room-1", said)
    [told] = MosquittoLog().offences([b"alpha.room-1 1 alpha.room-2 1 x"])
    assert told.user == "alpha.room-1"


def test_user_names_lead_back_to_their_agents() -> None:
    address = Address("alpha", "room-1")
    assert [address_of(user_name(address, number)) for number in (0, 3)] == [address, address]
    assert [address_of(user) for user in ("", "controller", "ha_alpha", "ha_a.b", "alpha.", ".x")] == [None] * 6
