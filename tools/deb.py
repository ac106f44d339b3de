"""Debian packages: `python -m tools.deb [agent|controller ...] [--arch arm64] [--python 3.13] [--revision 2]`.

Each holds a virtual environment in /opt/fabfleet/PART, made of wheels with the hashes of requirements/PART.lock, which
runs on the target's own Python. Nothing of the target runs here, so any architecture is built on any other.
The same commit gives the same bytes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
SOURCES = ROOT / "install" / "debian"
UNITS = ROOT / "systemd"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's word for an architecture, and that of wheels."""
_GLIBC = range(5, 37)
"""Minor versions of glibc 2 whose wheels run on Debian 12."""
WHEELS = ("--only-binary=:all:", "--no-binary=snmp")
"""What is taken from the registry: wheels, but of snmp the source, of which there is nothing else. It is all Python."""
_MAINTAINER = "Fabfleet <root@localhost>"


@dataclass(frozen=True, slots=True)
class Part:
    """One package. `leaves_out` are packages of ours that are the other one's; `config` is where dpkg's conffile is."""

    name: str
    command: str
    entry: str
    summary: str
    leaves_out: tuple[str, ...]
    config: str
    depends: tuple[str, ...] = ()
    more_units: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        return f"fabfleet-{self.name}"


AGENT = Part(
    "agent",
    "fabfleet-agent",
    "agent.cli",
    "looks after a classroom computer and what is plugged into it",
    ("controller",),
    "etc/default/fabfleet-agent",
    more_units=("fabfleet-agent-seed.service",),
)
CONTROLLER = Part(
    "controller",
    "fabfleet",
    "controller.cli",
    "sees and shares the machines of a cluster of schools",
    (),
    "etc/fabfleet/controller.toml",
    ("util-linux",),
    ("fabfleet-broker@.path", "fabfleet-broker@.service"),
)
PARTS = {part.name: part for part in (AGENT, CONTROLLER)}


@dataclass(frozen=True, slots=True)
class Target:
    """What the package is for. `python` is like 3.11; `revision` counts packages of one version."""

    arch: str
    python: str
    revision: int
    epoch_s: int

    @property
    def version(self) -> str:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        return f"{project['version']}-{self.revision}"

    @property
    def next_python(self) -> str:
        major, minor = self.python.split(".")
        return f"{major}.{int(minor) + 1}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Tags of wheels that run there."""
        machine = MACHINES[self.arch]
        return tuple(f"{tag}_{machine}" for tag in (*(f"manylinux_2_{n}" for n in _GLIBC), "manylinux2014", "linux"))


class Builder:
    """Builds packages below one scratch folder."""

    def __init__(self, scratch: Path, target: Target) -> None:
        self._scratch = scratch
        self._target = target
        self._wheel = self._build_wheel()

    def build(self, part: Part, folder: Path = DIST) -> Path:
        """Write the package; its path."""
        stage = self._scratch / part.package
        home = stage / "opt" / "fabfleet" / part.name
        site = home / "lib" / f"python{self._target.python}" / "site-packages"
        self._install_wheels(part, site)
        self._make_environment(part, home, site)
        self._place_system_files(part, stage)
        self._write_control(part, stage)
        return self._pack(part, stage, folder)

    def _build_wheel(self) -> Path:
        wheels = self._scratch / "wheel"
        flags = ("--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}")
        _pip("wheel", *flags, str(ROOT), epoch_s=self._target.epoch_s)
        return next(wheels.glob("*.whl"))

    def _install_wheels(self, part: Part, site: Path) -> None:
        """The lock's wheels, refused if one has another hash; then our own."""
        place = ("install", "-qq", f"--target={site}", "--no-deps", "--no-compile")
        version = ("--implementation=cp", f"--python-version={self._target.python}", *WHEELS)
        platforms = [f"--platform={each}" for each in self._target.platforms]
        _pip(*place, *version, *platforms, "--require-hashes", "-r", f"requirements/{part.name}.lock")
        _pip(*place, str(self._wheel))

    def _make_environment(self, part: Part, home: Path, site: Path) -> None:
        """What `python -m venv` makes, without running the target's Python, and the one command."""
        for name in part.leaves_out:
            shutil.rmtree(site / name)
        for name in ("direct_url.json", "RECORD", "REQUESTED"):  # say where it was built; dpkg has its own list
            for path in site.glob(f"*.dist-info/{name}"):
                path.unlink()
        scripts = home / "bin"
        scripts.mkdir()
        if (site / "bin" / "nats-server").exists():
            shutil.move(site / "bin" / "nats-server", scripts)
        shutil.rmtree(site / "bin", ignore_errors=True)
        (scripts / "python3").symlink_to(f"/usr/bin/python{self._target.python}")
        (home / "pyvenv.cfg").write_text(
            f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {self._target.python}\n", "ascii"
        )
        command = scripts / part.command
        command.write_text(
            f"#!/opt/fabfleet/{part.name}/bin/python3 -I\n"
            f"import sys\n\nfrom {part.entry} import main\n\nsys.exit(main())\n",
            "ascii",
        )
        command.chmod(0o755)

    def _place_system_files(self, part: Part, stage: Path) -> None:
        package, own = part.package, SOURCES / part.name
        files = [
            (UNITS / f"{package}.service", f"usr/lib/systemd/system/{package}.service"),
            (UNITS / f"{package}.sysusers.conf", f"usr/lib/sysusers.d/{package}.conf"),
            (UNITS / f"{package}.tmpfiles.conf", f"usr/lib/tmpfiles.d/{package}.conf"),
            (ROOT / "LICENSE", f"usr/share/doc/{package}/copyright"),
            (ROOT / "docs" / "install.md", f"usr/share/doc/{package}/install.md"),
        ]
        files += [(UNITS / name, f"usr/lib/systemd/system/{name}") for name in part.more_units]
        if part is CONTROLLER:
            files += [(own / "controller.toml", part.config), (own / "fabfleet", "usr/bin/fabfleet")]
        else:
            files += [(own / "fabfleet-agent.default", part.config)]
        for source, place in files:
            (stage / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, stage / place)
        if part is CONTROLLER:
            (stage / "usr/bin/fabfleet").chmod(0o755)
        else:
            (stage / "usr/bin").mkdir()
            (stage / "usr/bin/fabfleet-agent").symlink_to("/opt/fabfleet/agent/bin/fabfleet-agent")

    def _write_control(self, part: Part, stage: Path) -> None:
        folder = stage / "DEBIAN"
        folder.mkdir()
        target = self._target
        python = (f"python3 (>= {target.python})", f"python3 (<< {target.next_python})")
        size_kb = sum(path.lstat().st_size for path in stage.rglob("*")) // 1024
        (folder / "control").write_text(
            f"Package: {part.package}\nVersion: {target.version}\nArchitecture: {target.arch}\n"
            f"Maintainer: {_MAINTAINER}\nSection: admin\nPriority: optional\nInstalled-Size: {size_kb}\n"
            f"Depends: {', '.join((*python, 'systemd', 'init-system-helpers', *part.depends))}\n"
            f"Description: Fabfleet {part.name}: {part.summary}\n",
            "utf-8",
        )
        (folder / "conffiles").write_text(f"/{part.config}\n", "ascii")
        for script in ("postinst", "prerm", "postrm"):
            (folder / script).write_text((SOURCES / script).read_text("ascii").replace("@PART@", part.name), "ascii")
            (folder / script).chmod(0o755)

    def _pack(self, part: Part, stage: Path, folder: Path) -> Path:
        for path in (stage, *stage.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (self._target.epoch_s, self._target.epoch_s), follow_symlinks=False)
        folder.mkdir(parents=True, exist_ok=True)
        package = folder / f"{part.package}_{self._target.version}_{self._target.arch}.deb"
        pack = ["dpkg-deb", "--build", "--root-owner-group", "-Zxz", "-z1", "--threads-max=1", str(stage), str(package)]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL, env=_environment(self._target.epoch_s))
        return package


def _pip(*arguments: str, epoch_s: int = 0) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, env=_environment(epoch_s))


def _environment(epoch_s: int) -> dict[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)} if epoch_s else dict(os.environ)


def commit_time() -> int:
    """Of the commit that is checked out, in seconds since 1970."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True)
    return int(shown.stdout)


def build(target: Target, parts: Sequence[Part], folder: Path = DIST) -> Iterator[Path]:
    """Build the packages one after the other; each path as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="fabfleet-deb-") as scratch:
        builder = Builder(Path(scratch), target)
        for part in parts:
            yield builder.build(part, folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.deb", description="Build Debian packages into dist/.")
    parser.add_argument("parts", nargs="*", help="agent, controller (default: both)")
    parser.add_argument("--arch", choices=MACHINES, default="amd64")
    parser.add_argument("--python", default="3.11", help="the target's: 3.11 on Debian 12, 3.13 on Debian 13")
    parser.add_argument("--revision", type=int, default=1)
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"there is no part {min(unknown)}")
    if not re.fullmatch(r"3\.\d+", given.python):
        parser.error(f"{given.python} is not like 3.11")
    os.umask(0o022)
    target = Target(given.arch, given.python, given.revision, commit_time())
    for path in build(target, [PARTS[name] for name in given.parts or PARTS]):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
