"""The service manager is told when the controller is ready, that it is alive, and that it ends."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_controller_tells_systemd_that_it_is_ready_and_that_it_ends(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60.0)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "FABFLEET_PORT": "0",
            "FABFLEET_BROKER_PORT": "0",
        }
        command = [sys.executable, "-m", "controller.cli", "serve", "--state", str(tmp_path / "state")]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as controller:
            told = [manager.recv(100)]
            controller.send_signal(signal.SIGTERM)
            while told[-1] != b"STOPPING=1":
                told.append(manager.recv(100))
            controller.wait(30.0)
    assert told[0] == b"READY=1"
    assert set(told[1:-1]) <= {b"WATCHDOG=1"}
