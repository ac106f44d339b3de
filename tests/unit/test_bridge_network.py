"""The network as this computer sees it, with far ends on the loopback and recorded Wi-Fi."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.dns import NO_ANSWER, lookup, resolvers
from firmware_bridges.gateway import Gateway, default_gateway
from firmware_bridges.network import NetworkBridge, far_ends
from firmware_bridges.nl80211_core import WirelessLink
from firmware_bridges.ping import Pinger, tcp_ms
from firmware_bridges.wireless import wireless_links
from hil.farends.resolver import Resolver
from hil.polling import assert_nothing_left_behind, resources_at_rest

LINK = WirelessLink(3, "wlan1", "Lab", "02:00:00:00:00:00", 2437, -61, 130.0, 11.0, 7, 2, 1)
ROUTE = """\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
wlan0 00000000 0101A8C0 0003 0 0 600 00000000 0 0 0
eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0
tun0 00000000 0100000A 0002 0 0 1 00000000 0 0 0
broken line
"""
IPV6_ROUTE = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000001 00000400 00000003 00000000 00450003 eth0\n"
)


def opened(options: Mapping[str, Any], **more: Any) -> NetworkBridge:
    bridge = NetworkBridge("", {"timeout_s": 0.3, "resolvers": ["127.0.0.1"], "dns_port": 1, **options}, **more)
    bridge.open()
    return bridge


def no_wireless() -> tuple[WirelessLink, ...]:
    return ()


@contextmanager
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_network_probes_the_controller_and_the_resolver() -> None:
    with listener() as port, Resolver() as resolver:
        bridge = opened(
            {"controller_host": "127.0.0.1", "controller_port": port, "dns_port": resolver.port}, wireless=no_wireless
        )
        values = bridge.poll()
    assert values["controller-loss"] == 0.0
    assert 0 < float(values["controller-latency"] or 0) < 300
    assert values["dns"] == "ok"
    assert 0 < float(values["dns-time"] or 0) < 300
    assert values["wifi"] == "none"


def test_network_without_a_controller_does_not_probe_one() -> None:
    assert not [name for name in opened({}, wireless=no_wireless).poll() if name.startswith("controller")]


def test_network_says_that_nobody_answers() -> None:
    with Resolver(silent=True) as resolver:
        bridge = opened({"dns_port": resolver.port, "controller_host": "x" * 64}, wireless=no_wireless)
        values = bridge.poll()
    assert (values["dns"], values["dns-time"]) == (NO_ANSWER, None)
    assert (values["controller-loss"], values["controller-latency"]) == (100.0, None)


def test_network_reads_on_when_what_was_silent_answers_again_and_holds_nothing() -> None:
    with Resolver() as resolver, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        told = {"dns_port": resolver.port, "controller_host": "127.0.0.1", "controller_port": port, "timeout_s": 0.2}
        bridge = opened(told, wireless=no_wireless)
        bridge.poll()
        baseline = resources_at_rest()
        for _ in range(3):
            assert bridge.poll()["dns"] == "ok"
            resolver.silent = True
            values = bridge.poll()
            assert (values["dns"], values["controller-loss"]) == (NO_ANSWER, 0.0)
            resolver.silent = False
        assert bridge.poll()["dns"] == "ok"
        bridge.close()
        assert_nothing_left_behind(baseline)


def test_network_reads_a_connected_wireless_link() -> None:
    values = opened({}, wireless=lambda: (WirelessLink(2, "wlan0"), LINK)).poll()
    assert {name: value for name, value in values.items() if name.startswith("wifi")} == {
        "wifi": "connected",
        "wifi-signal": -61,
        "wifi-rate-in": 130.0,
        "wifi-rate-out": 11.0,
        "wifi-channel": 6,
        "wifi-network": "Lab",
        "wifi-bssid": "02:00:00:00:00:00",
        "wifi-retries": 7,
        "wifi-failed": 2,
        "wifi-beacon-loss": 1,
    }


def test_network_reads_a_wireless_link_that_is_not_connected() -> None:
    values = opened({}, wireless=lambda: (WirelessLink(2, "wlan0"),)).poll()
    assert values["wifi"] == "not-connected"
    assert values["wifi-signal"] is None


@pytest.mark.parametrize("error", [BadReply("nl80211: nonsense"), LinkLost("nl80211: no socket")])
def test_network_reads_the_rest_when_the_radio_fails(error: Exception) -> None:
    answers: list[Any] = [(LINK,), error]

    def wireless() -> tuple[WirelessLink, ...]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    bridge = opened({}, wireless=wireless)
    assert bridge.poll()["wifi-signal"] == -61
    values = bridge.poll()
    assert (values["wifi"], values["wifi-signal"]) == (None, None), "asked, and unknown"
    assert values["dns"] == NO_ANSWER


def test_network_measures_traffic_between_two_polls() -> None:
    clock = iter((10.0, 12.0))
    bridge = opened({"links": ["lo"]}, wireless=no_wireless, monotonic=lambda: next(clock))
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
    first = bridge.poll()
    assert first["link-lo-up"] is True
    assert "127.0.0.1" in str(first["link-lo-addresses"])
    assert "link-lo-in" not in first, "there is nothing to compare with yet"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        for _ in range(100):
            wire.sendto(bytes(10_000), ("127.0.0.1", 9))
    rate = float(bridge.poll()["link-lo-out"] or 0)
    most = (psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before) * 8 / 1e6 / 2
    assert 100 * 10_000 * 8 / 1e6 / 2 <= rate <= most


def test_network_has_no_actions_and_closes_twice() -> None:
    bridge = opened({}, wireless=no_wireless)
    with pytest.raises(Refused):
        bridge.execute("restart", {})
    bridge.close()
    bridge.close()


@pytest.mark.parametrize(
    "options",
    [
        {"controller_port": 0},
        {"controller_port": "443"},
        {"controller_port": True},
        {"gateway_port": 70_000},
        {"resolvers": "192.0.2.1"},
        {"timeout_s": 0},
        {"timeout_s": 60},
        {"controller_host": 5},
    ],
)
def test_network_refuses_options_it_cannot_use(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the bare kind is the contract
        NetworkBridge("", options)


def test_network_takes_whole_numbers_for_seconds() -> None:
    assert far_ends({"timeout_s": 2}).timeout_s == 2


def test_lookup_passes_over_answers_to_other_questions() -> None:
    for noise in (b"nonsense", bytes.fromhex("0000818000010000000000000000020001")):
        with Resolver(code=3, noise=noise) as resolver:
            found = lookup("127.0.0.1", ".", timeout_s=3, port=resolver.port)
        assert found.code == "no-such-name"
        assert found.took_ms is not None


def test_lookup_of_a_port_where_nobody_listens_is_no_answer() -> None:
    assert lookup("127.0.0.1", "time.lab", timeout_s=0.3, port=1).code == NO_ANSWER


def test_resolvers_are_those_of_the_system_in_its_order(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("# comment\nsearch lab\nnameserver 192.0.2.53\nnameserver fd00::53\nnameserver\n")
    assert resolvers(conf) == ("192.0.2.53", "fd00::53")
    assert resolvers(tmp_path / "none") == ()


def test_tcp_counts_a_refused_connection_as_an_answer() -> None:
    with listener() as port:
        assert tcp_ms((socket.AF_INET, ("127.0.0.1", port)), 3.0) is not None
    assert tcp_ms((socket.AF_INET, ("127.0.0.1", port)), 3.0) is not None


def test_pinger_keeps_the_way_that_answered() -> None:
    pinger = Pinger("127.0.0.1", 9)
    pinger.probe()
    assert pinger.answered
    pinger.probe()
    assert pinger.window.loss_percent == 0.0


def test_gateway_is_the_route_with_the_lowest_metric(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "ipv6_route").write_text(IPV6_ROUTE)
    assert default_gateway(tmp_path) == Gateway("192.0.2.1", "eth0")


def test_gateway_is_the_ipv6_one_where_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "ipv6_route").write_text("broken\n" + IPV6_ROUTE)
    assert default_gateway(tmp_path) == Gateway("fe80::1%eth0", "eth0")


def test_gateway_is_none_without_a_route(tmp_path: Path) -> None:
    assert default_gateway(tmp_path) is None


def test_wireless_links_are_none_without_a_radio(tmp_path: Path) -> None:
    assert wireless_links(radios=tmp_path) == ()
    assert wireless_links(radios=tmp_path / "none") == ()


def test_wireless_links_asks_the_kernel_itself(tmp_path: Path) -> None:
    (tmp_path / "phy0").mkdir()
    assert all(link.name for link in wireless_links(timeout_s=3, radios=tmp_path))
