"""Passwords: argon2id, at most two at a time, and the same work whether or not the login exists."""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10
LONGEST = 200
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that reads like something else


class Passwords:
    """Hashes and checks. `hasher` sets the cost; a hash takes tens of MB, hence the bound on how many run at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = threading.BoundedSemaphore(2)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """Raises ValueError for one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters")
        with self._slots:
            return self._hasher.hash(password)

    def check(self, password: str, stored: str | None) -> bool:
        """Whether it is the password of `stored`. With None (no such login) it takes as long and is False."""
        with self._slots:
            try:
                self._hasher.verify(stored or self._hash_of_nobody(), password[: LONGEST + 1])
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def _hash_of_nobody(self) -> str:
        """Made when it is first needed: a start does not wait for it."""
        if not self._nobody:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        return self._nobody


def generate() -> str:
    """A password of 80 bits that can be read out: `xxxx-xxxx-xxxx-xxxx`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
