"""Device pages that are open: streams of the live page's kind, and how long after it was measured each value came.

`python -m bench.cluster_pages PORT DEVICE ...` with a bearer token on standard input; prints a delay in ms a line for
each new value that comes, by the clock that both ends share, until its input ends.
"""

import asyncio
import json
import sys
import time


async def listen(port: int, token: str, device: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(
        f"GET /api/v1/stream?device={device} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    newest = 0
    ours = False
    while line := await reader.readline():
        if line.startswith(b"event: "):
            ours = line == b"event: device\n"
        elif ours and line.startswith(b"data: "):
            now_ms = time.time_ns() // 1_000_000
            times = [at_ms for at_ms, *_ in json.loads(line[6:])["values"].values()]
            if newest and max(times, default=0) > newest:
                print(now_ms - max(times), flush=True)
            newest = max([newest, *times])
    writer.close()


async def main() -> None:
    port, *devices = map(int, sys.argv[1:])
    token = sys.stdin.readline().strip()
    tasks = [asyncio.create_task(listen(port, token, device)) for device in devices]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
