"""A Windows computer as far as Wine is one: a prefix of its own with the Windows package unpacked in it."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.windows import stage

PROGRAMS = "Program Files/Fabfleet"
STATE = "ProgramData/Fabfleet"
_VERSION = r"HKLM\Software\Microsoft\Windows NT\CurrentVersion"
_CONTROL = r"HKLM\System\CurrentControlSet\Control"
_START_MS = 120_000
"""How long Wine waits for a service to report: as of itself 10 s, which a busy machine needs for Python alone."""
_SERVICE = b"agent\0service\0run"
_COMMAND_S = 240.0


class Windows:
    """Its drive C: is `drive`."""

    def __init__(self, prefix: Path) -> None:
        self.drive = prefix / "drive_c"
        self.state = self.drive / STATE / "agent"
        self._environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEARCH": "win64", "WINEDEBUG": "-all"}
        self._environment["WINEDLLOVERRIDES"] = "mscoree,mshtml="  # it asks for downloads of them else
        self._session: subprocess.Popen[bytes] | None = None

    def set_up(self) -> None:
        self._wine("wineboot", "--init")
        self._wine("wine", "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
        self._wine("wine", "reg", "add", _VERSION, "/v", "CurrentVersion", "/d", "10.0", "/f")
        patience = ("/v", "ServicesPipeTimeout", "/t", "REG_DWORD", "/d", str(_START_MS), "/f")
        self._wine("wine", "reg", "add", _CONTROL, *patience)
        programs = self.drive / PROGRAMS
        stage(programs)
        (programs / "python" / "_wmi.pyd").unlink()  # calls what Wine 8 has not; CPython does without
        self.reboot()

    def reboot(self) -> None:
        """Services that start with Windows start."""
        self.shut_down()
        python = self.drive / PROGRAMS / "python" / "python.exe"
        # services end with the last program of a session: one that waits for the end of its input keeps it open
        self._session = subprocess.Popen(
            ["wine", str(python), "-c", "import sys; sys.stdin.read()"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run fabfleet-agent to its end."""
        python = self.drive / PROGRAMS / "python" / "python.exe"
        return self._wine("wine", str(python), "-m", "agent", *arguments)

    def told(self, *arguments: str) -> str:
        return self.agent(*arguments).stdout

    def service(self, action: str) -> str:
        """What Windows' service manager says to start, stop or query."""
        return self._wine("wine", "sc", action, "FabfleetAgent").stdout

    def process(self) -> int | None:
        """The service's, as this machine numbers it."""
        prefix = f"WINEPREFIX={self.drive.parent}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if _SERVICE in (folder / "cmdline").read_bytes() and prefix in (folder / "environ").read_bytes():
                    return int(folder.name)
        return None

    def until_told(self, wanted: str, *arguments: str, within_s: float = 120.0) -> None:
        """Ask the agent's command until it says what is wanted, somewhere in its answer."""
        deadline = time.monotonic() + within_s
        while wanted not in (said := self.told(*arguments)):
            assert time.monotonic() < deadline, f"{arguments}: {said!r}, not {wanted!r}\n{self.log()}"
            time.sleep(0.5)

    def log(self) -> str:
        path = self.state / "agent.log"
        return path.read_text("utf-8") if path.exists() else ""

    def shut_down(self) -> None:
        """Everything ends, and the registry is on the disk."""
        subprocess.run(["wineserver", "--kill"], env=self._environment, check=False)
        subprocess.run(["wineserver", "--wait"], env=self._environment, check=False, timeout=_COMMAND_S)
        if self._session is not None:
            self._session.communicate(timeout=30)
            self._session = None

    def _wine(self, *command: str) -> subprocess.CompletedProcess[str]:
        """To its end, and not to the end of its pipes: Wine's own processes inherit them and hold them open.

        Nothing says more than a pipe holds.
        """
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        process.wait(_COMMAND_S)
        said = []
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            said.append((stream.read() or b"").decode("utf-8", "replace"))
            stream.close()
        return subprocess.CompletedProcess(command, process.returncode, *said)


@contextmanager
def windows() -> Iterator[Windows]:
    """A new computer, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fabfleet-wine-", ignore_cleanup_errors=True) as folder:
        computer = Windows(Path(folder))
        try:
            computer.set_up()
            yield computer
        finally:
            computer.shut_down()
