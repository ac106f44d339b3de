"""A printer server that announces itself by mDNS on loopback: `python -m tests.integration.announcer`.

It prints a line when it can be found, and takes leave when its input ends.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

NAME = 'OctoPrint instance "Máy in A"'
_KIND = "_octoprint._tcp.local."
_LOOPBACK = "127.0.0.1"


@contextmanager
def announcing() -> Iterator[None]:
    """While it can be found."""
    command = (sys.executable, "-m", __name__)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.communicate()


async def _announce() -> None:
    found = AsyncZeroconf(interfaces=[_LOOPBACK])
    about = AsyncServiceInfo(_KIND, f"{NAME}.{_KIND}", addresses=[socket.inet_aton(_LOOPBACK)], port=5000)
    await (await found.async_register_service(about))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await found.async_close()


if __name__ == "__main__":
    asyncio.run(_announce())
