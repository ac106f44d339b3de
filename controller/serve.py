"""Runs the controller's web server until it is told to end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from controller.broker.embedded import BrokerError
from controller.config import ControllerConfig, is_loopback
from controller.database import TooNew
from controller.identity.refusals import Kind
from controller.lock import InUse
from controller.notify import ALIVE, ENDING, READY, notify
from controller.services import Services
from controller.web.patience import patient

GRACE_S = 2
"""How long open requests may take to end. Streams are ended at once."""

ALIVE_EVERY_S = 15
"""How often the service manager hears that the event loop turns; the unit's WatchdogSec is a multiple of it."""


class CannotStart(Exception):
    """Something it needs is not to be had: the message says what."""


class Unsafe(Exception):
    """Passwords would cross the network in the clear."""


def check_exposure(config: ControllerConfig) -> None:
    """Raises Unsafe if a password would cross the network in the clear and nobody has said so.

    What we serve ourselves is encrypted beyond loopback; a broker of somebody else's is what it is.
    """
    broker = config.broker
    if broker.embedded or is_loopback(config.broker_host) or broker.ca is not None or config.plain_http_beyond_loopback:
        return
    raise Unsafe(
        f"the broker at {config.broker_host} would be spoken to in the clear. Set broker.ca to the certificate of the"
        " authority that vouches for it. With --plain-http-beyond-loopback"
        " (FABFLEET_PLAIN_HTTP_BEYOND_LOOPBACK=true) passwords cross the network in the clear"
    )


def set_up_logging(level: str) -> None:
    """One line an entry on standard error. Requests are not logged: addresses and paths are nobody's business."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for noisy in ("alembic", "asyncio", "apscheduler", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def serve(config: ControllerConfig, app: FastAPI) -> None:
    """Serve until SIGINT or SIGTERM. Raises Unsafe, CannotStart."""
    check_exposure(config)
    try:
        asyncio.run(_serve(config, app))
    except (InUse, BrokerError, TooNew, SQLAlchemyError, OSError) as error:
        raise CannotStart(str(error)) from error


async def _serve(config: ControllerConfig, app: FastAPI) -> None:
    """The lifespan is around the server here, so that what goes wrong in it reaches the caller as it is."""
    with _bound(config.host, config.port) as listener:
        async with app.router.lifespan_context(app):
            await _Server(config, app).serve([listener])


def _bound(host: str, port: int) -> socket.socket:
    """A socket that holds the address and takes no connection yet. Raises OSError that names the address."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"{host}:{port}: {(error.strerror or str(error)).lower()}") from error
    return listener


async def _say_alive() -> None:
    notify(ALIVE)


class _Server(uvicorn.Server):
    """Ends the live streams as soon as a signal comes, and says where it listens."""

    def __init__(self, config: ControllerConfig, app: FastAPI) -> None:
        self._fabfleet = config
        self._services: Services = app.state.services
        super().__init__(
            uvicorn.Config(
                app,
                http=patient(self._tell_slow),
                lifespan="off",
                host=config.host,
                port=config.port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(config.proxies),
                forwarded_allow_ips=list(config.proxies),
                timeout_graceful_shutdown=GRACE_S,
                callback_notify=_say_alive,
                timeout_notify=ALIVE_EVERY_S,
                ssl_certfile=self._services.plant.certificates.file if config.tls else None,
            )
        )

    def _tell_slow(self, address: str) -> None:
        """In another thread: the event loop waits for no database."""
        asyncio.get_running_loop().run_in_executor(None, self._services.refusals.tell, Kind.TOO_SLOW, address)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._follow_certificate()
            notify(READY)
        for server in self.servers if self.started else ():
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                scheme = "https" if self._fabfleet.tls else "http"
                shown = f"[{host}]" if ":" in host else host
                logging.getLogger(__name__).info("listening on %s://%s:%d", scheme, shown, port)

    def _follow_certificate(self) -> None:
        """A new one counts for new connections; those that are open stay as they are."""
        context, loop = self.config.ssl, asyncio.get_running_loop()
        if context is not None:

            def take(file: Path) -> None:
                loop.call_soon_threadsafe(context.load_cert_chain, file)

            self._services.plant.certificates.follow(take)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The second SIGINT waits for nobody. Nothing is raised again after the end: it was asked for and is done."""
        del frame
        notify(ENDING)
        self._services.hub.close_soon()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
