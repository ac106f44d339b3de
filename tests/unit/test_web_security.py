"""Names we may be asked under, and where a form may lead."""

import pytest

from controller.web.security import POLICY, own_hosts
from controller.web.signin import local


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "192.168.1.5", "[::1]:8080", "[fe80::1]", "Fabfleet.LAN."]
)
def test_hosts_allow_addresses_and_known_names(host: str) -> None:
    assert own_hosts(["fabfleet.lan"]).allow(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_hosts_refuse_names_of_others(host: str) -> None:
    assert not own_hosts(["fabfleet.lan"]).allow(host)


@pytest.mark.parametrize("target", ["/fleet", "/devices/3?tab=day", "/"])
def test_local_keeps_paths_of_ours(target: str) -> None:
    assert local(target) == target


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil", "fleet", "/a\r\nb", "javascript:x"],
)
def test_local_drops_what_leads_elsewhere(target: str) -> None:
    assert local(target) == ""


def test_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")
