"""Printers' servers behind HTTPS: trusted by an own authority or by their certificate itself, and not otherwise."""

import hashlib
import ssl
from pathlib import Path

import pytest

from device_profiles.profile import load
from firmware_bridges.base import Bridge, LinkLost
from hil.farends.tls_front import TlsFront
from hil.lab import FarEnd
from hil.polling import poll_until
from hil.test_conformance import COMPLETE, FAR_ENDS
from tests.integration.far_ends import certificate

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]


def bridge(far: FarEnd, front: TlsFront, **trusted: str) -> Bridge:
    return FarEnd(front.endpoint, far.profile, {**far.options, **trusted}).bridge()


@pytest.mark.parametrize("slug", ["prusa/mk4"])
def test_printer_is_reached_by_https_and_only_if_its_certificate_is_the_one_that_is_meant(
    slug: str, tmp_path: Path
) -> None:
    profile = load(slug)
    (tmp_path / "tls").mkdir()
    own, key = certificate(tmp_path / "tls")
    pinned = hashlib.sha256(ssl.PEM_cert_to_DER_cert(own.read_text("ascii"))).hexdigest()
    with FAR_ENDS[profile.bridge](profile, tmp_path) as far, TlsFront(far.endpoint, own, key) as front:
        for wrong, why in (
            ({}, "not trusted .*self-signed.* ca_file or fingerprint"),
            ({"fingerprint": "0" * 64}, f"not the server that was meant.*{pinned}"),
        ):
            stranger = bridge(far, front, **wrong)
            with pytest.raises(LinkLost, match=why):
                stranger.open()
            stranger.close()
        assert front.heard == 0, "no key was told to a server that is not the one"
        for trusted in ({"ca_file": str(own)}, {"fingerprint": pinned.upper()}):
            met = bridge(far, front, **trusted)
            met.open()
            poll_until(met, COMPLETE[profile.bridge])
            met.close()
