"""Rewrite requirements/*.lock from pyproject.toml: exact versions with hashes, and no address of any registry.

`python -m tools.lock` takes the newest versions that fit; `python -m tools.lock --keep` changes only what it must.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file: the extras it covers, and the locks whose versions it shares.

    `builds` says that it also holds what builds the project itself, which is installed without build isolation.
    """

    name: str
    extras: tuple[str, ...]
    shares: tuple[str, ...] = ()
    builds: bool = True

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.lock"


RUN = Lock("run", ("agent", "controller"))
"""What `make run` installs."""
ASSETS = Lock("assets", ("assets",), builds=False)
"""What fetches the browser assets on a machine without npm."""
AGENT = Lock("agent", ("agent",), shares=("run",), builds=False)
CONTROLLER = Lock("controller", ("controller",), shares=("run",), builds=False)
"""What the packages of the two hold; wheels alone, for any architecture."""
WINDOWS = Lock("windows", ("windows",), builds=False)
"""CPython for the Windows package."""
DEV = Lock("dev", ("agent", "controller", "archive", "assets", "allocation", "dev"), shares=("run", "assets"))
"""Everything: tests, checks, benchmarks."""
LOCKS = (RUN, ASSETS, AGENT, CONTROLLER, WINDOWS, DEV)

# Neither index nor find-links nor trusted host: the file is good for whatever registry its reader uses.
_FLAGS = (
    "--quiet",
    "--generate-hashes",
    "--allow-unsafe",  # pip and setuptools are dependencies of pip-tools, so hash checking wants them pinned too
    "--strip-extras",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
    "--no-emit-options",
)


def compile_lock(lock: Lock, keep: bool) -> None:
    """Write one lock file. Raises CalledProcessError if no set of versions fits."""
    if not keep:
        lock.path.unlink(missing_ok=True)
    shared = [f"--constraint=requirements/{name}.lock" for name in lock.shares]
    build = ["--build-deps-for=editable"] if lock.builds else []
    extras = [f"--extra={extra}" for extra in lock.extras]
    target = f"--output-file=requirements/{lock.name}.lock"
    command = [sys.executable, "-m", "piptools", "compile", *_FLAGS, *build, *shared, *extras, target, "pyproject.toml"]
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep every version that still fits")
    keep = parser.parse_args().keep
    for lock in LOCKS:
        print(f"requirements/{lock.name}.lock ...", flush=True)
        compile_lock(lock, keep)


if __name__ == "__main__":
    main()
