"""OctoPrint, fetched from the package index into a venv of its own. Nothing here imports it."""

import subprocess
import sys
from pathlib import Path

from hil.farends.fetch import cached
from hil.farends.pins import OCTOPRINT


def interpreter() -> Path:
    """A Python that has OctoPrint. The first call takes about a minute. Raises CalledProcessError."""

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "install", "--quiet", "--no-compile", OCTOPRINT.requirement], check=True, capture_output=True
        )

    return cached("octoprint", OCTOPRINT.requirement.lower().encode(), install) / "bin" / "python"
