"""A broker of somebody else's: its files are written whenever who may come in has changed, and it is told so."""

import logging
import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from controller.broker import mosquitto, nats
from controller.broker.access import Login, Member, hash_password, mosquitto_hash

RELOAD_S: Final = 15.0
"""How long the command may take that has the broker read its files."""
CHANGED: Final = "changed"
"""A file that is made last where there is no such command; who has the broker read the others takes it away first."""
_MODE: Final = 0o640
"""The broker reads them by its group: give the folder to that, with the set-group-ID bit."""
_log = logging.getLogger(__name__)


class BrokerFilesError(Exception):
    """The broker does not know yet who may come in; the message says what to do."""


class ExternalBroker:
    """Lets in whom the files name. `kind` is mosquitto or nats; the controller signs in as `login`.

    `reload` is the command that has the broker read them; empty: the file CHANGED says so; None: nobody is told.
    """

    def __init__(self, kind: str, folder: Path, login: Login, reload: str | None = None) -> None:
        self._kind = kind
        self._folder = folder
        self._login = login
        self._hash = mosquitto_hash(login.password) if kind == "mosquitto" else hash_password(login.password)
        self._reload = shlex.split(reload or "")
        self._marks = reload == ""
        self._left_out: tuple[str, ...] = ()

    def set_users(self, users: Iterable[Member]) -> None:
        """Let exactly these agents in. Nobody who stays is disconnected; who is gone is, at once.

        Raises BrokerFilesError, and may be called again then.
        """
        users = tuple(users)
        try:
            for name, text in self._render(users).items():
                write_file(self._folder / name, text)
            if self._marks:
                write_file(self._folder / CHANGED, "")
        except OSError as error:
            raise BrokerFilesError(f"broker.files: {error}") from None
        if self._reload:
            self._run()

    def _render(self, users: tuple[Member, ...]) -> Mapping[str, str]:
        if self._kind == "nats":
            return {nats.USERS: nats.render_users(self._login, self._hash, users)}
        left_out = mosquitto.missing(users)
        if left_out != self._left_out:
            self._left_out = left_out
            for user in left_out:
                _log.warning("%s cannot come in yet: enrol it again, or `fabfleet renew`", user)
        return mosquitto.render_users(self._login, self._hash, users)

    def _run(self) -> None:
        try:
            done = subprocess.run(
                self._reload, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RELOAD_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrokerFilesError(f"broker.reload: {error}") from None
        if done.returncode != 0:
            why = (done.stderr or done.stdout).strip()[-300:]
            raise BrokerFilesError(f"broker.reload: it ended with {done.returncode}: {why}")


def write_file(path: Path, text: str) -> None:
    """In one step, and on disk. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), _MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
