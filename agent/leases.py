"""The agent's lease book: on disk, so that leases hold with the network down; signed, so that nobody else writes it."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agent.files import replace_file
from contract.lease import supersedes, verify
from contract.messages import LeaseBook, encode
from contract.model import ContractError, Lease
from contract.topics import Address
from contract.wire import decode

_log = logging.getLogger(__name__)


class Edition(NamedTuple):
    """Which lease book it is. A later one, of a higher generation or a higher number in the same, replaces it."""

    generation: int
    number: int


NO_BOOK = Edition(0, 0)


class LeaseKeeper:
    """Keeps the newest book that is signed with this agent's key. Safe to use from any thread.

    A book that the disk does not take counts all the same, since what it takes back must end now; but `held` goes on
    naming the one on disk until `write` succeeds: only that one is there after a restart.

    `tell` is given a stable code and a detail when a book is refused, cannot be written, or the one on disk cannot be
    used.
    """

    def __init__(
        self, path: Path, address: Address, key: bytes, tell: Callable[[str, str], None], former: bytes = b""
    ) -> None:
        self._path = path
        self._address = address
        self._keys = tuple(filter(None, (key, former)))
        self._tell = tell
        self._lock = threading.Lock()
        self._book = self._load()
        self._written = self._book

    @property
    def leases(self) -> tuple[Lease, ...]:
        """All of the newest book; none if there is no book that can be trusted."""
        return self._book.leases if self._book else ()

    def held(self) -> Edition:
        """The newest book on disk: what a restart would begin with."""
        written = self._written
        return Edition(written.generation, written.number) if written else NO_BOOK

    def take(self, book: LeaseBook) -> bool:
        """Keep a book if it is newer, ours and signed. Whether it was kept; an older or equal one is passed over."""
        with self._lock:
            if not supersedes(book, self._book):
                return False
            why = self._objection(book)
            if why:
                self._tell("lease-book-refused", why)
                return False
            self._book = book
            error = self._write(book)
            if error:
                self._tell("lease-book-not-written", str(error))
            return True

    def write(self) -> bool:
        """Try again to write a book that the disk did not take. Whether one was written now."""
        with self._lock:
            book = self._book
            return book is not None and book is not self._written and self._write(book) is None

    def rekey(self, key: bytes) -> None:
        """Books signed with `key` count too, from now on; those of the key before still do."""
        with self._lock:
            self._keys = (key, *self._keys[:1])

    def forget_former(self, key: bytes) -> bool:
        """Whether only books signed with `key` count now: not before the book on disk is one."""
        with self._lock:
            written = self._written
            if written is not self._book or (written is not None and not verify(written, key)):
                return False
            self._keys = (key,)
            return True

    def _write(self, book: LeaseBook) -> OSError | None:
        """What the disk says if it does not take it."""
        try:
            replace_file(self._path, encode(book))
        except OSError as error:
            _log.warning("lease book not written: %s", error)
            return error
        self._written = book
        return None

    def _objection(self, book: LeaseBook) -> str | None:
        if book.agent != str(self._address):
            return f"it is meant for {book.agent[:80]}"
        if not self._keys:
            return "this agent has no key"
        return None if any(verify(book, key) for key in self._keys) else "its signature is wrong"

    def _load(self) -> LeaseBook | None:
        try:
            book = decode(LeaseBook, self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ContractError) as error:
            self._tell("lease-book-unusable", str(error))
            return None
        why = self._objection(book)
        if why:
            self._tell("lease-book-unusable", why)
            return None
        return book
