"""A machine with the plug that feeds it, as one device."""

from pathlib import Path

import pytest

from agent.config import load_config
from agent.crew import make_bridge
from device_profiles.profile import load
from firmware_bridges.base import BadReply, LinkLost
from firmware_bridges.fed import FedBridge, fed
from tests.fakes import FakeBridge

CONFIG = """
school = "ts"
agent = "pc"
[[devices]]
id = "laser"
profile = "pjlink/projector"
endpoint = "tcp://192.0.2.1"
options = { plug = { endpoint = "http://192.0.2.2", maker = "shelly", working_w = 90 } }
"""


def test_machine_tells_what_its_plug_measures_beside_its_own_values() -> None:
    plug = FakeBridge({"energised": True, "working": False, "power": 7.5, "voltage": 230.0})
    bridge = FedBridge(FakeBridge({"power": "on"}), plug)
    bridge.open()
    assert bridge.poll() == {"power": "on", "energised": True, "plug-working": False, "plug-power": 7.5}
    bridge.close()
    assert plug.closed


@pytest.mark.parametrize("trouble", [LinkLost("gone"), BadReply("?")])
def test_plug_that_cannot_be_read_is_unknown_and_the_machine_is_read_on(trouble: Exception) -> None:
    plug = FakeBridge({"energised": True, "working": True, "power": 7.5})
    bridge = FedBridge(FakeBridge({"power": "on"}), plug)
    bridge.open()
    plug.trouble = trouble
    assert bridge.poll() == {"power": "on", "energised": None, "plug-working": None, "plug-power": None}
    plug.trouble = None
    assert bridge.poll()["energised"] is True


def test_machine_that_is_lost_is_lost_with_its_plug_there() -> None:
    machine = FakeBridge({})
    machine.trouble = LinkLost("gone")
    with pytest.raises(LinkLost):
        FedBridge(machine, FakeBridge({"energised": False})).open()


def test_configuration_may_name_the_plug_and_the_device_says_so(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG, "utf-8")
    (device,) = load_config(path, tmp_path, {}).devices
    assert device.profile == fed(load("pjlink/projector"))
    assert device.profile.digest != load("pjlink/projector").digest
    assert isinstance(make_bridge(device), FedBridge)


def test_plug_that_cannot_be_set_up_is_told_by_its_option(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG.replace("90", '"much"'), "utf-8")
    (device,) = load_config(path, tmp_path, {}).devices
    with pytest.raises(LinkLost, match="working_w"):
        make_bridge(device)
