"""PJLink's rules, on recorded and on invented bytes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import pjlink_core as core
from firmware_bridges.base import BadReply
from firmware_bridges.record import Way
from hil.farends.transcript import load

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "pjlink").glob("*.txt"))


def heard(data: bytes, size: int, password: str = "") -> list[core.Event]:
    ours = core.PjlinkCore(password)
    return [event for at in range(0, len(data), size) for event in ours.receive(data[at : at + size])]


def ready() -> core.PjlinkCore:
    ours = core.PjlinkCore()
    ours.receive(b"PJLINK 0\r")
    return ours


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_core_understands_a_recorded_projector_however_its_bytes_are_cut(path: Path, size: int) -> None:
    said = load(path).heard
    lines = said.decode().split("\r")[:-1]
    events = heard(said, size)
    assert len(events) == len(lines)
    assert isinstance(events[0], core.Greeted)
    for line, event in zip(lines[1:], events[1:], strict=True):
        match event:
            case core.Denied():
                assert line == "PJLINK ERRA"
            case core.Reply(pjclass, body, value):
                assert line == f"%{pjclass}{body}={value}"
            case _:
                pytest.fail(f"{line} was taken for {event}")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_core_asks_as_the_recorded_conversation_did(path: Path) -> None:
    recorded = load(path)
    ours = core.PjlinkCore(recorded.about["given"])
    for piece in recorded.pieces:
        if piece.way is Way.FROM_DEVICE:
            ours.receive(piece.data)
        else:
            match = re.search("%([12])(.{4}) (.*)\r", piece.data.decode())
            assert match
            pjclass, body, parameter = match.groups()
            assert ours.request(int(pjclass), body, parameter) == piece.data


def test_recorded_state_queries_are_read_into_metrics() -> None:
    replies = heard(load(TRANSCRIPTS[0].with_name("class-2.txt")).heard, 7)
    values: dict[str, object] = {}
    for question in (*core.STATE, *core.IDENTITY):
        for reply in replies:
            if isinstance(reply, core.Reply) and (reply.body, reply.trouble) == (question.body, None):
                values |= question.read(reply.value) if reply.value != "OK" else {}
    assert values["lamp-hours"] == 1200
    assert values["manufacturer"] == "EPSON"
    assert values["filter-hours"] == 300
    assert values["fan-state"] == "ok"


def test_password_is_proven_once_and_on_the_first_request() -> None:
    """Salt, password and digest are the example of the standard, section 5.1."""
    ours = core.PjlinkCore("JBMIAProjectorLink")
    assert ours.receive(b"PJLINK 1 498e4a67\r") == [core.Greeted(wants_password=True)]
    assert ours.request(1, "POWR") == b"5d8409bc1c3fa39749434aa3a5c38682%1POWR ?\r"
    assert ours.request(1, "POWR") == b"%1POWR ?\r"


def test_nothing_is_asked_before_the_greeting_or_after_a_denial() -> None:
    ours = core.PjlinkCore()
    with pytest.raises(ValueError, match="greeting"):
        ours.request(1, "POWR")
    assert ours.receive(b"PJLINK 1 498e4a67\rPJLINK ERRA\r")[1] == core.Denied()
    with pytest.raises(ValueError, match="denied"):
        ours.request(1, "POWR")


@pytest.mark.parametrize("parameter", ["x" * 129, "31\r%1POWR 1", "a\nb", "\0"])
def test_parameter_cannot_smuggle_a_second_command(parameter: str) -> None:
    with pytest.raises(ValueError, match="no parameter"):
        ready().request(1, "INPT", parameter)


@pytest.mark.parametrize("trouble", list(core.Trouble))
def test_the_four_errors_are_told_from_values(trouble: core.Trouble) -> None:
    (event,) = ready().receive(f"%1INPT={trouble}\r".encode())
    assert isinstance(event, core.Reply)
    assert event.trouble is trouble


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_endless_line_is_noise_once_and_held_to_its_bound(size: int) -> None:
    ours = ready()
    data = b"%1NAME=" + b"x" * 1_000_000 + b"\r%1POWR=1\r"
    events = []
    for at in range(0, len(data), size):
        events += ours.receive(data[at : at + size])
        assert len(ours._pending) <= core.MAX_LINE
    assert [type(event) for event in events] == [core.Noise, core.Reply]


@pytest.mark.parametrize("line", ["PJLINK", "PJLINK 2", "PJLINK 1 xyz", "%1POWR=1", "HTTP/1.1 400 Bad Request", ""])
def test_anything_but_a_greeting_first_is_noise(line: str) -> None:
    (event,) = core.PjlinkCore().receive(f"{line}\r".encode())
    assert isinstance(event, core.Noise)


def test_line_feeds_that_some_projectors_add_are_passed_over() -> None:
    events = heard(b"PJLINK 0\r\n%1POWR=0\r\n%1powr=1\r\n", 3)
    assert events[1:] == [core.Reply(1, "POWR", "0"), core.Reply(1, "POWR", "1")]


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (core.power, "3", core.Power.WARMING),
        (core.mute, "31", core.Mute(picture=True, sound=True)),
        (core.mute, "21", core.Mute(picture=False, sound=True)),
        (core.lamps, "0 0", (core.Lamp(0, lit=False),)),
        (core.lamps, "3870 1 12 0", (core.Lamp(3870, lit=True), core.Lamp(12, lit=False))),
        (core.sources, "11 31 3A 62", ("11", "31", "3A", "62")),
        (core.resolution, "1920x1080", "1920x1080"),
        (core.resolution, "-", ""),
        (core.hours, "99999", 99999),
        (core.words, "Phòng 206\x00\x07", "Phòng 206"),
        (core.mac, "02:00:00:00:02:AF", "02:00:00:00:02:af"),
    ],
)
def test_values_are_read(read: object, value: str, wanted: object) -> None:
    assert callable(read)
    assert read(value) == wanted


@pytest.mark.parametrize(
    ("read", "value"),
    [
        *((core.power, value) for value in ("", "4", "01", "on")),
        *((core.mute, value) for value in ("", "41", "3")),
        *((core.lamps, value) for value in ("", "12", "12 2", "123456 1", "-1 0", "1 1 " * 9, "١٢ 1")),
        *((core.errors, value) for value in ("", "00000", "0000003", "00000x")),
        *((core.source, value) for value in ("", "3", "71", "30", "311")),
        *((core.hours, value) for value in ("", "1.5", "-1", "123456", "²")),
        *((core.resolution, value) for value in ("", "x", "1920")),
        *((core.mac, value) for value in ("", "02:00", "zz:00:00:00:02:06")),
    ],
)
def test_values_out_of_the_standard_are_bad_replies(read: object, value: str) -> None:
    assert callable(read)
    with pytest.raises(BadReply, match="is not"):
        read(value)


def test_second_lamp_has_metrics_of_its_own() -> None:
    question = next(each for each in core.STATE if each.body == "LAMP")
    values = question.read("10 1 20 0")
    assert values == {"lamp-hours": 10, "lamp-lit": True, "lamp-2-hours": 20, "lamp-2-lit": False}


@pytest.mark.parametrize(
    ("datagram", "wanted"),
    [
        (b"%2ACKN=02:00:00:00:02:06\r", core.Notice("ACKN", "02:00:00:00:02:06")),
        (b"%2LKUP=02:00:00:00:02:06\r", core.Notice("LKUP", "02:00:00:00:02:06")),
        (b"%2POWR=3\r", core.Notice("POWR", "3")),
        (b"%2ERST=020000\r", core.Notice("ERST", "020000")),
        (b"%2INPT=31\r", core.Notice("INPT", "31")),
        (b"%1POWR=3\r", None),
        (b"%2POWR=9\r", None),
        (b"%2NAME=x\r", None),
        (b"\xff" * 2000, None),
        (b"", None),
    ],
)
def test_notices_are_told_from_other_datagrams(datagram: bytes, wanted: core.Notice | None) -> None:
    assert core.notice(datagram) == wanted


@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_break_the_core_or_make_it_keep_more_than_a_line(pieces: list[bytes]) -> None:
    ours = core.PjlinkCore("secret")
    whole = core.PjlinkCore("secret")
    events = [event for piece in pieces for event in ours.receive(piece)]
    assert events == whole.receive(b"".join(pieces))
    assert len(ours._pending) <= core.MAX_LINE


@given(
    st.sampled_from([each.body for each in (*core.STATE, *core.IDENTITY)]),
    st.text(st.characters(exclude_characters="\r\n"), max_size=60) | st.from_regex(r"[0-9 ]{0,20}", fullmatch=True),
)
def test_any_value_is_either_read_or_a_bad_reply(body: str, value: str) -> None:
    question = next(each for each in (*core.STATE, *core.IDENTITY) if each.body == body)
    try:
        values = question.read(value)
    except BadReply:
        return
    assert set(question.metrics) <= set(values)


@given(st.binary(max_size=80))
def test_any_datagram_is_a_notice_or_nothing(datagram: bytes) -> None:
    told = core.notice(datagram)
    assert told is None or told.body in ("ACKN", "LKUP", "ERST", "POWR", "INPT")
