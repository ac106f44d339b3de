"""The real PrusaLink, as on a Raspberry Pi, without its printer: access and answers, as its own program gives them."""

import hashlib
import os
import socket
import subprocess
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from hil.farends.fetch import environment
from hil.farends.pins import PRUSALINK_PACKAGES

KEY, USER, PASSWORD = "0123456789abcdef", "maker", "s3cret"
_UP_S = 60.0
_CONFIG = """
[daemon]
data_dir = {folder}
pid_file = {folder}/pid
[http]
address = 127.0.0.1
port = {port}
[printer]
port = {folder}/no-printer
settings = {folder}/settings.ini
directory = {folder}/files
[cameras]
auto_detect = False
"""
_SETTINGS = """
[printer]
type = MK3S
name = lab
location = lab
[network]
hostname = lab
[service::connect]
hostname = connect.invalid
tls = 1
port = 443
token =
[service::local]
enable = 1
username = {user}
digest = {digest}
api_key = {key}
"""


class RealPrusalink:
    """At http://127.0.0.1:PORT. Raises CalledProcessError or OSError if it cannot be had."""

    def __init__(self, folder: Path) -> None:
        python = environment(PRUSALINK_PACKAGES, build=("setuptools<80",)) / "bin" / "python"
        (folder / "files").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        digest = hashlib.md5(f"{USER}:Administrator:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
        (folder / "prusalink.ini").write_text(_CONFIG.format(folder=folder, port=self.port))
        (folder / "settings.ini").write_text(_SETTINGS.format(user=USER, digest=digest, key=KEY))
        words = ["-c", "from prusa.link.__main__ import main; main()", "-f", "-c", str(folder / "prusalink.ini")]
        with (folder / "out.log").open("wb") as out:
            environ = {**os.environ, "HOME": str(folder)}
            self._process = subprocess.Popen([python, *words], stdout=out, stderr=out, cwd=folder, env=environ)
        deadline = time.monotonic() + _UP_S
        while not self._is_up():
            if time.monotonic() > deadline:
                self.close()
                raise OSError(f"PrusaLink is not ready: {(folder / 'out.log').read_text()[-300:]}")
            time.sleep(0.1)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _is_up(self) -> bool:
        """It answers 503 while it starts."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/version", headers={"X-Api-Key": KEY})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
