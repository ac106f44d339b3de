"""Fetches new credentials over HTTP when the controller asks for it, and has everything use them."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.config import Credentials
from agent.download import Source, authorization, connection_to
from agent.errors import NoFile
from agent.files import replace_file
from agent.keyring import Keyring

AUTHORITIES = "ca.pem"
"""In the state folder: whom the agent trusts, as the controller told it."""
_MOST_BYTES = 262_144
_AGAIN_S = 30.0
_TRY_AGAIN_S = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Renewed:
    """What the controller gave. `authority` is PEM, empty if those stay who are trusted."""

    number: int
    user: str
    password: str = field(repr=False)
    lease_key: bytes = field(repr=False)
    authority: str


def fetch(source: Source, number: int) -> Renewed:
    """Ask for the credentials of that number. Raises NoFile with the reason if they cannot be had now."""
    from http.client import HTTPException

    path = f"/api/v1/renewals/{number}"
    connection = connection_to(source)
    try:
        proof = authorization(source.address, source.key, path, "POST")
        where = urlsplit(source.url).path.rstrip("/") + path
        connection.request("POST", where, headers={"Authorization": proof, "Content-Length": "0"})
        response = connection.getresponse()
        body = response.read(_MOST_BYTES)
        if response.status != 200:
            raise NoFile(f"{source.url} answers with status {response.status}")
        return _renewed(json.loads(body), number)
    except OSError as error:
        raise NoFile(f"{source.url} does not answer: {error}") from None
    except (HTTPException, ValueError, KeyError, TypeError) as error:
        raise NoFile(f"{source.url} answers what no server of Fabfleet answers: {error!r}") from None
    finally:
        connection.close()


def _renewed(given: Any, number: int) -> Renewed:
    if given["number"] != number:
        raise ValueError(f"number {given['number']}, asked for {number}")
    key = bytes.fromhex(given["lease_key"])
    return Renewed(number, str(given["user"]), str(given["password"]), key, str(given["authority"]))


class Renewal:
    """One thread, which is there only while something is fetched: `wanted` returns at once.

    `source` tells where the controller is and by which key it knows us; `taken` is called once all is on disk, `again`
    when what is on disk is to be tried once more.
    """

    def __init__(
        self,
        state: Path,
        keyring: Keyring,
        source: Callable[[], Source],
        taken: Callable[[], None],
        again: Callable[[], None],
    ) -> None:
        self._state = state
        self._keyring = keyring
        self._source = source
        self._taken = taken
        self._again = again
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def wanted(self, number: int) -> None:
        """The controller asks us to have the credentials of that number."""
        with self._lock:
            here = number <= self._keyring.number
            if (here and self._keyring.uses_newest) or self._stopping.is_set():
                return
            if self._thread and self._thread.is_alive():
                return
            work = self._use_newest if here else partial(self._renew, number)
            self._thread = threading.Thread(target=work, name="renewal", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _renew(self, number: int) -> None:
        """Once; what goes wrong is asked for again by the controller, after a pause."""
        try:
            self._take(fetch(self._source(), number))
        except (NoFile, OSError) as error:
            _log.warning("new credentials are not to be had now: %s", error)
            self._stopping.wait(_AGAIN_S)

    def _use_newest(self) -> None:
        """They are on disk, and not in use: when we came with them the broker had not heard of them yet."""
        self._stopping.wait(_TRY_AGAIN_S)
        if not self._stopping.is_set() and not self._keyring.uses_newest:
            self._again()

    def _take(self, renewed: Renewed) -> None:
        """Whom to trust comes first: with the new ones on disk and not the authorities, nobody would be believed."""
        if renewed.authority:
            replace_file(self._state / AUTHORITIES, renewed.authority.encode())
        self._keyring.take(Credentials(renewed.user, renewed.password, renewed.lease_key, renewed.number))
        self._taken()
