"""Where a device's server is, and whom a connection to it trusts."""

import hashlib
import ssl
from pathlib import Path

import pytest

from firmware_bridges.base import LinkLost
from firmware_bridges.wire import Wire, parse_site
from tests.integration.far_ends import certificate, http_end

PRINT = "ab" * 32


def test_site_is_read_with_its_port_and_whom_to_trust() -> None:
    assert parse_site("http://192.0.2.1", port=7125).authority == "192.0.2.1:7125"
    assert parse_site("https://[2001:db8::1]").authority == "[2001:db8::1]:443"
    copied = ":".join(["AB"] * 32)
    assert parse_site("https://192.0.2.1", fingerprint=copied).fingerprint == PRINT


@pytest.mark.parametrize(
    ("endpoint", "ca_file", "fingerprint", "why"),
    [
        ("ftp://x", "", "", "not http"),
        ("http://192.0.2.1", "", PRINT, "goes with https"),
        ("https://192.0.2.1", "/etc/ca.pem", PRINT, "instead of ca_file"),
        ("https://192.0.2.1", "", "abc", "64 hexadecimal digits"),
        ("https://192.0.2.1", "", "x" * 64, "64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(endpoint: str, ca_file: str, fingerprint: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_site(endpoint, ca_file, fingerprint=fingerprint)


def test_wire_trusts_an_own_authority_or_one_certificate_and_nobody_else(tmp_path: Path) -> None:
    own, key = certificate(tmp_path)
    pinned = hashlib.sha256(ssl.PEM_cert_to_DER_cert(own.read_text("ascii"))).hexdigest()
    with http_end((own, key)) as end:
        for trusted in (parse_site(end.url, str(own)), parse_site(end.url, fingerprint=pinned)):
            Wire(trusted, 5.0).close()
        for stranger, why in (
            (parse_site(end.url), "not trusted .* ca_file or fingerprint"),
            (parse_site(end.url, fingerprint=PRINT), f"not the server that was meant: .* {pinned}"),
        ):
            with pytest.raises(LinkLost, match=why):
                Wire(stranger, 5.0)
        assert end.got == []
