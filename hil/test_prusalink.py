"""The PrusaLink bridge against the real PrusaLink without a printer: who is let in, and what the answers mean."""

import subprocess
from pathlib import Path

import pytest

from firmware_bridges.base import Refused
from firmware_bridges.prusalink import PrusalinkBridge
from hil.farends.pins import PRUSALINK
from hil.farends.prusalink_real import KEY, PASSWORD, RealPrusalink
from hil.lab import missing
from hil.polling import poll_until

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]


def test_real_prusalink_lets_in_by_key_and_by_digest_and_says_how_it_is(tmp_path: Path) -> None:
    try:
        server = RealPrusalink(tmp_path / "prusalink")
    except (OSError, subprocess.SubprocessError) as error:
        missing("PrusaLink", error)
    try:
        for told in ({"key": KEY}, {"password": PASSWORD}):
            bridge = PrusalinkBridge(server.endpoint, told)
            bridge.open()
            values = poll_until(bridge, lambda values: values["state"] == "halted")
            assert values["fault"] == "Serial device does not exist"
            assert values["firmware"] == PRUSALINK.version
            for action in ("pause", "stop"):
                with pytest.raises(Refused):
                    bridge.execute(action, {})
            bridge.close()
        for told in ({"key": "wrong"}, {"password": "wrong"}, {"password": PASSWORD, "user": "nobody"}):
            with pytest.raises(Refused, match="wants a key or a password"):
                PrusalinkBridge(server.endpoint, told).open()
    finally:
        server.close()
