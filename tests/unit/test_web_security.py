"""Names we may be asked under, and where a form may lead."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.config import NoticesConfig
from controller.main import create_app
from controller.web.security import POLICY, holds_nul, own_hosts
from controller.web.signin import local
from tests.databases import fresh
from tests.inside import Inside
from tests.integration.running import settings


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "192.168.1.5", "[::1]:8080", "[fe80::1]", "Fabfleet.LAN."]
)
def test_hosts_allow_addresses_and_known_names(host: str) -> None:
    assert own_hosts(["fabfleet.lan"]).allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "127.0.0.1]",
        "[127.0.0.1",
        "localhost:x",
        "[::1]:",
        "localhost@evil.example",
        "localhost/x",
    ],
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


@pytest.mark.parametrize(
    ("public_url", "asked", "forwarded", "secure"),
    [
        ("", "localhost", "", False),
        ("https://fab.example.vn/", "fab.example.vn", "", True),
        ("https://fab.example.vn/", "FAB.example.vn:443", "", True),
        ("https://fab.example.vn/", "localhost", "", False),
        ("http://fab.example.vn/", "fab.example.vn", "", False),
        ("", "localhost", "https", True),
    ],
)
def test_cookies_and_headers_keep_whoever_came_by_https_there(
    tmp_path: Path, public_url: str, asked: str, forwarded: str, secure: bool
) -> None:
    """By the public address, or by the word of a proxy that is trusted: uvicorn makes that the request's scheme."""
    config = replace(settings(tmp_path), notices=NoticesConfig(public_url=public_url), hosts=("fab.example.vn",))
    config.folder.mkdir(parents=True)
    fresh(config.folder / "fabfleet.db").dispose()
    app = create_app(config)
    with Inside(app) as inside:
        browser = inside.browser()
        answer = browser.get(f"{forwarded or 'http'}://localhost/signin", headers={"host": asked})
    assert answer.status_code == 200
    assert ("strict-transport-security" in answer.headers) is secure
    assert ("; Secure" in answer.headers["set-cookie"]) is secure
    app.state.services.engine.dispose()


@pytest.mark.parametrize(
    ("query", "kind", "body"),
    [
        (b"a=%00", "", b""),
        (b"", "application/x-www-form-urlencoded", b"name=a%00b"),
        (b"", "application/x-www-form-urlencoded", b"name=a\0b"),
        (b"", "application/json", rb'{"name": "a\u0000b"}'),
    ],
)
def test_nul_is_found_in_whatever_is_sent_as_text(query: bytes, kind: str, body: bytes) -> None:
    assert holds_nul(query, kind, body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"rate=100%2500&name=%C3%A0"),
        ("application/json", b'{"rate": "%00"}'),
        ("multipart/form-data; boundary=x", b"PK\3\4\0"),
    ],
)
def test_files_and_what_only_looks_like_a_nul_may_come(kind: str, body: bytes) -> None:
    assert not holds_nul(b"a=%2500", kind, body)
