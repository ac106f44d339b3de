"""The live stream's asynchronous side: ticks the live fleet, and wakes all streams at once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from anyio import to_thread

from controller.fleet.frames import RETRY
from controller.fleet.live import TICK_S, LiveFleet
from controller.scope import Scope

CHECK_S = 30.0
"""How often a stream asks whether its listener may still listen."""
_log = logging.getLogger(__name__)


class Hub:
    """One a controller. `run` ticks; each stream waits for the same pulse and takes its shared bytes."""

    def __init__(self, live: LiveFleet, tick_s: float = TICK_S) -> None:
        self._live = live
        self._tick_s = tick_s
        self._pulse = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.streams = 0

    async def run(self) -> None:
        """Tick until cancelled. A tick that fails is logged, and the next one comes all the same."""
        self._loop = asyncio.get_running_loop()
        while True:
            began = self._loop.time()
            try:
                published = await asyncio.to_thread(self._live.tick)
            except Exception:  # noqa: BLE001 - the outermost loop of the live picture: it must go on
                _log.exception("a tick of the live fleet failed")
                published = False
            if published:
                self._beat()
            spent_s = self._loop.time() - began
            await asyncio.sleep(max(0.01, self._tick_s - spent_s))

    def close(self) -> None:
        """End all streams. Call it in the event loop."""
        self._closed = True
        self._beat()

    def close_soon(self) -> None:
        """End all streams; from any thread or a signal's handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close)

    async def stream(self, scope: Scope, device_id: int | None, may_listen: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Bytes of one stream: snapshot first, then what changes. Ends when `may_listen` (asked in a thread) says no.

        Raises KeyError at the first step for a device outside the scope.
        """
        loop = asyncio.get_running_loop()
        listener = self._live.listen(scope, device_id)
        self.streams += 1
        try:
            yield RETRY
            check_at = loop.time() + CHECK_S
            while not self._closed:
                pulse = self._pulse  # before looking, so that nothing slips between
                data = await asyncio.to_thread(listener.catch_up) if listener.behind else listener.take()
                if data:
                    yield data
                if loop.time() >= check_at:
                    check_at = loop.time() + CHECK_S
                    if not await to_thread.run_sync(may_listen):
                        return
                await pulse.wait()
        finally:
            self.streams -= 1
            listener.close()

    def _beat(self) -> None:
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()
