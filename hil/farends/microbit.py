"""A BBC micro:bit without the micro:bit: MicroPython's real firmware on the board as QEMU has it, behind a pty."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FIRMWARE: Final = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
PATIENT: Mapping[str, float] = {"reply_s": 10.0}
"""What its bridge is told: on a busy computer the board is slower than a real one."""
_PTY = re.compile(rb"redirected to (/dev/pts/\d+)")
_START_S = 30.0


class MissingFarEnd(Exception):
    """What is not installed; the message says how to install it."""


class Microbit:
    """A running board. `endpoint` stays the same when it is unplugged and plugged in again."""

    def __init__(self, folder: Path) -> None:
        if not FIRMWARE.exists() or shutil.which("qemu-system-arm") is None:
            raise MissingFarEnd("micro:bit: apt install qemu-system-arm firmware-microbit-micropython")
        self.endpoint = str(folder / "microbit")
        self._log = folder / "microbit.log"
        self.restart()

    def restart(self) -> None:
        command = ["qemu-system-arm", "-M", "microbit", "-nographic", "-monitor", "none", "-serial", "pty"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-device", f"loader,file={FIRMWARE}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while not (found := _PTY.search(self._log.read_bytes())):
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise OSError(f"QEMU: {self._log.read_bytes()[-300:]!r}")
            time.sleep(0.05)
        fresh = Path(f"{self.endpoint}.new")
        fresh.symlink_to(os.fsdecode(found[1]))
        fresh.replace(self.endpoint)

    def kill(self) -> None:
        """As when its cable is pulled."""
        Path(self.endpoint).unlink(missing_ok=True)  # first: the pty behind it is soon another far end's
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
