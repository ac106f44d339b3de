"""Printers' servers behind HTTPS: trusted by an own authority or by their certificate itself, and not otherwise."""

import hashlib
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from device_profiles.profile import load
from firmware_bridges.base import Bridge, LinkLost
from hil.farends.tls_front import TlsFront
from hil.jobs import released
from hil.lab import FarEnd
from hil.polling import poll_until
from hil.test_conformance import COMPLETE, FAR_ENDS
from tests.integration.far_ends import certificate

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]


def bridge(far: FarEnd, front: TlsFront, **trusted: str) -> Bridge:
    return FarEnd(front.endpoint, far.profile, {**far.options, **trusted}).bridge()


@pytest.mark.parametrize("slug", ["prusa/mk4", "octoprint/printer", "klipper/printer"])
def test_printer_is_reached_by_https_and_only_if_its_certificate_is_the_one_that_is_meant(
    slug: str, tmp_path: Path
) -> None:
    profile = load(slug)
    complete = COMPLETE[profile.bridge]
    job = tmp_path / "cube.gcode"
    job.write_text("G1 X1 Y1 F9000\nG4 P50\n" * 600, "utf-8")
    (tmp_path / "tls").mkdir()
    own, key = certificate(tmp_path / "tls")
    pinned = hashlib.sha256(ssl.PEM_cert_to_DER_cert(own.read_text("ascii"))).hexdigest()
    with FAR_ENDS[profile.bridge](profile, tmp_path) as far, TlsFront(far.endpoint, own, key) as front:
        for wrong, why in (
            ({}, "not trusted .*self-signed.* ca_file or fingerprint"),
            ({"fingerprint": "0" * 64}, f"not the server that was meant.*{pinned}"),
        ):
            with closing(bridge(far, front, **wrong)) as stranger, pytest.raises(LinkLost, match=why):
                stranger.open()
        assert front.heard == 0, "no key was told to a server that is not the one"
        for trusted in ({"ca_file": str(own)}, {"fingerprint": pinned.upper()}):
            with closing(bridge(far, front, **trusted)) as met:
                met.open()
                poll_until(met, lambda values: complete(values) and values["state"] == "ready")
        with closing(bridge(far, front, fingerprint=pinned)) as met:
            met.open()
            met.execute("print", released(job))
            assert poll_until(met, lambda values: values["printing"] is True)["job"] == "cube"
            met.execute("stop", {})
            poll_until(met, lambda values: values["job-result"] == "cancelled")
