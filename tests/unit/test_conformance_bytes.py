"""Bridges and bytes: whatever a device says, a bridge raises nothing but BridgeError, and lets go of its threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.model import Kind, Value
from controller.demo.farends.printer_model import Printer
from controller.demo.farends.printer_model import Settings as PrinterSettings
from controller.demo.farends.projector_model import Projector
from controller.demo.farends.projector_model import Settings as ProjectorSettings
from device_profiles.profile import DeviceProfile, load
from firmware_bridges import BRIDGES
from firmware_bridges.base import Bridge, BridgeError, LinkLost
from firmware_bridges.firmata import FirmataBridge
from firmware_bridges.grbl import GrblBridge
from firmware_bridges.marlin import MarlinBridge
from firmware_bridges.pjlink import PjlinkBridge
from firmware_bridges.record import Way
from hil.farends.equipment import KINDS
from hil.farends.grbl_model import Machine
from tests.fakes import FakeLink
from tests.replay import pieces

Answer = Callable[[bytes, float], bytes]
SAMPLES: Mapping[Kind, Value] = {Kind.BOOL: True, Kind.INT: 1, Kind.FLOAT: 40.0, Kind.TEXT: "31"}
START_SYSEX, END_SYSEX = b"\xf0", b"\xf7"
PIN_STATE_QUERY, PIN_STATE_RESPONSE = 0x6D, b"\x6e"


def printer() -> Answer:
    model = Printer(PrinterSettings(speed=1000.0), 0.0)
    return lambda data, now: model.receive(data, now) if data else model.tick(now)


def cutter() -> Answer:
    return Machine(0.0).receive


def projector() -> Answer:
    model = Projector(ProjectorSettings(warm_up_s=0.1, cool_down_s=0.1), 0.0)
    return lambda data, now: b"".join(
        f"{model.answer(line, now)}\r".encode() for line in data.decode().split("\r")[:-1]
    )


def board() -> Answer:
    """What an Uno was recorded to say of itself; its pins are what they were told last."""
    told: dict[bytes, bytes] = {}
    request = b""
    for piece in pieces("firmata/uno"):
        if piece.way is Way.TO_DEVICE:
            request = piece.data
        elif piece.way is Way.FROM_DEVICE:
            told[request] = told.get(request, b"") + piece.data
    known = {asked: said for asked, said in told.items() if asked.startswith(START_SYSEX) and len(asked) == 3}

    def answer(data: bytes, _now: float) -> bytes:
        said = b""
        for part in data.split(END_SYSEX):
            message = part[part.rfind(START_SYSEX) :] + END_SYSEX if START_SYSEX in part else b""
            if len(message) == 4 and message[1] == PIN_STATE_QUERY:
                said += START_SYSEX + PIN_STATE_RESPONSE + message[2:3] + b"\x01\x00" + END_SYSEX
            said += known.get(message, b"")
        return said

    return answer


def equipment(kind: str) -> Callable[[], Answer]:
    """A display, a projector or a plug of hil.farends, on one connection."""

    def made() -> Answer:
        model = KINDS[kind]()
        return lambda data, _now: model.receive(0, data) if data else b""

    return made


@dataclass(frozen=True, slots=True)
class Device:
    """A model, how it answers, and its bridge with a link in the place of the way to it, and the link's time."""

    slug: str
    answer: Callable[[], Answer]
    options: Mapping[str, Any]
    greeting: bytes
    make: Callable[[FakeLink, Mapping[str, Any]], Bridge]


def marlin(link: FakeLink, options: Mapping[str, Any]) -> Bridge:
    return MarlinBridge("/dev/ttyUSB0", options, opener=lambda _: link.open(), now_ms=lambda: round(link.now_s * 1000))


def grbl(link: FakeLink, options: Mapping[str, Any]) -> Bridge:
    return GrblBridge("/dev/ttyUSB0", options, opener=lambda _: link.open(), now_ms=lambda: round(link.now_s * 1000))


def pjlink(link: FakeLink, options: Mapping[str, Any]) -> Bridge:
    def pause(wait_s: float) -> None:
        link.now_s += wait_s

    return PjlinkBridge("tcp://192.0.2.1", options, clock=lambda: link.now_s, pause=pause)


def firmata(link: FakeLink, options: Mapping[str, Any]) -> Bridge:
    return FirmataBridge("/dev/ttyACM0", options, clock=lambda: link.now_s)


def patient(name: str, endpoint: str) -> Callable[[FakeLink, Mapping[str, Any]], Bridge]:
    """A bridge of that name whose time is the link's."""

    def make(link: FakeLink, options: Mapping[str, Any]) -> Bridge:
        module, _, kind = BRIDGES[name].partition(":")
        pausing = {} if name == "smart_plug" else {"pause": lambda wait_s: setattr(link, "now_s", link.now_s + wait_s)}
        bridge: Bridge = getattr(import_module(module), kind)(endpoint, options, clock=lambda: link.now_s, **pausing)
        return bridge

    return make


DEVICES = {
    "marlin": Device(
        "creality/ender-3", printer, {"report_s": 1, "ok_s": 0.5, "silence_s": 5.0, "open_s": 10.0}, b"", marlin
    ),
    "grbl": Device("grbl/laser", cutter, {"silence_s": 3.0, "open_s": 6.0}, b"", grbl),
    "pjlink": Device("pjlink/projector", projector, {"reply_s": 1.0, "confirm_s": 1.0}, b"PJLINK 0\r", pjlink),
    "line_protocol": Device(
        "epson/escvp21",
        equipment("epson"),
        {"reply_s": 1.0, "confirm_s": 1.0},
        b"",
        patient("line_protocol", "tcp://192.0.2.1:1"),
    ),
    "samsung_mdc": Device(
        "samsung/qb",
        equipment("samsung"),
        {"reply_s": 1.0, "confirm_s": 1.0},
        b"",
        patient("samsung_mdc", "tcp://192.0.2.1"),
    ),
    "smart_plug": Device(
        "shelly/plus-plug-s", equipment("shelly"), {"reply_s": 1.0}, b"", patient("smart_plug", "http://192.0.2.1")
    ),
    "firmata": Device("arduino/uno", board, {"reply_s": 1.0, "boot_s": 2.0}, b"", firmata),
}
SPOILED = st.dictionaries(
    st.integers(0, 60),
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [
                b"",
                b"\r",
                b"\n",
                b"ok\n",
                b"Resend: 999\n",
                b"ALARM:1\r\n",
                b"%1POWR=\xff\r",
                b"\xf0" * 600,
                b"x" * 70_000,
                b"ERR\r:",
                b"PWR=99\r:",
                b"\xaa\xff\x01\x03A\x00\x09\x4d",
            ]
        ),
        st.builds(
            lambda code, rest: code + rest + b"\xf7",
            st.sampled_from([b"\xf0\x6c", b"\xf0\x6e", b"\xf0\x79"]),
            st.binary(),
        ),
    ),
    max_size=5,
)
"""The number of an answer -> what comes in its place."""


def healthy(name: str, spoil: Callable[[int, bytes], bytes] = lambda _, said: said) -> FakeLink:
    return FakeLink(DEVICES[name].answer(), spoil, DEVICES[name].greeting)


@contextmanager
def met(name: str, link: FakeLink) -> Iterator[tuple[Bridge, DeviceProfile]]:
    """The bridge of that name at the end of `link`; closed at the end."""
    device = DEVICES[name]
    profile = load(device.slug)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("pjlink", "firmata", "dialogue"):
            patch.setattr(f"firmware_bridges.{module}.open_link", lambda *_, **__: link.open())
        bridge = device.make(link, {**profile.options, **device.options})
        yield bridge, profile
        bridge.close()


def work(bridge: Bridge, profile: DeviceProfile) -> list[Mapping[str, Value | None]]:
    """Everything that a worker may ask of a bridge; the values of each poll. BridgeError is an answer as well."""
    told: list[Mapping[str, Value | None]] = []
    orders = [
        partial(bridge.execute, action.name, {name: SAMPLES[kind] for name, kind in action.args.items()})
        for action in profile.actions.values()
    ]
    steps: tuple[Callable[[], object], ...] = (bridge.open, *orders, bridge.open)
    for step in steps:
        for attempt in (step, lambda: told.append(bridge.poll())):
            try:
                attempt()
            except BridgeError:
                continue
    return told


@pytest.mark.parametrize("name", DEVICES)
def test_device_that_answers_well_is_read_through_all_of_it(name: str) -> None:
    link = healthy(name)
    with met(name, link) as (bridge, profile):
        told = work(bridge, profile)
    assert len(told) == len(profile.actions) + 2
    assert all(profile.metric(metric) for values in told for metric in values)
    assert link.closed


@pytest.mark.parametrize("name", DEVICES)
def test_device_that_is_there_is_not_asked_before_open_and_after_close(name: str) -> None:
    link = healthy(name)
    with met(name, link) as (bridge, profile):
        action = next(iter(profile.actions.values()))
        args = {name: SAMPLES[kind] for name, kind in action.args.items()}
        for asked in (bridge.poll, partial(bridge.execute, action.name, args)):
            with pytest.raises(LinkLost):
                asked()
        bridge.open()
        assert bridge.poll()
        bridge.close()
        bridge.close()
        with pytest.raises(LinkLost):
            bridge.poll()
        assert link.closed


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=60)
@given(spoiled=SPOILED)
def test_spoiled_answers_bring_nothing_out_of_a_bridge_but_bridge_errors(name: str, spoiled: dict[int, bytes]) -> None:
    link = healthy(name, spoiled.get)
    before = threading.active_count()
    with met(name, link) as (bridge, profile):
        for values in work(bridge, profile):
            wrong = {metric: value for metric, value in values.items() if not fits(profile, metric, value)}
            assert wrong == {}
    assert threading.active_count() == before


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=40)
@given(said=st.lists(st.binary(min_size=1, max_size=100), max_size=20))
def test_noise_alone_brings_nothing_out_of_a_bridge_but_bridge_errors(name: str, said: list[bytes]) -> None:
    noise = iter(said)
    with met(name, FakeLink(lambda _data, _now: next(noise, b""))) as (bridge, profile):
        work(bridge, profile)


def fits(profile: DeviceProfile, metric: str, value: Value | None) -> bool:
    declared = profile.metric(metric)
    return declared is not None and declared.kind.holds(value)
