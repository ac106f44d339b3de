"""A Debian of its own, booted: systemd in a container, with no network but its own loopback.

Needs root, or sudo without a password. It is reached by its namespaces, for its systemd registers with nobody.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"
SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "init-system-helpers", "procps", "python3", "sudo")
"""What such a machine has, and a package needs: apt inside reaches no registry."""
_ROOT: Sequence[str] = () if os.geteuid() == 0 else ("sudo", "-n")
_CLEAN = (
    "env",
    "-i",
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)
_BOOT_S = 240.0
_REBOOT = 133
"""systemd-nspawn(1), --keep-unit."""
_COMMAND_S = 400.0


class Container:
    """Runs from `folder`, whose changes stay over its reboots."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log.open("wb")
        self._nspawn: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        flags = ("--private-network", "--register=no", "--keep-unit", "--link-journal=no", "--console=read-only")
        self._nspawn = subprocess.Popen(
            [*_ROOT, "systemd-nspawn", "--quiet", "--boot", *flags, f"--directory={self.folder}"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _BOOT_S
        while self.leader() is None or self.told("systemctl is-active multi-user.target") != "active":
            assert self._nspawn.poll() is None, "the container ended while it booted"
            assert time.monotonic() < deadline, "the container does not boot"
            time.sleep(0.3)

    def reboot(self) -> None:
        """As its systemd does it; nspawn then ends and says that it wants to be started again."""
        assert self._nspawn is not None
        self.run("systemctl reboot")
        assert self._nspawn.wait(_BOOT_S) == _REBOOT
        self.boot()

    def leader(self) -> int | None:
        """Its first process, as this machine numbers it."""
        known = [self._nspawn.pid] if self._nspawn else []
        while known:
            pid = known.pop()
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return pid
                known += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return None

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash as root, in root's home, to its end."""
        space = (
            "nsenter",
            f"--target={self.leader()}",
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--root",
            "--wd",
        )
        command = (*_ROOT, *space, *_CLEAN, "bash", "-euo", "pipefail", "-c", f"cd; {script}")
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )

    def do(self, script: str) -> str:
        """Run a script that must succeed; what it said."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def told(self, script: str) -> str:
        """What a script said, whether it succeeded or not."""
        return self.run(script).stdout.strip()

    def until(self, script: str, wanted: str, within_s: float = 150.0) -> None:
        """Repeat a script until it says what is wanted, somewhere in its answer."""
        deadline = time.monotonic() + within_s
        while wanted not in (said := self.told(script)):
            assert time.monotonic() < deadline, f"{script}: {said!r}, not {wanted!r}"
            time.sleep(0.5)

    def put(self, file: Path, place: str) -> None:
        subprocess.run([*_ROOT, "cp", str(file), str(self.folder / place)], check=True)

    def stop(self) -> None:
        leader, nspawn = self.leader(), self._nspawn
        if nspawn is not None:
            if leader is not None:
                subprocess.run([*_ROOT, "kill", "-KILL", str(leader)], check=False)
            nspawn.wait(30)
        self._log.close()


@contextmanager
def container() -> Iterator[Container]:
    """A fresh machine, which is gone afterwards."""
    root = _debian()
    with tempfile.TemporaryDirectory(prefix="fabfleet-machine-") as scratch:
        folder = Path(scratch) / "root"
        subprocess.run([*_ROOT, "cp", "-a", "--reflink=auto", str(root), str(folder)], check=True)
        machine = Container(folder, Path(scratch) / "boot.log")
        try:
            machine.boot()
            yield machine
        finally:
            machine.stop()
            subprocess.run([*_ROOT, "rm", "-rf", str(folder)], check=True)


def _debian() -> Path:
    """The root of a minimal Debian, made once on this machine."""
    named = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    root = CACHE / f"debian-{named}"
    if not root.exists():
        CACHE.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="debian-", dir=CACHE))
        include = f"--include={','.join(PACKAGES)}"
        command = [*_ROOT, "debootstrap", "--variant=minbase", include, SUITE, str(draft), *_mirror()]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        subprocess.run([*_ROOT, "chmod", "0755", str(draft)], check=True)
        try:
            draft.rename(root)
        except OSError:  # another one was quicker
            subprocess.run([*_ROOT, "rm", "-rf", str(draft)], check=True)
    return root


def _mirror() -> list[str]:
    """Where this machine's own apt gets it from."""
    assert shutil.which("apt-get"), "this test needs Debian's apt"
    command = ["apt-get", "indextargets", "--format", "$(SITE)", f"Release: {SUITE}", "Created-By: Packages"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[:1]
