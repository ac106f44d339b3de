"""Conformance of every bridge: what its worker relies on before there is a device, and when there is none."""

import math
import os
import socket
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.profile_check import SOMEWHERE
from device_profiles.profile import load, slugs
from firmware_bridges import BRIDGES, bridge_for
from firmware_bridges.base import Bridge, LinkLost, Refused

PATIENCE_S = 0.4
"""How long a bridge is told to wait for a device that says nothing."""
CONNECT_S = 5.0
"""How long links.open_link takes at most, where a bridge says no more."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "firmata": {
        "baud": 57_600,
        "boot_s": 8.0,
        "reply_s": 2.0,
        "aref": 5.0,
        "sampling_ms": 19,
        "inputs": {},
        "outputs": {},
    },
    "grbl": {
        "answer_s": 10.0,
        "baud": 115_200,
        "brake_s": 2.0,
        "confirm_s": 20.0,
        "home_s": 120.0,
        "jog_mm": 50.0,
        "limits": load("grbl/laser").options["limits"],
        "open_s": 8.0,
        "silence_s": 5.0,
    },
    "host": {"services": ["ssh"]},
    "line_protocol": {
        "actions": {"power-on": {"send": "AA0101"}},
        "baud": 9600,
        "blank": False,
        "confirm_s": 1.0,
        "connect_s": 1.0,
        "end": "\r",
        "frame": {"start": "AA", "length": 5},
        "metrics": {},
        "refused": {"ERR": "no"},
        "reply_s": 1.0,
        "rest_s": 0.0,
        "send_end": "\r",
        "strip": " ",
    },
    "marlin": {
        "baud": 115_200,
        "cancel": ["M104 S0"],
        "confirm_s": 30.0,
        "limits": load("creality/ender-3").options["limits"],
        "ok_s": 8.0,
        "open_s": 12.0,
        "report_s": 2,
        "silence_s": 15.0,
    },
    "micropython": {"baud": 115_200, "reply_s": 1.0, "self_test": "print('clock ok')", "test_s": 1.0},
    "moonraker": {
        "ca_file": "/etc/ssl/school.pem",
        "confirm_s": 30.0,
        "connect_s": 1.0,
        "key": "k",
        "limits": load("klipper/printer").options["limits"],
        "reply_s": 1.0,
        "upload_s": 60.0,
    },
    "mqtt_device": {
        "ca_file": "/etc/ssl/school.pem",
        "confirm_s": 1.0,
        "connect_s": 1.0,
        "discover_s": 1.0,
        "names": {"sensor/co2": "co2"},
        "password": "p",
        "prefix": "homeassistant",
        "user": "u",
    },
    "network": {
        "controller_host": "example.net",
        "controller_port": 443,
        "dns_name": ".",
        "dns_port": 53,
        "gateway_port": 53,
        "links": ["eth0"],
        "resolvers": ["192.0.2.1"],
        "timeout_s": 1.0,
    },
    "octoprint": {
        "ca_file": "/etc/ssl/school.pem",
        "confirm_s": 30.0,
        "connect_s": 1.0,
        "key": "k",
        "limits": load("octoprint/printer").options["limits"],
        "reply_s": 1.0,
        "upload_s": 60.0,
    },
    "pjlink": {
        "password": "p",
        "inputs": {"31": "HDMI"},
        "confirm_s": 1.0,
        "connect_s": 1.0,
        "idle_s": 1.0,
        "reply_s": 1.0,
    },
    "prusalink": {
        "ca_file": "/etc/ssl/school.pem",
        "confirm_s": 30.0,
        "connect_s": 1.0,
        "key": "k",
        "limits": load("prusa/mk4").options["limits"],
        "password": "p",
        "reply_s": 1.0,
        "storage": "usb",
        "upload_s": 60.0,
        "user": "maker",
    },
    "samsung_mdc": {
        "baud": 9600,
        "confirm_s": 1.0,
        "connect_s": 1.0,
        "display": 1,
        "inputs": {"21": "HDMI"},
        "reply_s": 1.0,
    },
    "snmp": {
        "version": "2c",
        "community": "public",
        "user": "fabfleet",
        "auth": "sha256",
        "auth_password": "twelve letters",
        "privacy": "aes",
        "privacy_password": "twelve letters",
        "mibs": ["system"],
        "single": {"model": {"oid": "1.3.6.1.2.1.1.1.0", "how": "text"}},
        "table": {"radio": {"label": "1.3.6.1.4.1.1", "columns": {"busy": {"oid": "1.3.6.1.4.1.2"}}}},
        "timeout_s": 1.0,
        "trap_port": 10_162,
    },
    "simulated": {"busy": "", "effects": {}, "fault_every": 0, "fault_polls": 3, "simulate": {}},
    "smart_plug": {
        "channel": 0,
        "connect_s": 1.0,
        "energised_off_w": 0.5,
        "energised_w": 1.0,
        "hold_s": 0.0,
        "maker": "shelly",
        "password": "p",
        "reply_s": 1.0,
        "user": "admin",
        "working_off_w": 15.0,
        "working_w": 20.0,
    },
}
"""Every option that a bridge knows, with a value that it takes."""
ONE_METRIC: Mapping[str, Any] = {"metrics": {"name": {"ask": "NAME?", "reply": "NAME=(.*)", "once": True}}}
EVERY_OPTION = [(name, option) for name, known in OPTIONS.items() for option in known]
WRONG = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.sampled_from(["a0", "analog", "switch", "31"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("kind"), inner, max_size=3)
    ),
    max_leaves=6,
)


def quick(name: str) -> dict[str, float]:
    """Options that make a bridge wait no longer than PATIENCE_S."""
    return {
        "firmata": {"boot_s": PATIENCE_S},
        "grbl": {"open_s": PATIENCE_S},
        "marlin": {"open_s": PATIENCE_S},
        "micropython": {"reply_s": PATIENCE_S},
        "snmp": {"timeout_s": PATIENCE_S},
    }.get(name, {"reply_s": PATIENCE_S, "connect_s": PATIENCE_S})


@contextmanager
def nobody(_folder: Path) -> Iterator[str]:
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"tcp://127.0.0.1:{port}"


@contextmanager
def mute(_folder: Path) -> Iterator[str]:
    """A peer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def full(_folder: Path) -> Iterator[str]:
    """A peer that leaves connections unanswered, as a computer that is switched off does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def unplugged(folder: Path) -> Iterator[str]:
    yield str(folder / "ttyUSB0")


@contextmanager
def silent(_folder: Path) -> Iterator[str]:
    """A serial port with nothing behind it."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@contextmanager
def nobody_by_datagram(_folder: Path) -> Iterator[str]:
    """A port that refuses datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    yield f"udp://127.0.0.1:{port}"


@contextmanager
def mute_by_datagram(_folder: Path) -> Iterator[str]:
    """A peer that takes datagrams and never says a word."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield f"udp://127.0.0.1:{server.getsockname()[1]}"


BY_WEB = ("moonraker", "octoprint", "prusalink")
"""Bridges whose endpoint is that of a web server."""
DEAD = {"network": (nobody, mute, full), "port": (unplugged, silent)}
DEAD_ENDS = [
    *((name, end) for name in (*BY_WEB, "pjlink", "smart_plug") for end in DEAD["network"]),
    *(("snmp", end) for end in (nobody_by_datagram, mute_by_datagram)),
    *(
        (name, end)
        for name in ("firmata", "grbl", "line_protocol", "marlin", "micropython", "samsung_mdc")
        for end in (*DEAD["network"], *DEAD["port"])
    ),
]


@pytest.fixture(params=BRIDGES)
def bridge(request: pytest.FixtureRequest) -> Bridge:
    """Each bridge in turn, not opened, told as a profile tells it."""
    profile = next(load(slug) for slug in slugs() if load(slug).bridge == request.param)
    return bridge_for(request.param, SOMEWHERE[request.param], profile.options)


def test_bridge_has_nothing_to_tell_before_it_is_open(bridge: Bridge) -> None:
    with pytest.raises(LinkLost):
        bridge.poll()


def test_bridge_may_be_closed_at_any_time_and_twice(bridge: Bridge) -> None:
    for _ in range(2):
        bridge.close()
        bridge.close()
        with pytest.raises(LinkLost):
            bridge.poll()


@pytest.mark.parametrize("name", ["host", "network", "simulated"])
def test_bridge_without_a_link_refuses_an_action_that_it_does_not_know(name: str) -> None:
    made = bridge_for(name, SOMEWHERE[name], {})
    made.open()
    with pytest.raises(Refused):
        made.execute("fly", {})
    made.close()


@pytest.mark.parametrize(("name", "dead_end"), DEAD_ENDS, ids=lambda each: getattr(each, "__name__", each))
def test_dead_endpoint_is_a_lost_link_in_time(name: str, dead_end: Callable[[Path], Any], tmp_path: Path) -> None:
    with dead_end(tmp_path) as endpoint:
        spoken: Mapping[str, Any] = ONE_METRIC if name == "line_protocol" else {}
        by_web = name in (*BY_WEB, "smart_plug")
        made = bridge_for(name, endpoint.replace("tcp:", "http:") if by_web else endpoint, {**quick(name), **spoken})
        began_s = time.monotonic()
        with pytest.raises(LinkLost):
            made.open()
        assert time.monotonic() - began_s < CONNECT_S + PATIENCE_S + 5.0, "the last is for a busy computer"
        with pytest.raises(LinkLost):
            made.poll()
        made.close()


@pytest.mark.parametrize("name", BRIDGES)
def test_bridge_takes_every_option_that_it_knows_and_refuses_another_by_name(name: str) -> None:
    bridge_for(name, SOMEWHERE[name], OPTIONS[name])
    with pytest.raises(ValueError, match="colour"):
        bridge_for(name, SOMEWHERE[name], {**OPTIONS[name], "colour": "red"})


@pytest.mark.parametrize(("name", "option"), EVERY_OPTION)
def test_bridge_names_the_option_that_is_wrong(name: str, option: str) -> None:
    wrong: Any = [] if isinstance(OPTIONS[name][option], str | dict) else "x"
    for value in (wrong, None, -1, math.nan):
        with pytest.raises(ValueError, match=rf"^{option}: "):
            bridge_for(name, SOMEWHERE[name], {**OPTIONS[name], option: value})


@pytest.mark.parametrize(("name", "option"), EVERY_OPTION)
@given(value=WRONG)
def test_bridge_takes_an_option_or_says_which_it_cannot_use(name: str, option: str, value: Any) -> None:
    why = option
    try:
        bridge_for(name, SOMEWHERE[name], {option: value})
    except ValueError as error:
        why = str(error)
    assert any(key in why for key in (option, *(value if isinstance(value, dict) else ())))


@pytest.mark.parametrize("name", sorted(set(BRIDGES) - {"host", "network"}))
@pytest.mark.parametrize("endpoint", ["", "somewhere", "ftp://192.0.2.1", "tcp://", "tcp://192.0.2.1:x"])
def test_endpoint_that_leads_nowhere_is_refused_before_anything_is_opened(name: str, endpoint: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        bridge_for(name, endpoint, {})
