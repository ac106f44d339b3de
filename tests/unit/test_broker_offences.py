"""What the log of a nats-server 2.15.1 says of clients that try what they may not; no client can write it."""

from pathlib import Path

from controller.broker.log_tail import LogTail
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


def found(*lines: str) -> list[Offence]:
    return list(offences(line.encode() for line in lines))


def test_each_trespass_is_told_with_address_claimed_id_and_what_was_tried() -> None:
    assert found(*LOG) == [
        Offence(Trespass.PUBLISH, "127.0.0.1", "alpha/room-1", "ff.1.alpha.room-2.report"),
        Offence(Trespass.SUBSCRIBE, "127.0.0.1", "alpha/room-1", "$SYS.>"),
        Offence(Trespass.SIZE, "127.0.0.1", "alpha/room-1", "5000031"),
        Offence(Trespass.SIGN_IN, "::1", "x", 'no\nbody" - x'),
        Offence(Trespass.SIGN_IN, "127.0.0.1", "alpha/room-1", "N/A"),
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
