"""Third-party far ends, fetched when a test first needs them: pinned, checked, kept under .cache, never committed."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from hil.farends.child import ROOT
from tools.assets import npm_command

CACHE = ROOT / ".cache" / "farends"


def python_packages(requirements: Path) -> Path:
    """A folder with the packages of a hashed requirements file, to be put on PYTHONPATH."""

    def install(folder: Path) -> None:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "-r", str(requirements)]
        subprocess.run(command, check=True, capture_output=True)

    return cached(requirements.stem, requirements.read_bytes(), install)


def environment(
    requirements: Path, finish: Callable[[Path], None] = lambda _: None, build: tuple[str, ...] = ()
) -> Path:
    """A virtual environment with the packages of a hashed requirements file, for what has commands or C parts of its
    own. `finish` does to it what remains to be done; `build` bounds what packages are built with.

    Raises CalledProcessError.
    """

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--require-hashes"]
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(requirements)]
        bounds = folder / "build.txt"
        bounds.write_text("\n".join(build))
        environ = {**os.environ, "PIP_CONSTRAINT": str(bounds)} if build else None
        subprocess.run(command, check=True, capture_output=True, env=environ)
        finish(folder)

    return cached(requirements.stem, requirements.read_bytes(), install)


def npm_package(name: str, version: str, sha512: str) -> Path:
    """The unpacked folder of a package of the npm registry. Raises ValueError if it is not the one that was pinned,
    CalledProcessError if it cannot be had."""

    def unpack(folder: Path) -> None:
        folder.mkdir()
        command = [*npm_command(), "pack", "--silent", "--pack-destination", str(folder), f"{name}@{version}"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        archive = next(folder.glob("*.tgz"))
        if hashlib.sha512(archive.read_bytes()).hexdigest() != sha512:
            raise ValueError(f"{name} {version} is not what was pinned")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")

    return cached(f"{name}-{version}", sha512.encode(), unpack) / "package"


def cached(name: str, content: bytes, make: Callable[[Path], None]) -> Path:
    """The path that `make` makes, made once for this `content`; of several test processes one makes it, the others
    wait."""
    target = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / f"{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                    made = Path(scratch) / "made"
                    make(made)
                    made.rename(target)
    return target
